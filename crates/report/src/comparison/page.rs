//! A comparison as a page: the table, and the reserved curves over each other.

use gapless_replay::Contender;

use super::facts::ComparisonFacts;
use super::words::{CALLS, LONG, answer, call_rows, headline, left_out, legend, long_rows};
use crate::curves::{Curve, picture};
use crate::replay::fidelity_sentence;
use crate::sheet::Sheet;
use crate::words::file_name;

/// The pens of the curves, in the order of the catalog: an allocator has its pen whatever it is
/// compared with. Used again where there are more.
const PENS: [&str; 9] =
    ["pen-1", "pen-2", "pen-3", "pen-4", "pen-5", "pen-6", "pen-7", "pen-8", "pen-9"];

/// The page of a recording's devices.
pub fn comparison_page(comparisons: &[ComparisonFacts]) -> String {
    let path = comparisons.first().map_or("", |facts| facts.recording.path.as_str());
    let mut sheet = Sheet::new(&format!("{} · compared · gapless", file_name(path)));
    for facts in comparisons {
        sheet.title(&answer(facts));
        sheet.aside(&headline(&file_name(path), facts).join(" · "));
        if let Some(left_out) = left_out(facts) {
            sheet.paragraph(&left_out);
        }
        let (title, sentence) = fidelity_sentence(&facts.recording, facts.fidelity.as_ref());
        sheet.paragraph(&format!("{title}: {sentence}"));
        sheet.heading("Reserved memory without a limit");
        let curves = facts.allocators.iter();
        let curves = curves.map(|it| Curve::sampled(it.name, pen(it.name), &it.curve));
        sheet.picture(&picture(&curves.collect::<Vec<_>>(), None));
        sheet.heading("What each needs");
        sheet.table(LONG, &long_rows(facts));
        sheet.heading("What each calls without a limit");
        sheet.table(CALLS, &call_rows(facts));
        sheet.aside(&legend(facts));
    }
    sheet.finish()
}

fn pen(name: &str) -> &'static str {
    let catalog = Contender::catalog();
    let place = catalog.iter().position(|contender| contender.name == name);
    PENS[place.unwrap_or_default() % PENS.len()]
}
