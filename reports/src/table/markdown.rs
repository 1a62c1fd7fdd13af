//! `table.md`.

use std::fmt::Write as _;

use super::caption;
use super::sheet::{Heading, Layout, Sheet, sheets};
use super::{Standing, Table};
use crate::escape::escape_markdown as escape;

fn heading_text(heading: &Heading) -> String {
    escape(&format!("{}{}", heading.top, heading.bottom))
}

fn sheet_text(sheet: &Sheet) -> String {
    let mut out = format!("**{}**\n\n", escape(&sheet.title));
    let columns = sheet.headings.len();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out.push_str(&line(sheet.headings.iter().map(heading_text).collect()));
    let rule = (0..columns).map(|i| if sheet.is_text(i) { ":--" } else { "--:" });
    out.push_str(&line(rule.map(str::to_string).collect()));
    for row in &sheet.rows {
        let cells = row.iter().map(|entry| match entry.standing {
            Standing::Best => format!("**{}**", escape(&entry.with_dagger())),
            Standing::NotToldFromBest => format!("<u>{}</u>", escape(&entry.with_dagger())),
            Standing::Other => escape(&entry.with_dagger()),
        });
        out.push_str(&line(cells.collect()));
    }
    out
}

/// A table of details, under `heading`.
pub(crate) fn details(table: &Table, heading: &str) -> String {
    let mut text = format!("## {heading}\n");
    for sheet in sheets(table, Layout::Beside) {
        let _ = write!(text, "\n{}", sheet_text(&sheet));
    }
    text
}

pub(super) fn render(table: &Table) -> String {
    let mut parts = vec![escape(&caption::sentences(table).join(" ")) + "\n"];
    parts.extend(sheets(table, Layout::Beside).iter().map(sheet_text));
    parts.join("\n")
}
