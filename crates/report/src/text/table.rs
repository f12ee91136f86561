//! Columns that align.

/// The side of its column a cell stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Names and sentences.
    Left,
    /// Numbers.
    Right,
}

/// The rows as lines: columns two spaces apart, each as wide as its widest cell. Where that is
/// wider than `width`, the first column is cut.
pub(crate) fn table<const N: usize>(
    rows: &[[String; N]],
    sides: [Side; N],
    width: usize,
) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = cell.chars().count().max(*widest);
        }
    }
    let all: usize = widths.iter().sum::<usize>() + 2 * N.saturating_sub(1);
    if let Some(first) = widths.first_mut() {
        *first = first.saturating_sub(all.saturating_sub(width)).max(8);
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).zip(sides).map(|((cell, width), side)| {
            let cell = cut(cell, width);
            match side {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The text, or its beginning and an ellipsis where it is longer than `width`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_end_early() {
        let rows = [["a", "1", ""], ["long name", "100", "x"]].map(|row| row.map(str::to_owned));
        let lines = table(&rows, [Side::Left, Side::Right, Side::Left], 80);
        assert_eq!(lines, ["a            1", "long name  100  x"]);
    }

    #[test]
    fn the_first_column_is_cut() {
        let rows = [["a very long name", "100"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows, [Side::Left, Side::Right], 15), ["a very lo…  100"]);
    }
}
