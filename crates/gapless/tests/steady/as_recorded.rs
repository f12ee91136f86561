//! Programs that ran on a card: their last iteration, behind all that came before, in the time that it took. No
//! page is mapped in it.

use super::check_own;
use super::moved::{MOST, Moved, micros};

/// What the name of a recording from a card has in it.
const FROM_A_CARD: &str = ".h200";

#[test]
fn programs_on_a_card_move_nothing_in_their_last_iteration() {
    let checked = check_own(|programs| {
        let from_a_card = programs.filter(|(name, _)| name.contains(FROM_A_CARD));
        let checks = from_a_card.map(|(name, device)| {
            let last = device.iterations.len() - 1;
            let operations = &device.iterations[last].operations;
            let Moved { pages, shares } =
                Moved::within(&device.program, operations, micros(&device, last), None);
            let [percent, other] = shares.map(|share| 100.0 * share);
            println!("{name}: {pages} pages, {percent:.3} % by a100, {other:.2} % by h100");
            assert!(pages == 0 && shares[0] <= MOST, "{name}: {percent} % of the time");
        });
        checks.count()
    });
    assert_eq!(checked, 6);
}
