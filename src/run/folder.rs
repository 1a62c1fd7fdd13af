//! One run on disk: `plan.toml`, `provenance.toml`, `train.jsonl`, `scores.jsonl`, `checkpoints/`,
//! `samples.png`, `diverged.json` where it did, and `done` once everything is there.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ganbench_baselines::train::{Diverged, StepRecord};
use ganbench_files::shared;
use ganbench_files::{remove_unfinished, write_atomic};
use ganbench_metrics::version::asked_for;
use ganbench_reports::{ResultRow, short_hash};
use serde::{Deserialize, Serialize};

use super::integrity::Finished;
use crate::plan::{EXTRACTOR, Plan};
use crate::results::chain::Chain;
pub use crate::results::pack::{DONE_NAME, PLAN_NAME, RECORDS_NAME};
use crate::results::{SCORES_NAME, append_scores, pack, run_rows};

/// How and with what a run was made: [`Provenance`].
pub const PROVENANCE_NAME: &str = "provenance.toml";
/// The [`Provenance`] of the last invocation that went on with the run, where others began it.
pub const RESUMED_NAME: &str = "provenance-resumed.toml";
/// Where and how training diverged; it is there only where it did.
pub const DIVERGED_NAME: &str = "diverged.json";
/// Of a folder in which one process works at a time.
pub const LOCK_NAME: &str = "lock";

/// How and with what a run was made; nothing here is part of its identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of ganbench that trained.
    pub version: String,
    /// Commit of ganbench that trained.
    pub commit: String,
    /// The command line, without the folder of the program.
    pub command: String,
    /// Operating system.
    pub os: String,
    /// Architecture of the processor, such as `x86_64`.
    pub arch: String,
    /// Name of the processor.
    pub cpu: String,
    /// Instruction set of the kernels, as in `GANBENCH_SIMD`.
    pub simd: String,
    /// Threads that the work was given.
    pub threads: usize,
    /// Where the networks worked.
    pub device: String,
    /// When the run began, in seconds since 1970.
    pub started_unix_s: u64,
    /// The finished run whose last state this one began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_further_from: Option<String>,
    /// Images of the smallest and of the largest class of the real images, where these are uneven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uneven_classes: Option<[u64; 2]>,
}

/// The commit that the program was built from, or `unknown`.
pub fn commit() -> String {
    option_env!("GANBENCH_COMMIT").unwrap_or("unknown").to_string()
}

/// Holds a folder for this process: its file `lock`.
pub struct Lock {
    _held: shared::Lock,
}

