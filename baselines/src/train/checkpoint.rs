//! States: all that a run needs to go on, one safetensors file each.
//!
//! `<dir>/state-<g_steps>-<sha256>.safetensors` holds the tensors `generator/…`, `generator_ema/…`,
//! `discriminator/…`, `optimizer_g/…`, `optimizer_d/…` (weights, buffers, spectral-norm vectors,
//! moments) and, in its header, everything else as JSON. The name carries the first digits of the
//! content's SHA-256, so a state is whole or known to be damaged, and appears by one renaming. The
//! data cursor is the number of discriminator steps; the order of an epoch is a function of the
//! seed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use ganbench_files::hash::{hex, update_from};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::Trainer;
use super::budget::Spent;

/// Of the states' form; another one is refused.
const FORMAT: u32 = 3;
/// States kept: the newest, and one to fall back to.
const KEPT: usize = 2;
/// Key of the JSON in the header.
const KEY: &str = "ganbench";
/// A file that is being written.
const UNFINISHED: &str = ".ganbench-unfinished";

/// A checkpoint that cannot be written or read.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum CheckpointError {
    #[error("cannot write the checkpoint {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read the checkpoint {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the checkpoint {path} is damaged: {what}")]
    Damaged { path: PathBuf, what: String },
    #[error(
        "none of the checkpoints in {dir} can be used ({what}); delete the run's folder to start it again"
    )]
    NoneWhole { dir: PathBuf, what: String },
    #[error(
        "{path} is a checkpoint of an older ganbench, which this one cannot go on from; finish the run with \
         the version in its provenance.toml, or delete its folder to start it again"
    )]
    Older { path: PathBuf },
}

/// What the run around a trainer has to find again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMark {
    /// Lines of the loss history so far.
    pub records: u64,
    /// Whether the state stands at a point of the curve, to be measured.
    pub at_point: bool,
}

/// What was found on going on.
#[derive(Debug)]
pub struct Loaded {
    /// Where the state stands that was loaded.
    pub mark: RunMark,
    /// Newer states that are damaged, each with what is wrong; they now bear other names.
    pub passed_over: Vec<CheckpointError>,
}

/// Everything but tensors.
#[derive(Serialize, Deserialize)]
struct State {
    format: u32,
    spent: Spent,
    warmup_g_steps: Option<u64>,
    optimizer_g_steps: u64,
    optimizer_d_steps: u64,
    /// Positions of the random streams in 32-bit words, as decimal text (they exceed JSON's
    /// numbers).
    streams: BTreeMap<String, String>,
    /// What loss parts remember from step to step, as the bits of f64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    memory: BTreeMap<String, u64>,
    run: RunMark,
}

type Tensors = BTreeMap<String, Tensor>;

/// Makes a file under another name in its folder, sees it on the disk and lets `name` decide where
/// it goes. Nothing is left of it where that fails.
fn write_file(
    folder: &Path,
    tensors: &Tensors,
    header: Option<HashMap<String, String>>,
    name: impl FnOnce(&Path) -> std::io::Result<PathBuf>,
) -> Result<PathBuf, CheckpointError> {
    let unfinished = folder.join(UNFINISHED);
    let write = || {
        safetensors::serialize_to_file(tensors, header, &unfinished)
            .map_err(std::io::Error::other)?;
        std::fs::File::open(&unfinished)?.sync_all()?;
        let path = name(&unfinished)?;
        std::fs::rename(&unfinished, &path)?;
        // The renaming itself lives in the folder; not every system lets a folder be opened.
        if let Ok(folder) = std::fs::File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(path)
    };
    write().map_err(|source| {
        let _ = std::fs::remove_file(&unfinished);
        CheckpointError::Write { path: folder.to_path_buf(), source }
    })
}

/// Removes what processes that died were writing. Nothing else of a run is hidden: it is
/// [`UNFINISHED`], or the file that safetensors itself makes before it (`.tmp…`). What cannot be
/// removed is in nobody's way.
fn remove_leftovers(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// The digits of a hash that a name carries.
fn in_name(content: impl std::io::Read) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    update_from(&mut hash, content)?;
    Ok(hex(hash)[..16].to_string())
}

/// The states of a folder, newest first: step, digits of the hash, path.
fn states(dir: &Path) -> Result<Vec<(u64, String, PathBuf)>, CheckpointError> {
    let fail = |source| CheckpointError::Read { path: dir.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let parts = name.strip_prefix("state-").and_then(|n| n.strip_suffix(".safetensors"));
        let Some((step, hash)) = parts.and_then(|parts| parts.split_once('-')) else { continue };
        let Ok(step) = step.parse() else { continue };
        found.push((step, hash.to_string(), path));
    }
    // Not by the files' times: clocks go backwards.
    found.sort_by(|a, b| b.cmp(a));
    Ok(found)
}

