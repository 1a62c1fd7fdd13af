//! Whether a run's folder still holds what the run wrote.
//!
//! Three things say so. The plan's hash is the run's id, which every row carries and the folder's
//! name ends with. Each line of `scores.jsonl` and `train.jsonl` carries a digest
//! (`results/chain.rs`). And `done` records the plan, both files with their counts of lines, and
//! the small files beside them. A folder may be renamed and moved, and the path of its data in the
//! plan may change. Runs of ganbench before 0.2 have ids only.
//!
//! None of it is a signature: it finds what was changed by mistake or by hand, not what was forged
//! with care.

use std::fmt;
#[cfg(test)]
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ganbench_files::hash;
use ganbench_reports::ResultRow;

use super::folder::{
    DIVERGED_NAME, DONE_NAME, PLAN_NAME, PROVENANCE_NAME, RECORDS_NAME, RESUMED_NAME, RunFolder,
};
use crate::plan::Plan;
use crate::results::{SCORES_NAME, chain, pack};

/// Lines of a file that grows: `done` records how many there were.
const GROWING: [&str; 2] = [SCORES_NAME, RECORDS_NAME];
/// Files beside the plan and the lines that say how the run was made and ended.
const BESIDE: [&str; 3] = [PROVENANCE_NAME, RESUMED_NAME, DIVERGED_NAME];
/// Of so many changes each is named.
const NAMED: usize = 5;

/// Something in a run's folder that is not as the run wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum Change {
    /// The plan makes another run than the one that the rows or the folder's name are of.
    Plan { run_id: String, other: String, by: &'static str },
    /// The plan, or a file beside it, is not the one of the run's end.
    File { name: &'static str },
    /// A file of the run's end is not there.
    Missing { name: &'static str },
    /// A line is not as it was written.
    Line { name: &'static str, line: usize },
    /// A row says of the run what its plan does not say.
    Row { line: usize, field: &'static str, row: String, plan: String },
    /// A finished run had more lines.
    Lost { name: &'static str, lines: usize, recorded: usize },
    /// A finished run had other lines.
    Lines { name: &'static str, recorded: usize },
}

impl Change {
    /// The file that was changed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plan { .. } => PLAN_NAME,
            Self::Row { .. } => SCORES_NAME,
            Self::File { name }
            | Self::Missing { name }
            | Self::Line { name, .. }
            | Self::Lost { name, .. }
            | Self::Lines { name, .. } => name,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan { run_id, other, by } => write!(
                f,
                "{PLAN_NAME} was changed: it is the plan of run {run_id}, and {by} of run {other}"
            ),
            Self::File { name } => write!(f, "{name} was changed after the run's end"),
            Self::Missing { name } => {
                write!(f, "{name} is missing, which was there at the run's end")
            }
            Self::Line { name, line } => {
                write!(f, "{name} line {line} was changed, or lines before it were taken out")
            }
            Self::Row { line, field, row, plan } => {
                write!(f, "{SCORES_NAME} line {line}: {field} is {row}, and {plan} in the plan")
            }
            Self::Lost { name, lines, recorded } => {
                write!(f, "{name} has {lines} lines, and the finished run had {recorded}")
            }
            Self::Lines { name, recorded } => {
                write!(f, "the first {recorded} lines of {name} are not those of the run's end")
            }
        }
    }
}

/// What `done` says: how the run ended, and digests of what it had written by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// `ok` or `diverged`.
    pub outcome: String,
    /// Of runs before ganbench 0.2 nothing is recorded.
    pub recorded: Vec<Recorded>,
}

/// What a file was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    name: &'static str,
    /// Of a file that grows.
    lines: Option<usize>,
    sha256: String,
}

impl Finished {
    /// What is in the folder now.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn now(folder: &RunFolder, outcome: &str) -> Result<Self> {
        let sha256 = plan_sha256(&folder.plan()?)?;
        let mut recorded = vec![Recorded { name: PLAN_NAME, lines: None, sha256 }];
        for name in GROWING {
            let content = read_lines(&folder.path().join(name))?;
            let lines = line_count(&content);
            let sha256 = hash::sha256(first_lines(&content, lines));
            recorded.push(Recorded { name, lines: Some(lines), sha256 });
        }
        for name in BESIDE {
            if let Some(content) = read(&folder.path().join(name))? {
                let sha256 = hash::sha256(&content);
                recorded.push(Recorded { name, lines: None, sha256 });
            }
        }
        Ok(Self { outcome: outcome.to_string(), recorded })
    }

    /// As `done` holds it: the outcome, then a line for each file.
    pub fn text(&self) -> String {
        let line = |r: &Recorded| match r.lines {
            Some(lines) => format!("{} {lines} lines {}\n", r.name, r.sha256),
            None => format!("{} {}\n", r.name, r.sha256),
        };
        let lines: String = self.recorded.iter().map(line).collect();
        format!("{}\n{lines}", self.outcome)
    }

    /// None where the run is not finished.
    ///
    /// # Errors
    /// If `done` cannot be read or is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(DONE_NAME);
        let Some(content) = read(&path)? else { return Ok(None) };
        let parsed = std::str::from_utf8(&content).ok().and_then(Self::parse);
        let parsed = parsed.with_context(|| {
            format!(
                "{} is damaged: expected ok or diverged and then a line for each file; delete it and run the same \
                 command again, which goes on from the last checkpoint",
                path.display()
            )
        });
        parsed.map(Some)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let outcome = lines.next()?.trim().to_string();
        let known = [PLAN_NAME].into_iter().chain(GROWING).chain(BESIDE).collect::<Vec<_>>();
        let recorded = lines.map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let name = *known.iter().find(|name| Some(*name) == words.first())?;
            let (lines, sha256) = match words[1..] {
                [sha256] => (None, sha256),
                [lines, "lines", sha256] => (Some(lines.parse().ok()?), sha256),
                _ => return None,
            };
            (sha256.len() == 64).then(|| Recorded { name, lines, sha256: sha256.to_string() })
        });
        let recorded = recorded.collect::<Option<Vec<_>>>()?;
        ["ok", "diverged"].contains(&outcome.as_str()).then_some(Self { outcome, recorded })
    }
}

