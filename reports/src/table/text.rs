//! The table as aligned text for a terminal.

use super::caption;
use super::sheet::{GAP, Layout, Sheet, sheets};
use super::{Standing, Table};

/// Breaks a paragraph into lines of at most `width` characters where words allow it.
fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            used = 0;
        }
        if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
    out
}

fn sheet_text(sheet: &Sheet) -> String {
    let rule = "─".repeat(sheet.width());
    let mut out = format!("{}\n{rule}\n", sheet.title);
    let mut line = |cells: &mut dyn Iterator<Item = (String, char)>| {
        let mut text = String::new();
        for (i, (cell, mark)) in cells.enumerate() {
            if i > 0 {
                text.push_str(&" ".repeat(GAP));
            }
            let room = sheet.column_width(i);
            if sheet.is_text(i) {
                text.push_str(&format!("{cell:<room$}"));
            } else {
                text.push_str(&format!("{cell:>0$}{mark}", room - 1));
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut sheet.headings.iter().map(|h| (h.top.clone(), ' ')));
    if sheet.headings.iter().any(|h| !h.bottom.is_empty()) {
        line(&mut sheet.headings.iter().map(|h| (h.bottom.clone(), ' ')));
    }
    line(&mut std::iter::once((rule.clone(), ' ')));
    for row in &sheet.rows {
        line(&mut row.iter().map(|entry| {
            let mark = match entry.standing {
                Standing::Other => ' ',
                Standing::Best => '*',
                Standing::NotToldFromBest => '~',
            };
            (entry.with_dagger(), mark)
        }));
    }
    out
}

pub(super) fn render(table: &Table, width: usize) -> String {
    let beside = sheets(table, Layout::Beside);
    let sheets = if beside.iter().all(|sheet| sheet.width() <= width) {
        beside
    } else {
        sheets(table, Layout::Below)
    };
    let mut parts: Vec<String> = sheets
        .iter()
        .flat_map(|sheet| sheet.folded(width))
        .map(|sheet| sheet_text(&sheet))
        .collect();
    // A sentence a paragraph would be long-winded, one block hard to read: the sentences flow.
    parts.push(wrap(&caption::sentences(table).join(" "), width.clamp(40, 110)));
    parts.join("\n")
}
