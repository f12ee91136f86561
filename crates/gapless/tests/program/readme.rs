//! The README shows what the program prints.

use std::path::Path;

use crate::run::{DIED_ON_A_CARD, OF_A_CARD, gapless};

#[test]
fn the_screens_in_the_readme_are_the_programs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}"));
    let compare = ["compare", OF_A_CARD, "--costs", "h200"];
    for (place, arguments) in [(1, &[DIED_ON_A_CARD][..]), (3, &compare)] {
        let screen = gapless(arguments).stdout;
        let shown = readme.split("```text\n").nth(place).and_then(|rest| rest.split("```").next());
        assert_eq!(shown, Some(screen.as_str()));
    }
}
