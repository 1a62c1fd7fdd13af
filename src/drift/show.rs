//! A comparison in words: for a terminal, and as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::compare::{Comparison, Line, Unit, Verdict};
use super::value::{GuardedValue, Reason};

/// Rows that a terminal is shown; JSON has all.
const ROWS: usize = 40;
/// Rows of the Markdown table: a comment on a pull request holds 65,536 characters.
const MARKDOWN_ROWS: usize = 200;

const HEAD: [&str; 7] =
    ["value", "baseline", "candidate", "difference", "moved by", "allowed", "verdict"];

/// Where the baseline is from and why it is as it is.
fn origin(baseline: &[GuardedValue]) -> String {
    let Some(last) = baseline.iter().max_by_key(|value| value.provenance.unix_s) else {
        return "baseline: none".into();
    };
    let p = &last.provenance;
    let mut text = format!("baseline: {} values", baseline.len());
    let parts = [("commit ", &p.commit), ("", &p.cpu), ("", &p.simd)];
    for (what, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
        let _ = write!(text, ", {what}{part}");
    }
    let reasons: Vec<Reason> = serde_json::from_str(&p.reasons).unwrap_or_default();
    if let Some(reason) = reasons.last() {
        let _ = write!(text, "; {}", reason.reason);
    }
    text
}

fn summary(comparison: &Comparison) -> String {
    let count = |verdict| comparison.count(verdict);
    format!(
        "{} identical, {} within, {} drifted, {} not comparable: {}",
        count(Verdict::Identical),
        count(Verdict::Within),
        count(Verdict::Drift),
        count(Verdict::NotComparable),
        match comparison.verdict {
            Verdict::Identical => "nothing moved",
            Verdict::Within => "nothing moved beyond what is allowed",
            Verdict::Drift => "DRIFT",
            Verdict::NotComparable => "NOT COMPARABLE",
        }
    )
}

/// What moved, the worst first: drift before the rest, each by its size in what is allowed.
fn moved(comparison: &Comparison) -> Vec<&Line> {
    let mut moved: Vec<&Line> = comparison
        .rows
        .iter()
        .filter(|line| matches!(line.verdict, Verdict::Within | Verdict::Drift))
        .collect();
    let share = |line: &Line| line.size.zip(line.allowed).map_or(f64::INFINITY, |(s, a)| s / a);
    moved.sort_by(|a, b| b.verdict.cmp(&a.verdict).then(share(b).total_cmp(&share(a))));
    moved
}

/// What could not be compared, by the reason: how many, and the first.
fn obstacles(comparison: &Comparison) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, (usize, &Line)> = BTreeMap::new();
    for line in &comparison.rows {
        if let Some(reason) = &line.reason {
            by_reason.entry(reason).or_insert((0, line)).0 += 1;
        }
    }
    let words = |(reason, (n, first)): (&&str, &(usize, &Line))| {
        format!("{n} of the baseline's values, such as {}: {reason}", what(first))
    };
    by_reason.iter().map(words).collect()
}

fn what(line: &Line) -> String {
    let seed = match (line.seed, line.seeds) {
        (Some(seed), _) => format!("seed {seed}"),
        (None, n) if n > 1 => format!("mean of {n} seeds"),
        _ => String::new(),
    };
    let parts = [
        line.layer.name(),
        &line.dataset,
        &line.method,
        &seed,
        &line.checkpoint,
        &line.name,
        &line.keys,
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "diverged".into(),
        Some(v) if v == 0.0 || (1e-3..1e7).contains(&v.abs()) => {
            let digits = (8 - v.abs().max(1e-3).log10().floor() as i32).clamp(0, 10) as usize;
            format!("{v:.digits$}")
        }
        Some(v) => format!("{v:.8e}"),
    }
}

fn cells(line: &Line) -> [String; 7] {
    let size = |v: Option<f64>| match (v, line.unit) {
        (None, _) => String::new(),
        (Some(v), Unit::Relative) => format!("{v:.1e}"),
        (Some(v), Unit::StandardErrors) => format!("{v:.1} se"),
    };
    [
        what(line),
        number(line.baseline),
        number(line.candidate),
        line.difference.map_or(String::new(), |v| format!("{v:+.3e}")),
        size(line.size),
        size(line.allowed),
        line.verdict.words().into(),
    ]
}

/// Values beyond those shown.
fn more(moved: usize, shown: usize) -> Option<String> {
    (moved > shown).then(|| format!("and {} more; --json has all", moved - shown))
}

/// For a terminal.
pub fn text(comparison: &Comparison, baseline: &[GuardedValue]) -> String {
    let moved = moved(comparison);
    let mut rows = vec![HEAD.map(String::from)];
    rows.extend(moved.iter().take(ROWS).map(|line| cells(line)));
    let mut out = format!("{}\n", origin(baseline));
    if rows.len() > 1 {
        let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        for row in &rows {
            let mut line = format!("{:<1$}", row[0], widths[0]);
            for (cell, width) in row[1..6].iter().zip(&widths[1..6]) {
                let _ = write!(line, "  {cell:>width$}");
            }
            let _ = writeln!(out, "{line}  {}", row[6]);
        }
    }
    let rest = more(moved.len(), ROWS).into_iter();
    let refused = obstacles(comparison).into_iter().map(|text| format!("not compared: {text}"));
    let notes = comparison.notes.iter().map(|note| format!("note: {note}"));
    for line in rest.chain(refused).chain(notes).chain([summary(comparison)]) {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// For a page or a comment.
pub fn markdown(comparison: &Comparison, baseline: &[GuardedValue]) -> String {
    let moved = moved(comparison);
    let mut out = format!("### Drift: {}\n\n{}\n", summary(comparison), origin(baseline));
    let mut item = |text: String| {
        let _ = write!(out, "\n- {text}");
    };
    obstacles(comparison).into_iter().for_each(|text| item(format!("not compared: {text}")));
    comparison.notes.iter().for_each(|note| item(note.clone()));
    out.push('\n');
    if moved.is_empty() {
        return out;
    }
    let row =
        |cells: [String; 7]| format!("| {} |\n", cells.map(|c| c.replace('|', "\\|")).join(" | "));
    let _ = write!(out, "\n{}|---|---:|---:|---:|---:|---:|---|\n", row(HEAD.map(String::from)));
    moved.iter().take(MARKDOWN_ROWS).for_each(|line| out.push_str(&row(cells(line))));
    if let Some(rest) = more(moved.len(), MARKDOWN_ROWS) {
        let _ = writeln!(out, "\n{rest}");
    }
    out
}
