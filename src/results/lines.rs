//! `scores.jsonl`: one result row a line, appended as it is measured.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use ganbench_reports::ResultRow;

use super::chain::Chain;
use super::{ResultsError, pack};

/// Name of the file in a run's folder.
pub const SCORES_NAME: &str = "scores.jsonl";

/// A last line that was cut off while it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornLine {
    /// The file.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// Bytes of it that reached the disk.
    pub bytes: usize,
}

/// The rows of one run.
#[derive(Clone, Debug)]
pub struct Scores {
    pub rows: Vec<ResultRow>,
    pub torn: Option<TornLine>,
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> ResultsError {
    let path = path.to_path_buf();
    move |source| ResultsError::File { path, doing, source }
}

/// Appends rows and flushes them to the disk. A half-written last line of an earlier, killed
/// process is cut off first, so that it cannot merge with the first new line. Makes the file where
/// there is none.
///
/// # Errors
/// If a row is not valid (nothing is written then), or the file cannot be written.
pub fn append_scores(path: &Path, rows: &[ResultRow]) -> Result<(), ResultsError> {
    let mut objects = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        row.validate().map_err(|error| ResultsError::Row {
            path: path.to_path_buf(),
            row: i + 1,
            source: Box::new(error),
        })?;
        let line = serde_json::to_string(row).map_err(|error| ResultsError::Line {
            path: path.to_path_buf(),
            line: i + 1,
            reason: error.to_string(),
        })?;
        objects.push(line);
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed(path, "opened"))?;
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(failed(path, "read"))?;
    let mut end = content.len() as u64;
    let tail_start = content.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let tail = &content[tail_start..];
    let mut text = String::new();
    if !tail.is_empty() {
        if is_json(tail) {
            // Only the line break was lost.
            text.push('\n');
        } else {
            end = tail_start as u64;
            file.set_len(end).map_err(failed(path, "shortened"))?;
        }
    }
    let mut chain = Chain::behind(&content[..end as usize]);
    text.extend(objects.iter().map(|object| chain.line(object)));
    file.seek(SeekFrom::Start(end)).map_err(failed(path, "written"))?;
    file.write_all(text.as_bytes()).map_err(failed(path, "written"))?;
    file.sync_all().map_err(failed(path, "flushed"))
}

fn parse(line: &[u8]) -> Result<ResultRow, String> {
    let mut row: ResultRow = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    super::name_weights(&mut row);
    row.validate().map_err(|error| error.to_string())?;
    Ok(row)
}

/// Whether a line reached the disk whole: no proper beginning of a JSON object is one itself.
pub(super) fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(line).is_ok()
}

/// Reads the rows of one run. A last line that has no line break and is no JSON was cut off by a
/// kill or a full disk and is left out; blank lines are skipped.
///
/// # Errors
/// If the file cannot be read, or any other line is no valid row, naming file and line.
pub fn read_scores(path: &Path) -> Result<Scores, ResultsError> {
    let content = match pack::read(path)? {
        Some(content) => content,
        None => return Err(failed(path, "read")(std::io::ErrorKind::NotFound.into())),
    };
    let mut rows = Vec::new();
    let mut lines = content.split(|&b| b == b'\n').enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match parse(line) {
            Ok(row) => rows.push(row),
            // What follows the last line break is an empty piece; a torn line is the piece itself.
            Err(_) if lines.peek().is_none() && !is_json(line) => {
                let torn = TornLine { path: path.to_path_buf(), line: i + 1, bytes: line.len() };
                return Ok(Scores { rows, torn: Some(torn) });
            }
            Err(reason) => {
                return Err(ResultsError::Line { path: path.to_path_buf(), line: i + 1, reason });
            }
        }
    }
    Ok(Scores { rows, torn: None })
}

/// The runs at most three levels below `root` (or `root` itself), sorted by path: folders that hold
/// a `scores.jsonl`, and runs of packs by the paths that their folders would have.
///
/// # Errors
/// If a folder cannot be listed or a pack is damaged.
pub fn find_runs(root: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let packed = pack::runs_at(root)?;
    let mut found = packed.clone().unwrap_or_default();
    let mut level = vec![root.to_path_buf()];
    if packed.is_some() && !root.is_dir() {
        level.clear();
    }
    for _ in 0..4 {
        let mut below = Vec::new();
        for folder in level {
            if folder.join(SCORES_NAME).is_file() {
                found.push(folder);
                continue;
            }
            if let Some(pack) = pack::Pack::open(&folder)? {
                found.extend(pack.runs());
            }
            for entry in std::fs::read_dir(&folder).map_err(failed(&folder, "listed"))? {
                let entry = entry.map_err(failed(&folder, "listed"))?;
                // Links are not followed, so that no folder is met twice.
                let is_dir = entry.file_type().map_err(failed(&entry.path(), "read"))?.is_dir();
                if is_dir && !pack::is_on_its_way(&entry.path()) {
                    below.push(entry.path());
                }
            }
        }
        level = below;
    }
    found.sort();
    found.dedup();
    Ok(found)
}
