//! Random programs: after each step blocks share no byte of memory, lie on memory that is theirs
//! and that no other stream's work uses, and the sums agree. At the end everything goes back.

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseError};

use crate::program::{Circumstances, Step, cases, circumstances, steps};
use crate::shadow::Shadow;
use crate::subject::{Alone, Shared, Subject};

fn agrees<S: Subject>(circumstances: Circumstances, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut shadow = Shadow::<S>::new(circumstances);
    for (number, step) in steps.into_iter().enumerate() {
        let mut answer = shadow.step(step).and_then(|()| shadow.check());
        // Events are looked at now and then only, so that frees also wait for requests.
        if answer.is_ok() && number % 4 == 0 {
            answer = shadow.check_active();
        }
        if answer.is_ok() && (S::TELLS_REQUESTS || number % 16 == 0) {
            answer = shadow.check_segments();
        }
        prop_assert!(answer.is_ok(), "step {}, {:?}: {:?}", number, step, answer);
    }
    let ends = shadow.end();
    prop_assert!(ends.is_ok(), "at the end: {:?}", ends);
    Ok(())
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: cases(1024),
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/gapless/regressions.txt",
        ))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn whatever_a_program_does_the_shadow_agrees(
        circumstances in circumstances(),
        steps in steps(),
    ) {
        agrees::<Alone>(circumstances, steps)?;
    }

    #[test]
    fn whatever_threads_in_turn_do_the_shadow_agrees(
        circumstances in circumstances(),
        steps in steps(),
    ) {
        agrees::<Shared>(circumstances, steps)?;
    }
}
