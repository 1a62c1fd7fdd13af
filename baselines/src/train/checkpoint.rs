//! Checkpoints: all that a run needs to go on, in safetensors and JSON.
//!
//! `<dir>/generator.safetensors`, `generator_ema.safetensors`, `discriminator.safetensors`,
//! `optimizer_g.safetensors`, `optimizer_d.safetensors`, `state.json`. The data cursor is the number of
//! discriminator steps; the order of an epoch is a function of the seed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Trainer;
use super::budget::Spent;

/// A checkpoint that cannot be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("cannot write the checkpoint {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read the checkpoint {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the checkpoint {path} is damaged: {what}; delete its folder to start the run again")]
    Damaged { path: PathBuf, what: String },
}

/// Everything but tensors.
#[derive(Serialize, Deserialize)]
struct State {
    spent: Spent,
    optimizer_g_steps: u64,
    optimizer_d_steps: u64,
    /// Positions of the random streams in 32-bit words, as decimal text (they exceed JSON's numbers).
    streams: BTreeMap<String, String>,
}

type Tensors = BTreeMap<String, Tensor>;

/// Writes a safetensors file beside its place and renames it there.
pub(super) fn write_tensors(path: &Path, tensors: &Tensors) -> Result<(), CheckpointError> {
    let fail = |source| CheckpointError::Write { path: path.to_path_buf(), source };
    let tensors: HashMap<String, Tensor> =
        tensors.iter().map(|(n, t)| (n.clone(), t.clone())).collect();
    let temporary = path.with_extension("tmp");
    candle_core::safetensors::save(&tensors, &temporary)
        .map_err(|e| fail(std::io::Error::other(e)))?;
    let file = std::fs::File::open(&temporary).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&temporary, path).map_err(fail)
}

fn read_tensors(path: &Path) -> Result<Tensors, CheckpointError> {
    if let Err(source) = std::fs::File::open(path) {
        return Err(CheckpointError::Read { path: path.to_path_buf(), source });
    }
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)
        .map_err(|e| CheckpointError::Damaged { path: path.to_path_buf(), what: e.to_string() })?;
    Ok(tensors.into_iter().collect())
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
            write_tensors(&path, &state)?;
        }
        Ok(())
    }

    /// Writes everything to `dir`, which is made anew and only then put in the place of an older one.
    ///
    /// # Errors
    /// If the folder cannot be written; the older checkpoint is then still there.
    pub fn save(&self, dir: &Path) -> Result<(), CheckpointError> {
        let fail = |source| CheckpointError::Write { path: dir.to_path_buf(), source };
        let fresh = dir.with_extension("new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(fail)?;
        }
        std::fs::create_dir_all(&fresh).map_err(fail)?;
        let tensors = |t: candle_core::Result<Tensors>| {
            t.map_err(|e| CheckpointError::Damaged { path: dir.to_path_buf(), what: e.to_string() })
        };
        for (name, state) in [
            ("generator", tensors(self.generator.store.state())?),
            ("generator_ema", tensors(self.ema.state())?),
            ("discriminator", tensors(self.discriminator.store.state())?),
            ("optimizer_g", tensors(self.generator.optimizer.state())?),
            ("optimizer_d", tensors(self.discriminator.optimizer.state())?),
        ] {
            write_tensors(&fresh.join(format!("{name}.safetensors")), &state)?;
        }
        let streams = [
            ("z_d", &self.streams.z_d),
            ("z_g", &self.streams.z_g),
            ("augment_d", &self.streams.augment_d),
            ("augment_g", &self.streams.augment_g),
        ];
        let state = State {
            spent: self.spent,
            optimizer_g_steps: self.generator.optimizer.steps(),
            optimizer_d_steps: self.discriminator.optimizer.steps(),
            streams: streams
                .iter()
                .map(|(n, s)| (n.to_string(), s.position().to_string()))
                .collect(),
        };
        let text =
            serde_json::to_string_pretty(&state).map_err(|e| fail(std::io::Error::other(e)))?;
        let mut file = std::fs::File::create(fresh.join("state.json")).map_err(fail)?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        let old = dir.with_extension("old");
        if old.exists() {
            std::fs::remove_dir_all(&old).map_err(fail)?;
        }
        if dir.exists() {
            std::fs::rename(dir, &old).map_err(fail)?;
        }
        std::fs::rename(&fresh, dir).map_err(fail)?;
        if old.exists() {
            std::fs::remove_dir_all(&old).map_err(fail)?;
        }
        Ok(())
    }

    /// Whether `dir` holds a checkpoint. One that was being replaced when the process died is put back.
    ///
    /// # Errors
    /// If it cannot be put back.
    pub fn has_checkpoint(dir: &Path) -> Result<bool, CheckpointError> {
        let old = dir.with_extension("old");
        if !dir.exists() && old.join("state.json").is_file() {
            std::fs::rename(&old, dir)
                .map_err(|source| CheckpointError::Write { path: dir.to_path_buf(), source })?;
        }
        Ok(dir.join("state.json").is_file())
    }

    /// Takes over what [`Trainer::save`] wrote.
    ///
    /// # Errors
    /// If a file is missing, damaged or of another plan's networks.
    pub fn load(&mut self, dir: &Path) -> Result<(), CheckpointError> {
        let path = dir.join("state.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
        let damaged =
            |path: &Path, what: String| CheckpointError::Damaged { path: path.to_path_buf(), what };
        let state: State =
            serde_json::from_str(&text).map_err(|e| damaged(&path, e.to_string()))?;
        let read = |name: &str| read_tensors(&dir.join(format!("{name}.safetensors")));
        let off = |e: candle_core::Error| damaged(dir, e.to_string());
        self.generator.store.load(&read("generator")?).map_err(off)?;
        self.ema.load(&read("generator_ema")?).map_err(off)?;
        self.discriminator.store.load(&read("discriminator")?).map_err(off)?;
        self.generator
            .optimizer
            .load(&read("optimizer_g")?, state.optimizer_g_steps)
            .map_err(off)?;
        self.discriminator
            .optimizer
            .load(&read("optimizer_d")?, state.optimizer_d_steps)
            .map_err(off)?;
        for (name, stream) in [
            ("z_d", &mut self.streams.z_d),
            ("z_g", &mut self.streams.z_g),
            ("augment_d", &mut self.streams.augment_d),
            ("augment_g", &mut self.streams.augment_g),
        ] {
            let position = state.streams.get(name).and_then(|p| p.parse().ok());
            stream.seek(
                position.ok_or_else(|| damaged(&path, format!("no position of stream {name}")))?,
            );
        }
        self.spent = state.spent;
        Ok(())
    }
}