/// None where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    Ok(pack::read(path)?)
}

/// Lines with their ends, also where the last one lost its own; behind them a line that was cut off
/// while it was written, if there is one. Empty where there is no such file.
fn read_lines(path: &Path) -> Result<Vec<u8>> {
    let mut content = read(path)?.unwrap_or_default();
    if serde_json::from_slice::<serde_json::Value>(tail(&content)).is_ok() {
        content.push(b'\n');
    }
    Ok(content)
}

/// What stands behind the last end of a line.
fn tail(content: &[u8]) -> &[u8] {
    content.rsplit(|&b| b == b'\n').next().unwrap_or_default()
}

/// Of a plan with what a budget of minutes came to, and without the place of its data.
fn plan_sha256(plan: &Plan) -> Result<String> {
    let mut plan = plan.clone();
    plan.dataset.name = plan.dataset.without_path();
    Ok(hash::sha256(&serde_json::to_vec(&plan)?))
}

fn line_count(content: &[u8]) -> usize {
    content.iter().filter(|&&b| b == b'\n').count()
}

/// The first `n` lines with their ends, or all.
fn first_lines(content: &[u8], n: usize) -> &[u8] {
    let mut ends = content.iter().enumerate().filter(|&(_, &b)| b == b'\n').map(|(at, _)| at + 1);
    let end = if n == 0 { Some(0) } else { ends.nth(n - 1) };
    &content[..end.unwrap_or(content.len())]
}

/// All that is not as the run wrote it, and whether digests say so beside the ids.
#[derive(Clone, Debug, Default)]
pub struct Integrity {
    /// Each change that was found.
    pub changes: Vec<Change>,
    /// Whether the run has digests, which those of ganbench before 0.2 have not.
    pub has_digests: bool,
}

impl Integrity {
    /// Whether nothing but ends of files is missing: then the rest can be measured again.
    fn is_cut_only(&self) -> bool {
        self.changes
            .iter()
            .all(|change| matches!(change, Change::Lost { name, .. } if *name == SCORES_NAME))
    }

