//! Bars of Unicode's eighth blocks.

/// What fills one to seven eighths of a cell.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A bar of `share` (0 to 1) of `width` cells, filled up with spaces. A share that is not nothing
/// shows at least an eighth of a cell.
pub(crate) fn bar(share: f64, width: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 1 times the eighths of a line"
    )]
    let eighths = (share.clamp(0.0, 1.0) * (8 * width) as f64).round() as usize;
    let eighths = if 0.0 < share { eighths.max(1) } else { 0 };
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[part]);
    }
    let cells = eighths.div_ceil(8);
    bar + &" ".repeat(width.saturating_sub(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_eighths() {
        for (share, expected) in [
            (0.0, "    "),
            (0.0001, "▏   "),
            (0.5, "██  "),
            (0.53125, "██▏ "),
            (0.96875, "███▉"),
            (1.0, "████"),
            (7.0, "████"),
        ] {
            assert_eq!(bar(share, 4), expected, "{share}");
        }
    }
}