impl Lock {
    /// Takes `<dir>/lock`, making the folder where there is none; `None` if another process holds
    /// it.
    ///
    /// # Errors
    /// If the folder cannot be written, or `lock` is no regular file.
    pub fn try_take(dir: &Path) -> Result<Option<Self>> {
        loop {
            let path = Self::path(dir)?;
            match shared::Lock::try_take(&path) {
                Ok(held) => return Ok(held.map(|held| Self { _held: held })),
                // The folder was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }

    /// As [`Lock::try_take`], for a folder that no other process may be at work in.
    ///
    /// # Errors
    /// If another process holds it, or the folder cannot be written.
    pub fn take(dir: &Path) -> Result<Self> {
        match Self::try_take(dir)? {
            Some(lock) => Ok(lock),
            None => bail!(
                "another ganbench works in {}; wait until it ends, or choose another --out",
                dir.display()
            ),
        }
    }

    /// As [`Lock::try_take`], for moments: waits until whoever holds it lets go. A wait of more
    /// than a few seconds is told on stderr, with who holds it: it may have been stopped.
    ///
    /// # Errors
    /// If the folder cannot be written, or `lock` is no regular file.
    pub fn wait(dir: &Path) -> Result<Self> {
        loop {
            let path = Self::path(dir)?;
            let held = shared::Lock::wait(&path, &mut |holder| {
                log::info!("note: waiting for {holder}, which holds {}", path.display());
            });
            match held {
                Ok(held) => return Ok(Self { _held: held }),
                // The folder was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }

    fn path(dir: &Path) -> Result<PathBuf> {
        fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the folder {}", dir.display()))?;
        Ok(dir.join(LOCK_NAME))
    }
}

/// A run's folder, or a run of a pack by the path that its folder would have. A packed run is
/// finished: before anything is added to it, [`Self::unpack`] makes its folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// `<runs>/<method>-s<seed>-<run_id>`.
    pub fn for_plan(runs: &Path, plan: &Plan) -> Self {
        let name = format!("{}-s{}-{}", plan.row_name(), plan.train.seed, plan.run_id());
        Self { path: runs.join(name) }
    }

    /// A run in a folder of the caller's choice.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// A folder that a run was written to.
    ///
    /// # Errors
    /// If it holds no plan.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(PLAN_NAME).is_file() && !pack::is_packed(path)? {
            bail!("{} is no run folder: it holds no plan.toml", path.display());
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// Where the run lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the run's checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Whether the run is finished, by its end or by divergence, as far as it can be read: a
    /// damaged pack is found where its runs are looked at.
    pub fn is_done(&self) -> bool {
        match self.path.join(PLAN_NAME).is_file() {
            true => self.path.join(DONE_NAME).is_file(),
            false => pack::read(&self.path.join(DONE_NAME)).is_ok_and(|done| done.is_some()),
        }
    }

    /// Writes the files of a packed run into its folder. The caller holds the folder's [`Lock`].
    ///
    /// # Errors
    /// If the pack is damaged or a file cannot be written.
    pub fn unpack(&self) -> Result<()> {
        Ok(pack::unpack(&self.path)?)
    }

    /// What `done` says: `ok` or `diverged`; `None` while the run is not finished.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn outcome(&self) -> Result<Option<String>> {
        Ok(Finished::read(&self.path)?.map(|finished| finished.outcome))
    }

    /// Makes the folder and writes what describes the run; what a process that died left
    /// half-written is removed. A run that goes on keeps its first `provenance.toml`; how it goes
    /// on is written to `provenance-resumed.toml`. The caller holds the folder's [`Lock`].
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(&self, plan: &Plan, provenance: &Provenance) -> Result<()> {
        let checkpoints = self.checkpoints();
        fs::create_dir_all(&checkpoints)
            .with_context(|| format!("cannot make the folder {}", checkpoints.display()))?;
        remove_unfinished(&self.path)?;
        self.write_plan(plan)?;
        let first = self.path.join(PROVENANCE_NAME);
        let path = if first.exists() { self.path.join(RESUMED_NAME) } else { first };
        write_atomic(&path, toml::to_string(provenance)?.as_bytes())?;
        Ok(())
    }

    /// # Errors
    /// If it cannot be written.
    pub fn write_plan(&self, plan: &Plan) -> Result<()> {
        Ok(write_atomic(&self.path.join(PLAN_NAME), plan.to_toml()?.as_bytes())?)
    }

    /// The folder's plan. Refuses plans that are the same but for the hash of data or extractor:
    /// they changed.
    ///
    /// # Errors
    /// Naming what changed, or as [`RunFolder::plan`].
    pub fn plan_of_same_content(&self, plans: &[Plan]) -> Result<Plan> {
        let there = self.plan()?;
        let Some((what, then, now)) = plans.iter().find_map(|now| there.changed_content(now))
        else {
            return Ok(there);
        };
        let extractor = &there.evaluation.extractor;
        let version = (what == EXTRACTOR).then(|| asked_for(extractor, then)).flatten();
        let version = version.filter(|version| version != extractor);
        let way = version.map_or_else(String::new, |version| {
            format!(" (evaluation.extractor=\"{version}\" asks for it)")
        });
        bail!(
            "{what} changed since {} was started: its hash was {}, it is {} now; put back what was there{way}, or \
             choose another --out",
            self.path.display(),
            short_hash(then),
            short_hash(now)
        )
    }

    /// How the run was made, of its first start.
    ///
    /// # Errors
    /// If `provenance.toml` is missing or damaged.
    pub fn provenance(&self) -> Result<Provenance> {
        read_provenance(&self.path.join(PROVENANCE_NAME))
    }

    /// Of its first start and the latest; those that are there and whole.
    pub fn provenances(&self) -> impl Iterator<Item = Provenance> {
        let paths = [PROVENANCE_NAME, RESUMED_NAME].map(|name| self.path.join(name));
        paths.into_iter().filter_map(|path| read_provenance(&path).ok())
    }

    /// # Errors
    /// If `plan.toml` is missing or no plan.
    pub fn plan(&self) -> Result<Plan> {
        let path = self.path.join(PLAN_NAME);
        let text = read_text(&path)?;
        let table: toml::Table =
            text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
        // As text: what is wrong with a file is not wrong usage.
        crate::plan::resolve(table, &path.display().to_string()).map_err(|e| anyhow::anyhow!("{e}"))
    }

    /// Appends to `scores.jsonl`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add_scores(&self, rows: &[ResultRow]) -> Result<()> {
        Ok(append_scores(&self.path.join(SCORES_NAME), rows)?)
    }

    /// Replaces `scores.jsonl` by these rows.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_scores(&self, rows: &[ResultRow]) -> Result<()> {
        let (mut text, mut chain) = (String::new(), Chain::default());
        for row in rows {
            text.push_str(&chain.line(&serde_json::to_string(row)?));
        }
        Ok(write_atomic(&self.path.join(SCORES_NAME), text.as_bytes())?)
    }

    /// The rows so far, the later of repeated ones; none where there is no file yet.
    ///
    /// # Errors
    /// If a line is no row.
    pub fn scores(&self) -> Result<Vec<ResultRow>> {
        let path = self.path.join(SCORES_NAME);
        let is_there = path.exists() || pack::is_packed(&self.path)?;
        Ok(if is_there { run_rows(&path)?.rows } else { Vec::new() })
    }

    /// The lines of `train.jsonl`; none where there is no file yet.
    ///
    /// # Errors
    /// If a line is no record.
    pub fn records(&self) -> Result<Vec<StepRecord>> {
        lines(&self.path.join(RECORDS_NAME))
    }

    /// Replaces `train.jsonl` by that of another run.
    ///
    /// # Errors
    /// If a line of it is no record, or it cannot be written.
    pub fn keep_records_of(&self, other: &Self) -> Result<()> {
        self.keep_records(other.records()?.iter()).map(|_| ())
    }

    /// Replaces `train.jsonl` by these records, and returns how many there are and their digests'
    /// end.
    fn keep_records<'a>(
        &self,
        records: impl Iterator<Item = &'a StepRecord>,
    ) -> Result<(u64, Chain)> {
        let (mut text, mut written, mut chain) = (String::new(), 0, Chain::default());
        for record in records {
            text.push_str(&chain.line(&serde_json::to_string(record)?));
            written += 1;
        }
        write_atomic(&self.path.join(RECORDS_NAME), text.as_bytes())?;
        Ok((written, chain))
    }

    /// Keeps the records up to a step and opens the file for more.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record_writer(&self, up_to_g_step: u64) -> Result<RecordWriter> {
        let path = self.path.join(RECORDS_NAME);
        let records = self.records()?;
        let (written, chain) =
            self.keep_records(records.iter().filter(|r| r.g_step <= up_to_g_step))?;
        let file = fs::OpenOptions::new().append(true).open(&path);
        Ok(RecordWriter {
            file: file.with_context(|| format!("cannot open {}", path.display()))?,
            path,
            written,
            chain,
        })
    }

