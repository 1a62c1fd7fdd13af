//! `ganbench verify` of a folder of runs or a file of results: whether all is as it was written.
//! Nothing is trained or measured.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ganbench_files::{memory, shared};
use serde::Serialize;

use crate::results::{
    CSV_NAME, IMPORTED_NAME, PARQUET_NAME, ResultsError, check_digest, check_imported, find_runs,
};
use crate::run::integrity;

/// Unfinished files of processes that died.
#[derive(Debug, Serialize)]
pub struct LeftBehind {
    files: usize,
    bytes: u64,
}

impl LeftBehind {
    /// In a folder and in all below it.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub fn below(folder: &Path) -> Result<Self> {
        let found = shared::count_left_behind(folder);
        let found = found.with_context(|| format!("cannot list {}", folder.display()))?;
        Ok(Self { files: found.files, bytes: found.bytes })
    }

    /// One line where there are any.
    pub fn print(&self) {
        if self.files > 0 {
            say!(
                "left behind {} unfinished files ({}*) of processes that died, {}: the next command that writes into their \
                 folders removes them",
                self.files,
                shared::UNFINISHED,
                memory::shown(self.bytes)
            );
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Intact,
    /// Nothing says whether it was changed.
    NoDigest,
    Changed,
}

/// A run, or a file of results.
#[derive(Debug, Serialize)]
struct Seen {
    path: PathBuf,
    verdict: Verdict,
    /// What was changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    what: String,
}

#[derive(Debug, Serialize)]
struct Looked {
    verdict: Verdict,
    seen: Vec<Seen>,
    left_behind: LeftBehind,
}

/// Whether nothing was changed.
///
/// # Errors
/// If nothing is there to look at, or something cannot be read.
pub fn run(path: &Path, json: bool) -> Result<bool> {
    let mut seen = Vec::new();
    let folder = if path.is_dir() {
        let runs = find_runs(path)?;
        for run in &runs {
            seen.push(run_seen(run)?);
        }
        let parents = runs.iter().filter_map(|run| Some(run.parent()?.to_path_buf()));
        let folders: BTreeSet<PathBuf> = parents.chain([path.to_path_buf()]).collect();
        for folder in folders {
            let files = [PARQUET_NAME, CSV_NAME, IMPORTED_NAME].map(|name| folder.join(name));
            for file in files.iter().filter(|file| file.is_file()) {
                seen.push(file_seen(file)?);
            }
        }
        path
    } else {
        seen.push(file_seen(path)?);
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    };
    if seen.is_empty() {
        bail!(
            "{} holds nothing to verify: expected a run's plan.toml, runs in folders, {PARQUET_NAME} or {IMPORTED_NAME}",
            path.display()
        );
    }
    let verdict = seen.iter().map(|seen| seen.verdict).max().unwrap_or(Verdict::Intact);
    let looked = Looked { verdict, seen, left_behind: LeftBehind::below(folder)? };
    if json {
        crate::cli::tell::json(&looked)?;
    } else {
        looked.print();
    }
    Ok(verdict != Verdict::Changed)
}

fn run_seen(run: &Path) -> Result<Seen> {
    let found = integrity::look(run)?;
    let verdict = match (found.changes.is_empty(), found.has_digests) {
        (false, _) => Verdict::Changed,
        (true, true) => Verdict::Intact,
        (true, false) => Verdict::NoDigest,
    };
    Ok(Seen { path: run.to_path_buf(), verdict, what: found.text() })
}

fn file_seen(file: &Path) -> Result<Seen> {
    let carries = match file.file_name().and_then(|name| name.to_str()) {
        Some(IMPORTED_NAME) => check_imported(file),
        _ if file.extension().is_some_and(|extension| extension == "csv") => Ok(false),
        _ => check_digest(file),
    };
    let (verdict, what) = match carries {
        Ok(true) => (Verdict::Intact, String::new()),
        Ok(false) => (Verdict::NoDigest, String::new()),
        Err(error @ (ResultsError::Changed { .. } | ResultsError::ChangedLine { .. })) => {
            (Verdict::Changed, error.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Seen { path: file.to_path_buf(), verdict, what })
}

impl Looked {
    fn print(&self) {
        for Seen { path, verdict, what } in &self.seen {
            let path = path.display();
            match verdict {
                Verdict::Intact => say!("intact     {path}"),
                Verdict::NoDigest => {
                    say!("no digest  {path}: nothing says whether it was changed");
                }
                Verdict::Changed if what.contains(&path.to_string()) => say!("changed    {what}"),
                Verdict::Changed => say!("changed    {path}: {what}"),
            }
        }
        self.left_behind.print();
        let count = |verdict| self.seen.iter().filter(|seen| seen.verdict == verdict).count();
        say!(
            "{} intact, {} without a digest, {} changed",
            count(Verdict::Intact),
            count(Verdict::NoDigest),
            count(Verdict::Changed)
        );
    }
}
