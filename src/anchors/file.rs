//! `anchors.jsonl`: one anchor a line.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ganbench_files::write_atomic;
use ganbench_reports::Anchor;

/// In a folder of results.
const NAME: &str = "anchors.jsonl";

/// Whether one takes the other's place.
fn is_same(a: &Anchor, b: &Anchor) -> bool {
    let networks =
        |anchor: &Anchor| anchor.networks.as_ref().map(|n| (n.architecture.clone(), n.width));
    (&a.name, &a.measured) == (&b.name, &b.measured) && networks(a) == networks(b)
}

/// `anchors` with `fresh` ones in the place of those that these renew, or behind them.
pub fn merged(mut anchors: Vec<Anchor>, fresh: Vec<Anchor>) -> Vec<Anchor> {
    for anchor in fresh {
        match anchors.iter_mut().find(|there| is_same(there, &anchor)) {
            Some(there) => *there = anchor,
            None => anchors.push(anchor),
        }
    }
    anchors
}

/// The anchors in a folder of results; none where there is no file.
///
/// # Errors
/// If the file cannot be read, or a line is damaged.
pub fn read(folder: &Path) -> Result<Vec<Anchor>> {
    let path = folder.join(NAME);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let parse = |(i, line)| {
        serde_json::from_str(line).with_context(|| {
            format!(
                "{} line {} is no anchor; delete the file, and reproduce measures them again",
                path.display(),
                i + 1
            )
        })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// # Errors
/// If it cannot be written.
pub fn write(folder: &Path, anchors: &[Anchor]) -> Result<()> {
    let mut text = String::new();
    for anchor in anchors {
        text.push_str(&serde_json::to_string(anchor)?);
        text.push('\n');
    }
    Ok(write_atomic(&folder.join(NAME), text.as_bytes())?)
}

/// The anchors beside run folders: in the folder of results that they lie in, in `runs/` or right
/// there.
///
/// # Errors
/// As of [`read`].
pub fn of_runs(runs: &[PathBuf]) -> Result<Vec<Anchor>> {
    let mut folders: Vec<&Path> = Vec::new();
    for folder in runs.iter().flat_map(|run| run.ancestors().skip(1).take(2)) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let mut anchors = Vec::new();
    for folder in folders {
        anchors = merged(anchors, read(folder)?);
    }
    Ok(anchors)
}

/// The anchors beside a results file.
///
/// # Errors
/// As of [`read`].
pub fn of_results(file: &Path) -> Result<Vec<Anchor>> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    read(folder.unwrap_or(Path::new(".")))
}

/// Keeps anchors beside a report that is made elsewhere.
///
/// # Errors
/// If the file there is damaged or cannot be written.
pub fn copy_to(out: &Path, anchors: &[Anchor]) -> Result<()> {
    let there = read(out)?;
    let all = merged(there.clone(), anchors.to_vec());
    if all == there { Ok(()) } else { write(out, &all) }
}
