//! `table.tex`: a `table` environment for documents that load `booktabs`.

use super::caption;
use super::sheet::{Heading, Layout, Sheet, sheets};
use super::{Standing, Table};
use crate::escape::visible;

/// Characters of `\\footnotesize` that fit between the margins of `article` (345 pt), gaps
/// included.
const LINE: usize = 84;

/// Escapes LaTeX's special characters and writes the signs of our tables as commands, so that the
/// file compiles with any engine.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '|' => out.push_str("$|$"),
            '"' => out.push_str("''"),
            '±' => out.push_str("$\\pm$"),
            '×' => out.push_str("$\\times$"),
            '−' => out.push_str("$-$"),
            '↓' => out.push_str("$\\downarrow$"),
            '↑' => out.push_str("$\\uparrow$"),
            '†' => out.push_str("$^\\dagger$"),
            '–' => out.push_str("--"),
            '—' => out.push_str("---"),
            '¹' => out.push_str("$^1$"),
            '²' => out.push_str("$^2$"),
            '∞' => out.push_str("$\\infty$"),
            'α' => out.push_str("$\\alpha$"),
            'γ' => out.push_str("$\\gamma$"),
            'σ' => out.push_str("$\\sigma$"),
            'λ' => out.push_str("$\\lambda$"),
            'τ' => out.push_str("$\\tau$"),
            _ => out.push(c),
        }
    }
    out
}

fn heading_text(heading: &Heading) -> String {
    if heading.bottom.is_empty() {
        return escape(&heading.top);
    }
    // A stack of two lines that needs no package.
    format!(
        "\\begin{{tabular}}[b]{{@{{}}r@{{}}}}{}\\\\{}\\end{{tabular}}",
        escape(&heading.top),
        escape(&heading.bottom)
    )
}

fn sheet_text(sheet: &Sheet) -> String {
    let columns = sheet.headings.len();
    let kinds: String = (0..columns).map(|i| if sheet.is_text(i) { 'l' } else { 'r' }).collect();
    let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let mut out = format!("\\begin{{tabular}}{{{kinds}}}\n\\toprule\n");
    out.push_str(&format!(
        "\\multicolumn{{{columns}}}{{l}}{{\\emph{{{}}}}} \\\\\n\\midrule\n",
        escape(&sheet.title)
    ));
    out.push_str(&line(sheet.headings.iter().map(heading_text).collect()));
    out.push_str("\\midrule\n");
    for row in &sheet.rows {
        let cells = row.iter().map(|entry| match entry.standing {
            Standing::Best => format!("\\textbf{{{}}}", escape(&entry.with_dagger())),
            Standing::NotToldFromBest => format!("\\underline{{{}}}", escape(&entry.with_dagger())),
            Standing::Other => escape(&entry.with_dagger()),
        });
        out.push_str(&line(cells.collect()));
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n");
    out
}

pub(super) fn render(table: &Table) -> String {
    // Labels take letters, digits and hyphens only.
    let label: String = format!("{}-{}", table.key.table, table.key.dataset)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let sheets: Vec<String> = sheets(table, Layout::Below)
        .iter()
        .flat_map(|sheet| sheet.folded(LINE))
        .map(|sheet| sheet_text(&sheet))
        .collect();
    format!(
        "% needs \\usepackage{{booktabs}}\n\\begin{{table}}[t]\n\\centering\n\\caption{{{}}}\n\
         \\label{{tab:{label}}}\n\\medskip\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{3.5pt}}\n{}\\end{{table}}\n",
        escape(&caption::sentences(table).join(" ")),
        sheets.join("\n\\medskip\n\n"),
    )
}