    /// The changes in one sentence.
    pub fn text(&self) -> String {
        let mut named: Vec<String> =
            self.changes.iter().take(NAMED).map(ToString::to_string).collect();
        if let Some(more @ 1..) = self.changes.len().checked_sub(NAMED) {
            named.push(format!("and {more} more"));
        }
        named.join("; ")
    }
}

/// What was changed in a run's folder. Another process may be at work in it.
///
/// # Errors
/// If a file cannot be read, or the plan is none.
pub fn look(folder: &Path) -> Result<Integrity> {
    // First: another process may add rows, and only then record them.
    let finished = Finished::read(folder)?;
    let has_plan = folder.join(PLAN_NAME).is_file() || pack::is_packed(folder)?;
    let plan = has_plan.then(|| RunFolder::at(folder).plan()).transpose()?;
    let mut found = Integrity::default();
    let mut contents = Vec::new();
    for name in GROWING {
        let content = read_lines(&folder.join(name))?;
        found.has_digests |= chain::has_digests(&content);
        let line = |line| Change::Line { name, line };
        found.changes.extend(chain::changed_lines(&content).into_iter().map(line));
        contents.push(content);
    }
    if let Some(plan) = &plan {
        found.changes.extend(against_plan(folder, plan, &contents[0]));
    }
    for recorded in finished.iter().flat_map(|finished| &finished.recorded) {
        found.has_digests = true;
        let growing = GROWING.iter().position(|name| *name == recorded.name);
        let change = match (growing, recorded.lines) {
            (Some(i), Some(lines)) => lines_since(recorded, lines, &contents[i]),
            _ => file_since(recorded, folder, plan.as_ref())?,
        };
        // A line that is named says it already, and so do the ids.
        let is_whole = matches!(change, Some(Change::Lines { .. } | Change::File { .. }));
        let is_said = is_whole && found.changes.iter().any(|c| c.name() == recorded.name);
        found.changes.extend(change.filter(|_| !is_said));
    }
    // Without a count only a half line shows that rows were lost.
    let is_old = finished.is_some_and(|finished| finished.recorded.is_empty());
    if is_old && !tail(&contents[0]).is_empty() {
        let lines = line_count(&contents[0]);
        found.changes.push(Change::Lost { name: SCORES_NAME, lines, recorded: lines + 1 });
    }
    Ok(found)
}

fn lines_since(recorded: &Recorded, lines: usize, content: &[u8]) -> Option<Change> {
    let name = recorded.name;
    let there = line_count(content);
    if there < lines {
        return Some(Change::Lost { name, lines: there, recorded: lines });
    }
    let same = hash::sha256(first_lines(content, lines)) == recorded.sha256;
    (!same).then_some(Change::Lines { name, recorded: lines })
}

fn file_since(recorded: &Recorded, folder: &Path, plan: Option<&Plan>) -> Result<Option<Change>> {
    let name = recorded.name;
    let sha256 = match name {
        PLAN_NAME => plan.map(plan_sha256).transpose()?,
        _ => read(&folder.join(name))?.map(|content| hash::sha256(&content)),
    };
    Ok(match sha256 {
        None => Some(Change::Missing { name }),
        Some(sha256) if sha256 != recorded.sha256 => Some(Change::File { name }),
        Some(_) => None,
    })
}

