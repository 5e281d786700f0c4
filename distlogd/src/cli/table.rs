//! Aligned columns for people, as wide as the terminal allows.

use std::collections::BTreeMap;

use crate::escape::one_line;
use crate::tree::paint::{Look, Style, cut_to, width};

/// No column becomes narrower than this when the terminal is too narrow.
const MIN_WIDTH: usize = 8;
/// Between columns.
const GAP: &str = "  ";

/// The width of the terminal that standard output is; `None` if it is none. `COLUMNS` overrides it.
pub(super) fn terminal_width() -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok();
    let set = columns.and_then(|columns| columns.parse().ok());
    let size = || rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let columns = set.or_else(|| size().map(|size| usize::from(size.ws_col)));
    columns.filter(|columns| *columns > 0)
}

/// A text in a table.
#[derive(Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    /// A text, escaped.
    pub(super) fn text(text: &str) -> Cell {
        Cell {
            text: one_line(text).to_string(),
            style: Style::Plain,
            right: false,
        }
    }

    /// A number or duration: at the right of its column.
    pub(super) fn number(value: impl std::fmt::Display) -> Cell {
        Cell {
            text: value.to_string(),
            style: Style::Plain,
            right: true,
        }
    }

    /// In a style.
    pub(super) fn styled(self, style: Style) -> Cell {
        Cell { style, ..self }
    }

    /// In a style if something holds.
    pub(super) fn styled_if(self, holds: bool, style: Style) -> Cell {
        if holds { self.styled(style) } else { self }
    }
}

/// A table with a line of titles.
pub(super) struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// A line of its own below a row, by the row's number.
    below: BTreeMap<usize, Cell>,
}

impl Table {
    pub(super) fn new(titles: &[&'static str]) -> Table {
        Table {
            titles: titles.to_vec(),
            rows: Vec::new(),
            below: BTreeMap::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// A line below the last row, indented; it is not cut.
    pub(super) fn below(&mut self, cell: Cell) {
        self.below.insert(self.rows.len().saturating_sub(1), cell);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends it. Columns that are empty in all rows are left out; texts are cut where `columns` are not enough.
    pub(super) fn put(&self, out: &mut String, look: Look, columns: Option<usize>) {
        let shown: Vec<usize> = (0..self.titles.len())
            .filter(|at| {
                let mut cells = self.rows.iter().filter_map(|row| row.get(*at));
                cells.any(|cell| !cell.text.is_empty())
            })
            .collect();
        let of = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let mut widths: Vec<usize> = shown
            .iter()
            .map(|at| {
                let widest = of(*at).map(|cell| width(&cell.text)).max();
                widest.unwrap_or(0).max(width(self.titles[*at]))
            })
            .collect();
        if let Some(columns) = columns.filter(|_| !look.full) {
            let flexible: Vec<bool> = shown
                .iter()
                .map(|at| of(*at).all(|cell| !cell.right))
                .collect();
            narrow(&mut widths, &flexible, columns);
        }
        let titles = |at: usize| {
            let right = of(at).next().is_some_and(|cell| cell.right);
            (self.titles[at], Style::Dim, right)
        };
        put_line(out, look, shown.iter().map(|at| titles(*at)), &widths);
        for (number, row) in self.rows.iter().enumerate() {
            let cells = shown.iter().map(|at| match row.get(*at) {
                Some(cell) => (cell.text.as_str(), cell.style, cell.right),
                None => ("", Style::Plain, false),
            });
            put_line(out, look, cells, &widths);
            if let Some(below) = self.below.get(&number) {
                out.push_str(GAP);
                look.colour.put(out, below.style, &below.text);
                out.push('\n');
            }
        }
    }
}

/// Takes from the widest flexible columns until all fit.
fn narrow(widths: &mut [usize], flexible: &[bool], columns: usize) {
    loop {
        let total = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        let widest = (0..widths.len())
            .filter(|at| flexible[*at] && widths[*at] > MIN_WIDTH)
            .max_by_key(|at| widths[*at]);
        match widest {
            Some(at) if total > columns => widths[at] -= 1,
            _ => return,
        }
    }
}

fn put_line<'c>(
    out: &mut String,
    look: Look,
    cells: impl Iterator<Item = (&'c str, Style, bool)>,
    widths: &[usize],
) {
    let start = out.len();
    for (at, ((text, style, right), width)) in cells.zip(widths).enumerate() {
        if at > 0 {
            out.push_str(GAP);
        }
        let text = cut_to(text, *width);
        let pad = " ".repeat(width - self::width(&text).min(*width));
        if right {
            out.push_str(&pad);
        }
        let style = if text.is_empty() { Style::Plain } else { style };
        look.colour.put(out, style, text);
        if !right {
            out.push_str(&pad);
        }
    }
    let end = start + out[start..].trim_end_matches(' ').len();
    out.truncate(end);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::paint::Colour;

    #[test]
    fn numbers_stand_right_and_texts_are_cut() {
        let mut table = Table::new(&["NAME", "EMPTY", "COUNT", "LAST"]);
        table.row(vec![
            Cell::text("a"),
            Cell::text(""),
            Cell::number(5),
            Cell::text("something\nlong that is cut"),
        ]);
        table.row(vec![Cell::text("漢字"), Cell::text(""), Cell::number(1234)]);
        let mut out = String::new();
        table.put(&mut out, Look::new(Colour::Off, false), Some(30));
        assert_eq!(
            out,
            "NAME  COUNT  LAST\n\
             a         5  something\\nlong …\n\
             漢字   1234\n"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(texts in prop::collection::vec(".*", 1..12), columns in 30..80usize) {
            let mut table = Table::new(&["A", "B", "C"]);
            for row in texts.chunks(3) {
                table.row(row.iter().map(|text| Cell::text(text)).collect());
            }
            let mut out = String::new();
            table.put(&mut out, Look::new(Colour::Off, false), Some(columns));
            prop_assert!(out.lines().all(|line| width(line) <= columns), "{out}");
        }
    }
}
