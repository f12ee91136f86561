//! The page's own files: its frame, its looks, and its scripts in reading order.

/// The frame, with places such as `{{style}}`.
const FRAME: &str = include_str!("page.html");

/// The looks.
pub(super) const STYLE: &str = include_str!("page.css");

/// The scripts, each using only what stands in those before it.
const SCRIPTS: [&str; 23] = [
    include_str!("words.js"),
    include_str!("columns.js"),
    include_str!("recording.js"),
    include_str!("state.js"),
    include_str!("theme.js"),
    include_str!("view.js"),
    include_str!("blame.js"),
    include_str!("findings.js"),
    include_str!("summary.js"),
    include_str!("lanes.js"),
    include_str!("curves.js"),
    include_str!("raster.js"),
    include_str!("timeline.js"),
    include_str!("layout.js"),
    include_str!("selection.js"),
    include_str!("map.js"),
    include_str!("holders.js"),
    include_str!("selected.js"),
    include_str!("panel.js"),
    include_str!("pointer.js"),
    include_str!("controls.js"),
    include_str!("painters.js"),
    include_str!("page.js"),
];

/// All scripts as one.
pub(super) fn script() -> String {
    format!("\"use strict\";\n(() => {{\n{}\n}})();\n", SCRIPTS.join("\n"))
}

/// The frame with every place filled; what is filled in is not looked at again.
pub(super) fn fill(mut content: impl FnMut(&str) -> String) -> String {
    let mut page = String::new();
    for (index, part) in FRAME.split("{{").enumerate() {
        match part.split_once("}}").filter(|_| 0 < index) {
            Some((place, rest)) => {
                page.push_str(&content(place));
                page.push_str(rest);
            }
            None => page.push_str(part),
        }
    }
    page
}
