//! Kept experiments: a question, the runs that answer it in slices that go on, and a page with the
//! verdicts.
//!
//! Everything of an experiment lies in one folder, `<date>-<machine>-<name>`, beside those of
//! others: its file, a folder a part as `reproduce` writes it, the pages. Finished runs are packed
//! into a few files (`results/pack/`), which go on counting on a machine that has just the
//! repository; folders of runs, with their checkpoints, are left out of version control.

mod experiment;
mod findings;
mod index;
mod measure;
mod packed;
mod page;
mod unreported;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
pub use experiment::{CommandParser, Experiment, Part};
pub use findings::{Findings, PartState, find};
use ganbench_files::write_atomic;
pub use index::{check as check_page, renew};
pub use measure::Run;
pub use packed::{pack, tidy};
pub use page::page;
use serde::{Deserialize, Serialize};

use crate::machine;
use crate::results;
use crate::results::pack::RUNS;
use crate::run::folder::{Lock, RunFolder};

const EXPERIMENT_NAME: &str = "experiment.toml";
const SLICES_NAME: &str = "slices.jsonl";
const FINDINGS_NAME: &str = "verdicts.json";

/// One invocation's work on a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// Name of the part.
    pub part: String,
    /// When the work began, in seconds since 1970.
    pub started_unix_s: u64,
    /// How long it took on the clock.
    pub wall_s: f64,
}

/// An experiment's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The newest folder of the experiment below `root`, or a new one, which gets the experiment's
    /// file as it is now.
    ///
    /// # Errors
    /// If a folder cannot be listed or written.
    pub fn find_or_create(
        root: &Path,
        experiment: &Experiment,
        file: &Path,
        parser: CommandParser,
    ) -> Result<Self> {
        let path = match all(root, parser)?.into_iter().rfind(|(_, e)| e.name == experiment.name) {
            Some((folder, _)) => folder.path,
            None => root.join(format!("{}-{}-{}", today()?, machine_name(), experiment.name)),
        };
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let text =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        write_atomic(&path.join(EXPERIMENT_NAME), &text)?;
        Ok(Self { path })
    }

    /// Where the experiment lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a part, as `reproduce --out` has it.
    pub fn part(&self, part: &Part) -> PathBuf {
        self.path.join(&part.name)
    }

    /// # Errors
    /// If the file cannot be written.
    pub fn add_slice(&self, slice: &Slice) -> Result<()> {
        let path = self.path.join(SLICES_NAME);
        let _lock = Lock::wait(&self.path)?;
        let mut text = if path.exists() { std::fs::read_to_string(&path)? } else { String::new() };
        text.push_str(&serde_json::to_string(slice)?);
        text.push('\n');
        Ok(write_atomic(&path, text.as_bytes())?)
    }

    /// # Errors
    /// If the file is damaged.
    pub fn slices(&self) -> Result<Vec<Slice>> {
        let path = self.path.join(SLICES_NAME);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(&path)?;
        let parse = |line| {
            serde_json::from_str(line).with_context(|| format!("{} is damaged", path.display()))
        };
        text.lines().map(parse).collect()
    }

    /// Whether the toy of a part is made for all its seeds; of a part with runs `reproduce` itself
    /// says.
    ///
    /// # Errors
    /// If its file is damaged.
    pub fn has_toy(&self, part: &Part) -> Result<bool> {
        if !part.request().is_toy() {
            return Ok(false);
        }
        let made = measure::toy(&self.part(part), "mean_move")?;
        let seeds = part.request().seeds.clone().unwrap_or_else(|| vec![0]);
        Ok(seeds.iter().all(|seed| made.iter().any(|value| value.seed == *seed)))
    }

    /// All runs of a part, in folders or packed; none where it has not begun.
    ///
    /// # Errors
    /// If a folder cannot be listed or a pack is damaged.
    pub fn run_folders(&self, part: &str) -> Result<Vec<RunFolder>> {
        let runs = self.path.join(part).join(RUNS);
        if !runs.is_dir() && results::pack::runs_at(&runs)?.is_none() {
            return Ok(Vec::new());
        }
        Ok(results::find_runs(&runs)?.iter().map(|path| RunFolder::at(path)).collect())
    }

    /// The finished runs that a part asks for, not those of what it asked for before; none where it
    /// has not begun.
    ///
    /// # Errors
    /// If a run's file is damaged.
    pub fn runs(&self, part: &Part) -> Result<Vec<Run>> {
        if part.request().is_toy() {
            return Ok(Vec::new());
        }
        let plans = part.request().plans()?;
        let mut found = Vec::new();
        for folder in self.run_folders(&part.name)? {
            if folder.is_done() {
                let run = Run::read(&folder)?;
                if plans.iter().any(|asked| run.plan.is_asked_for_by(asked)) {
                    found.push(run);
                }
            }
        }
        Ok(found)
    }
}

/// All experiments' folders below `root`, by name; none where there is no `root`.
///
/// # Errors
/// If one cannot be read.
pub fn all(root: &Path, parser: CommandParser) -> Result<Vec<(Folder, Experiment)>> {
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let cannot = || format!("cannot list {}", root.display());
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let file = path.join(EXPERIMENT_NAME);
        if file.is_file() {
            folders.push((Folder { path }, Experiment::read(&file, parser)?));
        }
    }
    folders.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    Ok(folders)
}

fn today() -> Result<String> {
    let now = i64::try_from(machine::unix_s()).context("the clock is wrong")?;
    let now = chrono::DateTime::from_timestamp(now, 0).context("the clock is wrong")?;
    Ok(now.format("%Y-%m-%d").to_string())
}

/// Such as `epyc-2core`: what of the processor's name is neither its maker nor filler, and the
/// cores.
fn machine_name() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{}-{cores}core", processor(&machine::cpu_name()))
}

fn processor(name: &str) -> String {
    let fillers = ["amd", "intel", "r", "tm", "cpu", "processor", "with", "unknown"];
    let name = name.to_ascii_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let mut words = words.filter(|word| !word.is_empty() && !fillers.contains(word));
    words.next().unwrap_or("machine").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_called_by_their_family() {
        assert_eq!(processor("AMD EPYC 9R14"), "epyc");
        assert_eq!(processor("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"), "xeon");
        assert_eq!(processor("Apple M2"), "apple");
        assert_eq!(processor("unknown"), "machine");
    }
}
