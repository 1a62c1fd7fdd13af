//! The few files that a kept part comes down to: its pack, one page, pictures.

use std::path::Path;

use anyhow::{Context as _, Result};
use ganbench_data::images::ImageBatch;
use ganbench_files::write_atomic;
use ganbench_reports::plot::indexed_png;

use super::{Folder, Part};
use crate::results::pack::{self, RUNS, Source};
use crate::run::folder::{LOCK_NAME, Lock, PLAN_NAME, RunFolder};
use crate::run::{integrity, samples};

/// Packs the finished runs of a part and takes out of their folders what is packed; checkpoints
/// and runs that go on stay where they are. Nothing is packed while another process is at work
/// on a finished run.
///
/// # Errors
/// If a run cannot be packed, naming it, or a file cannot be written. The runs are then as they
/// were.
pub fn pack(folder: &Folder, part: &Part) -> Result<()> {
    let place = folder.part(part);
    let mut sources = Vec::new();
    let (mut locks, mut is_new) = (Vec::new(), false);
    for run in folder.run_folders(&part.name)? {
        if !run.is_done() {
            continue;
        }
        // Of a packed run a folder may be left with its checkpoints or its lock.
        if run.path().is_dir() {
            let Some(lock) = Lock::try_take(run.path())? else { return Ok(()) };
            locks.push((run.clone(), lock));
        }
        if run.path().join(PLAN_NAME).is_file() {
            integrity::check(run.path())?;
            pack::check_goes_on(run.path())?;
            is_new = true;
        }
        sources.push(run);
    }
    if is_new {
        let samples = first_samples(&sources)?;
        let sources = sources.iter().zip(samples);
        let sources: Vec<Source> = sources
            .map(|(run, samples)| Source { run: run.path().to_path_buf(), samples })
            .collect();
        pack::write(&place, &sources)?;
    }
    for (run, lock) in locks {
        pack::remove_packed(run.path())?;
        // As long as it is held: whoever waits for it makes the folder anew.
        let _ = std::fs::remove_file(run.path().join(LOCK_NAME));
        remove_if_empty(&run.path().join("checkpoints"));
        remove_if_empty(run.path());
        drop(lock);
    }
    remove_if_empty(&place.join(RUNS));
    Ok(())
}

/// A folder that holds anything stays.
fn remove_if_empty(folder: &Path) {
    let _ = std::fs::remove_dir(folder);
}

/// The samples of the runs of the lowest seed that has any, as many as a report shows.
fn first_samples(runs: &[RunFolder]) -> Result<Vec<Option<ImageBatch>>> {
    let mut found = Vec::new();
    for run in runs {
        let plan = run.plan()?;
        let images = samples::read(run, &plan, plan.evaluation.grid_images)?;
        found.push((plan.train.seed, images));
    }
    let seeds = found.iter().filter(|(_, images)| images.is_some()).map(|(seed, _)| *seed);
    let first = seeds.min();
    Ok(found.into_iter().map(|(seed, images)| images.filter(|_| Some(seed) == first)).collect())
}

/// Files of a report that say again what others say.
const AGAIN: [&str; 4] = ["results.csv", "table.csv", "table.tex", "report.json"];

/// Leaves of a part's report what a reader of the repository needs: the page, its table, and
/// pictures with at most 256 colours where that makes them smaller.
///
/// # Errors
/// If a file cannot be read, written or removed.
pub fn tidy(folder: &Folder, part: &Part) -> Result<()> {
    let place = folder.part(part);
    let page = place.join("report.md");
    if page.is_file() {
        let text = std::fs::read_to_string(&page)
            .with_context(|| format!("cannot read {}", page.display()))?;
        let kept = without_links(&text);
        if kept != text {
            write_atomic(&page, kept.as_bytes())?;
        }
    }
    for name in AGAIN {
        remove(&place.join(name))?;
    }
    let plots = place.join("plots");
    let Ok(entries) = std::fs::read_dir(&plots) else { return Ok(()) };
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", plots.display()))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => remove(&path)?,
            Some("png") => make_smaller(&path)?,
            _ => {}
        }
    }
    Ok(())
}

fn make_smaller(picture: &Path) -> Result<()> {
    let bytes =
        std::fs::read(picture).with_context(|| format!("cannot read {}", picture.display()))?;
    let smaller =
        indexed_png(&bytes).with_context(|| format!("{} is no picture", picture.display()))?;
    match smaller {
        Some(smaller) => Ok(write_atomic(picture, &smaller)?),
        None => Ok(()),
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// What a page says of its tables' other forms, and what it says without them.
const FORMS: [&str; 2] = [
    "The same table for papers and programs: [table.tex](table.tex), [table.csv](table.csv), \
     [table.md](table.md), [report.json](report.json).",
    "The same table alone: [table.md](table.md). As LaTeX and CSV: `ganbench report --runs` with this \
     folder.",
];

/// A page without links to what is left out.
fn without_links(page: &str) -> String {
    // A block is a link to the vector form of the picture above it, with others behind it or none.
    let others = |block: &str| {
        let Some(link) = block.strip_prefix("[SVG](plots/") else { return Some(block.to_string()) };
        let behind = link.split_once(')').map_or("", |(_, behind)| behind);
        let behind = behind.trim_start_matches(", ");
        (!behind.trim().is_empty()).then(|| behind.to_string())
    };
    let kept: Vec<String> = page.split("\n\n").filter_map(others).collect();
    let mut text = kept.join("\n\n").replace(FORMS[0], FORMS[1]);
    if page.ends_with('\n') && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_only_to_what_stays() {
        let page = format!(
            "# A\n\n![b](plots/b.png)\n\n[SVG](plots/b.svg)\n\n[SVG](plots/c.svg), [c.csv](c.csv)\n\n{}\n\n\
             [SVG](plots/d.svg)\n",
            FORMS[0]
        );
        let expected = format!("# A\n\n![b](plots/b.png)\n\n[c.csv](c.csv)\n\n{}\n", FORMS[1]);
        assert_eq!(without_links(&page), expected);
        assert_eq!(without_links(&expected), expected);
    }
}