    /// Writes where and why the run diverged.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add_divergence(&self, diverged: &Diverged) -> Result<()> {
        let text = serde_json::to_string_pretty(diverged)? + "\n";
        Ok(write_atomic(&self.path.join(DIVERGED_NAME), text.as_bytes())?)
    }

    /// Marks the run as complete, with digests of what it wrote.
    ///
    /// # Errors
    /// If that cannot be read or the mark not be written.
    pub fn finish(&self, outcome: &str) -> Result<()> {
        let finished = Finished::now(self, outcome)?;
        Ok(write_atomic(&self.path.join(DONE_NAME), finished.text().as_bytes())?)
    }

    /// Records rows that were added to a finished run. One without digests stays so: they would
    /// vouch for what nobody knows.
    ///
    /// # Errors
    /// As of [`Self::finish`].
    pub fn finish_again(&self) -> Result<()> {
        match Finished::read(&self.path)? {
            Some(finished) if !finished.recorded.is_empty() => self.finish(&finished.outcome),
            _ => Ok(()),
        }
    }

    /// Whether there is a state to go on from.
    pub fn has_states(&self) -> bool {
        fs::read_dir(self.checkpoints()).is_ok_and(|entries| {
            entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with("state-"))
        })
    }

    /// Takes the mark of a finished run away, so that it goes on from its last state.
    ///
    /// # Errors
    /// If the mark cannot be removed.
    pub fn reopen(&self) -> Result<()> {
        let path = self.path.join(DONE_NAME);
        match fs::remove_file(&path) {
            // Another process did the same.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.with_context(|| format!("cannot remove {}", path.display())),
        }
    }
}

/// Appends to `train.jsonl`.
pub struct RecordWriter {
    file: fs::File,
    path: PathBuf,
    written: u64,
    chain: Chain,
}

impl RecordWriter {
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, record: &StepRecord) -> Result<()> {
        let line = self.chain.line(&serde_json::to_string(record)?);
        self.file
            .write_all(line.as_bytes())
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.written += 1;
        Ok(())
    }

    /// Sees the records on the disk and returns how many there are, those of earlier processes
    /// included.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn sync(&self) -> Result<u64> {
        self.file.sync_data().with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(self.written)
    }
}

/// A text file of a run.
fn read_text(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let content = pack::read(path)?.context("there is no such file").with_context(cannot)?;
    String::from_utf8(content).with_context(cannot)
}

fn read_provenance(path: &Path) -> Result<Provenance> {
    let text = read_text(path)?;
    toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// One JSON value a line; a last line without its end was cut off and is left out.
fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let Some(content) = pack::read(path)? else { return Ok(Vec::new()) };
    let text =
        String::from_utf8(content).with_context(|| format!("cannot read {}", path.display()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(i, line)| {
        serde_json::from_str(line)
            .with_context(|| format!("{} line {} is damaged", path.display(), i + 1))
    };
    whole.lines().enumerate().map(parse).collect()
}
