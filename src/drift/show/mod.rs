//! A comparison in words: for a terminal, and as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ganbench_reports::escape::escape_markdown;

use super::compare::Comparison;
use super::line::{Line, Unit, Verdict};
use super::value::{GuardedValue, Reason};

mod pooled;

use pooled::pooled;

/// Rows that a terminal is shown; JSON has all.
const ROWS: usize = 40;
/// Rows of the Markdown table: a comment on a pull request holds 65,536 characters.
const MARKDOWN_ROWS: usize = 200;

const HEAD: [&str; 8] = [
    "value",
    "baseline",
    "candidate",
    "difference",
    "moved by",
    "allowed",
    "least move seen",
    "verdict",
];

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
    let unreproduced = match count(Verdict::Irreproducible) {
        0 => String::new(),
        n => format!(", {n} not reproduced"),
    };
    format!(
        "{} identical, {} within, {} drifted{unreproduced}, {} not comparable: {}",
        count(Verdict::Identical),
        count(Verdict::Within),
        count(Verdict::Drift),
        count(Verdict::NotComparable),
        match comparison.verdict {
            Verdict::Identical => "nothing moved",
            Verdict::Within => "nothing moved beyond what is allowed",
            Verdict::Drift => "DRIFT",
            Verdict::Irreproducible => "NOT REPRODUCED",
            Verdict::NotComparable => "NOT COMPARABLE",
        }
    )
}

/// What moved, the worst first: drift before the rest, each by its size in what is allowed.
fn moved(comparison: &Comparison) -> Vec<&Line> {
    let mut moved: Vec<&Line> = comparison
        .rows
        .iter()
        .filter(|line| !matches!(line.verdict, Verdict::Identical | Verdict::NotComparable))
        .collect();
    let share = |line: &Line| match (line.size, line.allowed) {
        (Some(size), Some(allowed)) => size / allowed,
        // Shown, not judged.
        _ if line.verdict == Verdict::Within => 0.0,
        _ => f64::INFINITY,
    };
    moved.sort_by(|a, b| b.verdict.cmp(&a.verdict).then(share(b).total_cmp(&share(a))));
    moved
}

/// What was not compared, not reproduced or not judged, by the reason: how many, and the first.
fn obstacles(comparison: &Comparison) -> Vec<String> {
    let mut by_reason: BTreeMap<(Verdict, &str), (usize, &Line)> = BTreeMap::new();
    for line in &comparison.rows {
        if let Some(reason) = &line.reason {
            by_reason.entry((line.verdict, reason)).or_insert((0, line)).0 += 1;
        }
    }
    let words = |((verdict, reason), (n, first)): (&(Verdict, &str), &(usize, &Line))| {
        let kind = match verdict {
            Verdict::Irreproducible => "not reproduced",
            Verdict::NotComparable => "not compared",
            _ => "counted apart",
        };
        format!("{kind}: {n} of the baseline's values, such as {}: {reason}", what(first))
    };
    by_reason.iter().map(words).collect()
}

/// Which value, in words.
pub(super) fn what(line: &Line) -> String {
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

fn cells(line: &Line) -> [String; 8] {
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
        line.least_move.map_or(String::new(), |v| format!("{v:.1e}")),
        line.verdict.words().into(),
    ]
}

/// Values beyond those shown.
fn more(moved: usize, shown: usize) -> Option<String> {
    (moved > shown).then(|| format!("and {} more; --json has all", moved - shown))
}

/// Which values a terminal is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Those that moved most.
    Moved,
    /// Every one, in the order of keys.
    All,
}

/// For a terminal.
pub fn text(comparison: &Comparison, baseline: &[GuardedValue], shown: Shown) -> String {
    let moved = match shown {
        Shown::Moved => moved(comparison),
        Shown::All => comparison.rows.iter().collect(),
    };
    let at_most = if shown == Shown::All { moved.len() } else { ROWS };
    let mut rows = vec![HEAD.map(String::from)];
    rows.extend(moved.iter().take(at_most).map(|line| cells(line)));
    let mut out = format!("{}\n", origin(baseline));
    if rows.len() > 1 {
        let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        for row in &rows {
            let mut line = format!("{:<1$}", row[0], widths[0]);
            for (cell, width) in row[1..7].iter().zip(&widths[1..7]) {
                let _ = write!(line, "  {cell:>width$}");
            }
            let _ = writeln!(out, "{line}  {}", row[7]);
        }
    }
    let rest = more(moved.len(), at_most).into_iter();
    let refused = obstacles(comparison).into_iter();
    let pooled = pooled(comparison).into_iter();
    let notes = comparison.notes.iter().map(|note| format!("note: {note}"));
    for line in rest.chain(pooled).chain(refused).chain(notes).chain([summary(comparison)]) {
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
    pooled(comparison).into_iter().for_each(&mut item);
    obstacles(comparison).into_iter().for_each(&mut item);
    comparison.notes.iter().for_each(|note| item(note.clone()));
    out.push('\n');
    if moved.is_empty() {
        return out;
    }
    let row =
        |cells: [String; 8]| format!("| {} |\n", cells.map(|c| escape_markdown(&c)).join(" | "));
    let _ =
        write!(out, "\n{}|---|---:|---:|---:|---:|---:|---:|---|\n", row(HEAD.map(String::from)));
    moved.iter().take(MARKDOWN_ROWS).for_each(|line| out.push_str(&row(cells(line))));
    if let Some(rest) = more(moved.len(), MARKDOWN_ROWS) {
        let _ = writeln!(out, "\n{rest}");
    }
    out
}
