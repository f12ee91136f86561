//! The README shows what the program prints.

use std::path::Path;

use crate::run::{OOM, gapless};

#[test]
fn the_screen_in_the_readme_is_the_programs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}"));
    let screen = gapless(&[OOM]).stdout;
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(shown, Some(screen.as_str()));
}
