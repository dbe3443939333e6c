//! Text for a terminal: lines no wider than it is, lists, tables, and a little colour.

use std::ops::Range;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// The width of sentences, and of tables unless a wider one is asked for.
pub(super) const COLUMNS: usize = 80;

/// A table as wide as its contents; the only line is a rule below its header.
pub(super) fn ruled() -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Aligns columns of numbers at their right.
pub(super) fn align_right(table: &mut Table, columns: Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A table like [`ruled`], at most so many letters wide.
pub(super) fn ruled_within(columns: usize) -> Table {
    let mut table = ruled();
    table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Without the blanks that a table leaves at the ends of its lines.
pub(super) fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Each of `lines` as a point of a list.
pub(super) fn said(lines: &[String]) -> String {
    lines.iter().map(|line| wrap(&format!("- {line}"), "  ")).collect::<Vec<_>>().join("\n")
}

/// `text` in lines of at most 80 characters, all but the first behind `indent`.
pub(super) fn wrap(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        let longer = line.chars().count() + 1 + word.chars().count();
        if line.trim().is_empty() {
            line.push_str(word);
        } else if longer <= COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines.join("\n")
}

/// Puts colours into text, or does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    color: bool,
}

impl Paint {
    /// Does so where `color`.
    pub(super) fn new(color: bool) -> Paint {
        Paint { color }
    }

    pub(super) fn bold(&self, text: &str) -> String {
        self.paint(text, "1")
    }

    pub(super) fn red(&self, text: &str) -> String {
        self.paint(text, "31")
    }

    fn paint(&self, text: &str, code: &str) -> String {
        match self.color {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
