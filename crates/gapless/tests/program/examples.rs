//! The examples of the long help do what they promise.

use std::path::Path;
use std::process::Command;

use crate::run::{POOLS, Run, folder, gapless, recordings};

#[test]
fn every_example_runs() {
    for (command, count) in [("explain", 8), ("replay", 8), ("advise", 5), ("compare", 5)] {
        check_examples(command, count);
    }
}

fn check_examples(command: &str, count: usize) {
    let help = gapless(&["help", command]).stdout;
    let examples = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let examples: Vec<&str> = examples.map_while(|line| line.strip_prefix("  ")).collect();
    assert_eq!(examples.len(), count);

    let folder = folder(&format!("examples-{command}"));
    for name in ["run.pickle", "run.pickle.gz", "rank0.pickle", "rank1.pickle", "rank2.pickle"] {
        std::fs::copy(recordings().join(POOLS), folder.join(name))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let program = Path::new(env!("CARGO_BIN_EXE_gapless")).parent().unwrap_or(Path::new(""));
    let path = std::env::var("PATH").unwrap_or_default();
    for example in examples {
        let output = Command::new("sh")
            .args(["-c", example])
            .current_dir(&folder)
            .env("PATH", format!("{}:{path}", program.display()))
            .output()
            .unwrap_or_else(|error| panic!("{error}"));
        let run = Run::new(output);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{example}");
    }
    let pages = ["page.html", "advice.html", "compare.html"];
    assert!(pages.iter().any(|page| folder.join(page).exists()));
}
