//! The reserved bytes of two runs in one picture, drawn as markup that needs no script.

use std::fmt::Write;

use gapless_trace::Trace;
use gapless_units::Bytes;

/// The picture's width and height in its own units.
const WIDTH: usize = 960;
const HEIGHT: usize = 300;
/// Room for the sizes on the left and the events below.
const LEFT: usize = 80;
const BELOW: usize = 24;
/// How many columns a curve has: one for each unit it is drawn in.
const COLUMNS: usize = WIDTH - LEFT;

/// A curve: the most and the least of each column.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    name: String,
    class: &'static str,
    columns: Vec<(Bytes, Bytes)>,
}

impl Curve {
    /// The reserved bytes of a trace over its events.
    pub(crate) fn reserved(name: impl Into<String>, class: &'static str, trace: &Trace) -> Self {
        Self::of(name, class, trace, |totals| totals.reserved)
    }

    /// The bytes in use of a trace over its events.
    pub(crate) fn active(name: impl Into<String>, class: &'static str, trace: &Trace) -> Self {
        Self::of(name, class, trace, |totals| totals.active)
    }

    /// One value for each equal part of the program's operations.
    pub(crate) fn sampled(name: impl Into<String>, class: &'static str, samples: &[Bytes]) -> Self {
        let mut last = samples.first().copied().unwrap_or_default();
        let column = |index: usize| {
            let bytes = samples.get(index * samples.len() / COLUMNS).copied().unwrap_or(last);
            let column = (last.min(bytes), last.max(bytes));
            last = bytes;
            column
        };
        let columns = (0..COLUMNS).map(column).collect();
        Self { name: name.into(), class, columns }
    }

    fn of(
        name: impl Into<String>,
        class: &'static str,
        trace: &Trace,
        of: impl Fn(gapless_trace::Totals) -> Bytes,
    ) -> Self {
        let count = trace.events.len() + 1;
        let mut columns: Vec<Option<(Bytes, Bytes)>> = vec![None; COLUMNS];
        for (instant, totals) in trace.totals().enumerate() {
            let bytes = of(totals);
            let column = &mut columns[instant * COLUMNS / count];
            let (low, high) = column.unwrap_or((bytes, bytes));
            *column = Some((low.min(bytes), high.max(bytes)));
        }
        // A short trace leaves columns empty; the sums stay as they were there.
        let mut last = (Bytes::ZERO, Bytes::ZERO);
        let columns = columns.into_iter().map(|column| {
            last = column.map_or((last.1, last.1), |column| column);
            last
        });
        Self { name: name.into(), class, columns: columns.collect() }
    }
}

/// The sizes that are marked on the left: up to seven whole multiples of a power of two.
fn marks(top: Bytes) -> impl Iterator<Item = Bytes> {
    let step = top.get().div_ceil(6).next_power_of_two();
    (0..=top.get() / step).map(move |count| Bytes::new(count * step))
}

/// A size without the decimals that say nothing.
fn mark(bytes: Bytes) -> String {
    bytes.to_string().replace(".00 ", " ").replace(".0 ", " ")
}

/// The curves over each other, with a line at `limit` where there is one. Each curve spans the
/// whole width, whatever the number of its events, since the program is the same.
pub(crate) fn picture(curves: &[Curve], limit: Option<(Bytes, &str)>) -> String {
    let highest = curves.iter().flat_map(|curve| &curve.columns).map(|column| column.1).max();
    let top = highest.unwrap_or_default().max(limit.map_or(Bytes::ZERO, |(bytes, _)| bytes));
    let top = Bytes::new(top.get().max(1) / 20 * 21 + 1);
    let plot = HEIGHT - BELOW;
    let y = |bytes: Bytes| plot as f64 * (1.0 - bytes.share_of(top));
    let mut svg = format!(
        "<svg class=\"curves\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"reserved memory over the program's events\">\n"
    );
    for bytes in marks(top) {
        let at = y(bytes);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"size\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 8,
            at.max(8.0) + 4.0,
            mark(bytes)
        );
    }
    for curve in curves {
        let mut path = String::new();
        for (index, (low, high)) in curve.columns.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let x = LEFT + index;
            let _ = write!(path, "{letter}{x} {:.1}V{:.1}", y(*high), y(*low));
        }
        let _ = writeln!(svg, "<path class=\"{}\" d=\"{path}\"/>", curve.class);
    }
    if let Some((bytes, name)) = limit {
        let at = y(bytes);
        let _ = writeln!(
            svg,
            "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"limit-name\" x=\"{WIDTH}\" y=\"{:.1}\">{name}</text>",
            at - 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"axis\" x=\"{LEFT}\" y=\"{}\">first event</text>\
         <text class=\"axis end\" x=\"{WIDTH}\" y=\"{}\">last event</text>\n</svg>",
        HEIGHT - 6,
        HEIGHT - 6
    );
    svg.push_str("<p class=\"legend\">");
    for curve in curves {
        let _ = write!(svg, "<span class=\"key {}\"></span>{} ", curve.class, curve.name);
    }
    svg.push_str("</p>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_sizes_are_marked() {
        let marked = |top| marks(top).map(mark).collect::<Vec<_>>().join(", ");
        assert_eq!(marked(Bytes::mib(17_200)), "0, 4 GiB, 8 GiB, 12 GiB, 16 GiB");
        assert_eq!(marked(Bytes::mib(1_900)), "0, 512 MiB, 1 GiB, 1.50 GiB");
        assert_eq!(marked(Bytes::new(1)), "0, 1 B");
        for mib in 1..3000 {
            assert!((4..=7).contains(&marks(Bytes::mib(mib)).count()), "{mib} MiB");
        }
    }
}