/// What the rows and the folder's name say of the run against its plan.
fn against_plan(folder: &Path, plan: &Plan, scores: &[u8]) -> Vec<Change> {
    let run_id = plan.run_id();
    let mut changes = Vec::new();
    let lines = scores.split(|&b| b == b'\n').enumerate();
    // What is no row is an error where rows are read.
    let rows = lines
        .filter_map(|(i, line)| Some((i + 1, serde_json::from_slice::<ResultRow>(line).ok()?)));
    let rows: Vec<(usize, ResultRow)> = rows.collect();
    let of_others = rows.iter().filter(|(_, row)| row.run_id != run_id).count();
    if let Some((line, first)) = rows.first().filter(|_| of_others == rows.len()) {
        let (other, by) = (first.run_id.clone(), "the rows are");
        changes.push(Change::Plan { run_id, other, by });
        changes.extend(differing(*line, first, plan));
        return changes;
    }
    if let Some(other) = named_id(folder).filter(|id| *id != run_id) {
        let by = "the folder's name says it is";
        changes.push(Change::Plan { run_id: run_id.clone(), other, by });
    }
    for (line, row) in &rows {
        if row.run_id != run_id {
            let (field, row, plan) = ("run_id", row.run_id.clone(), run_id.clone());
            changes.push(Change::Row { line: *line, field, row, plan });
        }
        changes.extend(differing(*line, row, plan));
    }
    changes
}

/// What a row says of its run otherwise than the plan.
fn differing(line: usize, row: &ResultRow, plan: &Plan) -> impl Iterator<Item = Change> {
    let (train, network) = (&plan.train, &plan.train.network);
    let pairs = [
        ("method", row.method.clone(), plan.row_name().to_string()),
        ("seed", row.seed.to_string(), train.seed.to_string()),
        ("architecture", row.architecture.clone(), network.architecture.clone()),
        ("width", row.width.to_string(), network.width.to_string()),
        ("batch", row.batch.to_string(), train.batch.to_string()),
        ("dataset_sha256", row.dataset_sha256.clone(), plan.dataset.sha256.clone()),
        ("budget_unit", row.budget_unit.clone(), train.budget.unit.name().to_string()),
        ("budget_amount", row.budget_amount.to_string(), train.budget.amount.to_string()),
    ];
    let differ = pairs.into_iter().filter(|(_, row, plan)| row != plan);
    differ.map(move |(field, row, plan)| Change::Row { line, field, row, plan })
}

/// The id that a folder's name ends with, as [`RunFolder::for_plan`] gives it; none of a folder of
/// another name.
fn named_id(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?;
    let (_, id) = name.rsplit_once('-')?;
    let is_hex = id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (id.len() == 16 && is_hex).then(|| id.to_string())
}

/// Refuses a run that was changed.
///
/// # Errors
/// Naming what was changed and what to do; or as of [`look`].
pub fn check(folder: &Path) -> Result<()> {
    let found = look(folder)?;
    if found.changes.is_empty() {
        return Ok(());
    }
    let (place, text) = (folder.display(), found.text());
    if found.is_cut_only() {
        bail!(
            "{place} lost rows: {text}; put the file back, or give the command of {PROVENANCE_NAME} again, which \
             measures them where the run's checkpoints are there"
        );
    }
    bail!(
        "{place} is not as its run wrote it: {text}; put back what was there, or delete the folder and run its command \
         again"
    )
}

/// As [`check`], for a command that trains: a finished run that only lost rows and has its states
/// is taken up again and measures them.
///
/// # Errors
/// As of [`check`].
pub fn check_or_reopen(folder: &RunFolder) -> Result<()> {
    let path = folder.path();
    let found = look(path)?;
    if found.changes.is_empty() || !found.is_cut_only() || !folder.has_states() {
        return check(path);
    }
    log::info!("note: {} lost rows, which are measured again: {}", path.display(), found.text());
    folder.reopen()
}

/// The run of another folder, as this version writes a finished one, under the name that a sweep
/// gives it.
#[cfg(test)]
pub fn finished_run(dir: &Path, old: &RunFolder) -> RunFolder {
    let plan = old.plan().unwrap();
    let run = RunFolder::for_plan(dir, &plan);
    fs::create_dir_all(run.path()).unwrap();
    let provenance = read(&old.path().join(PROVENANCE_NAME)).unwrap().unwrap();
    fs::write(run.path().join(PROVENANCE_NAME), provenance).unwrap();
    run.write_plan(&plan).unwrap();
    run.keep_scores(&old.scores().unwrap()).unwrap();
    run.keep_records_of(old).unwrap();
    run.finish("ok").unwrap();
    run
}

#[cfg(test)]
#[path = "integrity_tests.rs"]
mod tests;