impl Trainer<'_> {
    /// Writes the generator, averaged and raw, to `<dir>/ema-<name>.safetensors` and
    /// `<dir>/raw-<name>.safetensors`.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save_generators(&self, dir: &Path, name: &str) -> Result<(), CheckpointError> {
        for (kind, store) in [("ema", &self.ema), ("raw", &self.generator.store)] {
            let path = dir.join(format!("{kind}-{name}.safetensors"));
            let state = store.state().map_err(|e| CheckpointError::Damaged {
                path: path.clone(),
                what: e.to_string(),
            })?;
            write_file(dir, &state, None, |_| Ok(path))?;
        }
        Ok(())
    }

    /// Writes everything to a new state in `dir`, and removes all but the newest two.
    ///
    /// # Errors
    /// If the folder cannot be written; the older states are then still there.
    pub fn save(&mut self, dir: &Path, mark: RunMark) -> Result<(), CheckpointError> {
        let write = |source| CheckpointError::Write { path: dir.to_path_buf(), source };
        let mut tensors = Tensors::new();
        for (group, state) in [
            ("generator", self.generator.store.state()),
            ("generator_ema", self.ema.state()),
            ("discriminator", self.discriminator.store.state()),
            ("optimizer_g", self.generator.optimizer.state()),
            ("optimizer_d", self.discriminator.optimizer.state()),
        ] {
            let state = state.map_err(|e| write(std::io::Error::other(e)))?;
            tensors.extend(state.into_iter().map(|(name, t)| (format!("{group}/{name}"), t)));
        }
        let state = State {
            format: FORMAT,
            spent: self.spent,
            warmup_g_steps: self.warmup_g_steps,
            optimizer_g_steps: self.generator.optimizer.steps(),
            optimizer_d_steps: self.discriminator.optimizer.steps(),
            streams: self
                .streams
                .named()
                .into_iter()
                .map(|(name, stream)| (name.to_string(), stream.position().to_string()))
                .collect(),
            memory: self
                .losses
                .iter()
                .flat_map(|part| part.memory())
                .chain(self.adaptive.iter().flat_map(|ada| ada.memory()))
                .map(|(name, value)| (name.to_string(), value.to_bits()))
                .collect(),
            run: mark,
        };
        let json = serde_json::to_string(&state).map_err(|e| write(e.into()))?;
        let step = self.spent.g_steps;
        let header = HashMap::from([(KEY.to_string(), json)]);
        let path = write_file(dir, &tensors, Some(header), |unfinished| {
            let hash = in_name(std::fs::File::open(unfinished)?)?;
            Ok(dir.join(format!("state-{step:08}-{hash}.safetensors")))
        })?;
        let older = states(dir)?.into_iter().filter(|(_, _, other)| *other != path);
        let (same, older): (Vec<_>, Vec<_>) = older.partition(|(other, _, _)| *other >= step);
        for (_, _, path) in same.into_iter().chain(older.into_iter().skip(KEPT - 1)) {
            std::fs::remove_file(&path).map_err(write)?;
        }
        Ok(())
    }

    /// Takes over the newest state of `dir` that is whole; `None` where there is none at all.
    ///
    /// # Errors
    /// If no state is whole and of this plan's networks, or only those of an older ganbench are
    /// there.
    pub fn load_newest(&mut self, dir: &Path) -> Result<Option<Loaded>, CheckpointError> {
        remove_leftovers(dir)
            .map_err(|source| CheckpointError::Read { path: dir.to_path_buf(), source })?;
        let older = dir.join("state");
        if older.is_dir() {
            return Err(CheckpointError::Older { path: older });
        }
        let mut passed_over = Vec::new();
        for (_, hash, path) in states(dir)? {
            match self.load(&path, &hash) {
                Ok(mark) => return Ok(Some(Loaded { mark, passed_over })),
                Err(error) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let aside = dir.join(format!("damaged-{name}"));
                    std::fs::rename(&path, &aside)
                        .map_err(|source| CheckpointError::Write { path: aside, source })?;
                    passed_over.push(error);
                }
            }
        }
        match passed_over.first() {
            None => Ok(None),
            Some(newest) => {
                Err(CheckpointError::NoneWhole { dir: dir.to_path_buf(), what: newest.to_string() })
            }
        }
    }

    fn load(&mut self, path: &Path, hash: &str) -> Result<RunMark, CheckpointError> {
        let damaged = |what: String| CheckpointError::Damaged { path: path.to_path_buf(), what };
        let read = |source| CheckpointError::Read { path: path.to_path_buf(), source };
        let bytes = ganbench_files::read(path).map_err(read)?;
        let found = in_name(&bytes[..]).map_err(read)?;
        if found != hash {
            return Err(damaged(format!("its content has hash {found}, its name says {hash}")));
        }
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let json = header.metadata().as_ref().and_then(|m| m.get(KEY));
        let json = json.ok_or_else(|| damaged(format!("its header has no key {KEY}")))?;
        let state: State = serde_json::from_str(json).map_err(|e| damaged(e.to_string()))?;
        if state.format != FORMAT {
            return Err(damaged(format!("it has format {}, expected {FORMAT}", state.format)));
        }
        let off = |e: candle_core::Error| damaged(e.to_string());
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(off)?;
        let mut groups: BTreeMap<&str, Tensors> = BTreeMap::new();
        for (name, tensor) in &tensors {
            let (group, name) = name.split_once('/').unwrap_or(("", name));
            groups.entry(group).or_default().insert(name.to_string(), tensor.clone());
        }
        let mut group = |name| groups.remove(name).unwrap_or_default();
        self.generator.store.load(&group("generator")).map_err(off)?;
        self.ema.load(&group("generator_ema")).map_err(off)?;
        self.discriminator.store.load(&group("discriminator")).map_err(off)?;
        let g = &mut self.generator.optimizer;
        g.load(&group("optimizer_g"), state.optimizer_g_steps).map_err(off)?;
        let d = &mut self.discriminator.optimizer;
        d.load(&group("optimizer_d"), state.optimizer_d_steps).map_err(off)?;
        for (name, stream) in self.streams.named() {
            let position = state.streams.get(name).and_then(|p| p.parse().ok());
            stream.seek(position.ok_or_else(|| damaged(format!("no position of stream {name}")))?);
        }
        for (name, bits) in &state.memory {
            let value = f64::from_bits(*bits);
            self.losses.iter().for_each(|part| part.remember(name, value));
            self.adaptive.iter_mut().for_each(|ada| ada.remember(name, value));
        }
        self.warmup_g_steps = state.warmup_g_steps;
        self.spent = state.spent;
        Ok(state.run)
    }
}
