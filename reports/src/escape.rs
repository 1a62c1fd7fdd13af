//! Names from files on their way out. A file, a class or a column may be called anything, so also
//! what a terminal takes for a command, a typesetter for markup and a spreadsheet for a formula.
//! Each door out of the program has its function here; LaTeX, which tables alone are written in,
//! has its own (`table/latex.rs`).

use std::borrow::Cow;

/// Whether a character does something to what shows it instead of being shown: control characters,
/// such as turn the direction of writing, separators of lines, and what XML forbids.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn escaped(
    text: &str,
    stays: impl Fn(char) -> bool,
    code: impl Fn(char) -> String,
) -> Cow<'_, str> {
    let is_hidden = |c: char| is_hidden(c) && !stays(c);
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) { out.push_str(&code(c)) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// One line of text in which every character can be seen: an escape is `\u{1b}`, a line break
/// `\u{a}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, |c| c.escape_unicode().to_string())
}

/// As [`visible`], for text of several lines: their ends stay, and so do tabs.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'), |c| c.escape_unicode().to_string())
}

/// JSON that says the same and can be shown: the hidden characters that a serialiser leaves inside
/// strings (it escapes those below U+0020 only) become `\u009b`.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    escaped(json, |c| matches!(c, '\n' | '\t'), |c| format!("\\u{:04x}", u32::from(c)))
}

/// A name in Markdown, within a cell of a table too: visible, and no markup.
pub fn escape_markdown(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in visible(name).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Whether a spreadsheet takes a cell that begins so for a formula.
fn begins_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A name as a cell of CSV: visible, and behind an apostrophe where a spreadsheet would compute it.
/// Names that begin with apostrophes and such a sign get one more, so that [`from_csv_name`] has no
/// doubt.
pub fn csv_name(name: &str) -> Cow<'_, str> {
    let text = visible(name);
    if begins_formula(name.trim_start_matches('\'')) { format!("'{text}").into() } else { text }
}

/// The name that [`csv_name`] made a cell of; hidden characters stay escaped.
pub fn from_csv_name(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(name) if begins_formula(name.trim_start_matches('\'')) => name,
        _ => cell,
    }
}

#[cfg(test)]
#[path = "escape_tests.rs"]
mod tests;
