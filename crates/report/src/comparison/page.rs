//! A comparison as a page: the table, and the reserved curves over each other.

use super::facts::ComparisonFacts;
use super::words::{LONG, answer, headline, legend, long_rows};
use crate::curves::{Curve, picture};
use crate::replay::fidelity_sentence;
use crate::sheet::Sheet;
use crate::words::file_name;

/// The pens of the curves, used again where there are more allocators.
const PENS: [&str; 9] =
    ["pen-1", "pen-2", "pen-3", "pen-4", "pen-5", "pen-6", "pen-7", "pen-8", "pen-9"];

/// The page of a recording's devices.
pub fn comparison_page(comparisons: &[ComparisonFacts]) -> String {
    let path = comparisons.first().map_or("", |facts| facts.recording.path.as_str());
    let mut sheet = Sheet::new(&format!("{} · compared · gapless", file_name(path)));
    for facts in comparisons {
        sheet.title(&answer(facts));
        sheet.aside(&headline(facts).join(" · "));
        let (title, sentence) = fidelity_sentence(facts.fidelity.as_ref());
        sheet.paragraph(&format!("{title}: {sentence}"));
        sheet.heading("Reserved memory without a limit");
        let pens = PENS.iter().cycle();
        let curves = facts.allocators.iter().zip(pens);
        let curves = curves.map(|(it, pen)| Curve::sampled(it.name, pen, &it.curve));
        sheet.picture(&picture(&curves.collect::<Vec<_>>(), None));
        sheet.heading("What each needs");
        sheet.table(LONG, &long_rows(facts));
        sheet.aside(&legend(facts));
    }
    sheet.finish()
}
