//! Reads settings strings, one a line, and writes what they mean: for a comparison with PyTorch's
//! own parser (`fuzz/oracle/settings.py`).

#![expect(clippy::disallowed_methods, reason = "it reads what it is sent")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::io::BufRead;

use gapless_trace::Settings;

fn main() {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let mut settings = Settings::default();
        let verdict = match settings.apply(&line) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("refused: {error}"),
        };
        let limit = settings.max_split_size.map_or(-1, |size| i128::from(size.get()));
        let threshold = settings.garbage_collection_threshold.unwrap_or(0.0);
        let (expandable, table) = (settings.expandable_segments, settings.roundup_power2_divisions);
        println!("{limit}\t{threshold:?}\t{expandable}\t{table:?}\t{verdict}");
    }
}
