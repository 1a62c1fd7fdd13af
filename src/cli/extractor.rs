//! `ganbench extractor train`: the small feature extractors.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use candle_core::Device;
use clap::Args;
use ganbench_data::{Dataset, Split, hex};
use ganbench_files::write_atomic;
use ganbench_metrics::small::{
    Card, CardSet, Recipe, Trained, TrainedOn, TrainingInput, train as train_classifier,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::process;
use crate::machine::UsageError;
use crate::plan::DatasetPlan;
use crate::progress::Progress;
use crate::run::session::{Surroundings, load_dataset};

/// The result is one JSON object on stdout.
#[derive(Debug, Args)]
pub struct TrainExtractorArgs {
    /// Data set with 10 classes and 32x32 images: shapes, cifar10 or mnist
    #[arg(long)]
    pub dataset: String,
    /// Folder that holds <DATASET>/ (else $GANBENCH_DATA, the hub cache, the hub)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Passes over the training images [default: the recipe of the embedded extractor]
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Images of a step [default: the recipe of the embedded extractor]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Largest learning rate [default: the recipe of the embedded extractor]
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,
    /// Random shifts of so many pixels at most [default: the recipe of the embedded extractor]
    #[arg(long, value_name = "PIXELS")]
    pub max_shift: Option<usize>,
    /// Train without the last N training images and give the accuracy on them instead of the test
    /// images, to choose a recipe by
    #[arg(long, value_name = "N")]
    pub hold_out: Option<usize>,
    /// Of the initial weights, the order of the images and their augmentation
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads of the CPU [default: all cores]; no thread count changes the weights
    #[arg(long)]
    pub threads: Option<usize>,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
    /// Where the weights go; use them with --extractor small-<DATASET> --weights FILE
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
}

/// What is printed.
#[derive(Serialize)]
struct Outcome<'a> {
    file: &'a Path,
    sha256: String,
    bytes: usize,
    train_s: f64,
    #[serde(flatten)]
    card: &'a Card,
}

/// Trains a small extractor, measures its accuracy on the test split and writes its file.
///
/// # Errors
/// If the data cannot be had or does not fit the network, or the file cannot be written.
pub fn train(args: &TrainExtractorArgs) -> Result<()> {
    process::set_threads(args.threads)?;
    // Told now and not after minutes of training.
    if args.out.is_dir() {
        bail!("--out {} is a folder, expected the name of a file", args.out.display());
    }
    if let Some(folder) = args.out.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let (train, test) = sets(args)?;
    let recipe = recipe(args);

    let started = Instant::now();
    let trained = run(&train, &test, recipe, args.quiet)?;
    let train_s = started.elapsed().as_secs_f64();
    let set = |set: &Dataset| CardSet { images: set.images.len(), sha256: set.sha256.clone() };
    let on = TrainedOn {
        dataset: train.name.clone(),
        train: set(&train),
        test: set(&test),
        held_out: args.hold_out,
        recipe,
    };
    let card = Card::new(&trained, on);
    let file = card.file(&trained)?;
    write_atomic(&args.out, &file)?;
    let sha256 = hex(Sha256::new_with_prefix(&file));
    let outcome = Outcome { file: &args.out, sha256, bytes: file.len(), train_s, card: &card };
    crate::cli::tell::json_pretty(&outcome)?;
    Ok(())
}

/// What decides the weights beside the images.
fn recipe(args: &TrainExtractorArgs) -> Recipe {
    let mut recipe = Recipe { seed: args.seed, ..Recipe::for_dataset(&args.dataset) };
    recipe.epochs = args.epochs.unwrap_or(recipe.epochs);
    recipe.batch = args.batch.unwrap_or(recipe.batch);
    recipe.lr = args.lr.unwrap_or(recipe.lr);
    recipe.augmentation.max_shift = args.max_shift.unwrap_or(recipe.augmentation.max_shift);
    recipe
}

/// What is trained on, and what the accuracy is measured on.
fn sets(args: &TrainExtractorArgs) -> Result<(Dataset, Dataset)> {
    let train = load(args, Split::Train)?;
    match args.hold_out {
        Some(n) => held_out(train, n),
        None => Ok((train, load(args, Split::Test)?)),
    }
}

/// A set without its last `n` images, and these.
fn held_out(all: Dataset, n: usize) -> Result<(Dataset, Dataset)> {
    let images = all.images.len();
    if n == 0 || n >= images {
        let expected = images.saturating_sub(1);
        let text =
            format!("--hold-out is {n}, expected 1 to {expected} of the {images} training images");
        return Err(UsageError::new(text).into());
    }
    let rows: Vec<usize> = (0..images).collect();
    let (first, last) = rows.split_at(images - n);
    let held_out = Dataset { images: all.images.select(last), ..all.clone() };
    Ok((Dataset { images: all.images.select(first), ..all }, held_out))
}

fn load(args: &TrainExtractorArgs, split: Split) -> Result<Dataset> {
    let mut plan = DatasetPlan::new(&args.dataset, split);
    let at = Surroundings {
        data: args.data.clone(),
        weights: None,
        device: Device::Cpu,
        quiet: args.quiet,
    };
    load_dataset(&mut plan, &at)
}

fn run(train: &Dataset, test: &Dataset, recipe: Recipe, quiet: bool) -> Result<Trained> {
    let images = recipe.epochs * (train.images.len() / recipe.batch) * recipe.batch;
    let mut bar = Progress::new(format!("train on {}", train.name), images as f64, quiet);
    let input = TrainingInput {
        train: &train.images,
        test: &test.images,
        classes: train.class_names.len(),
        recipe,
        factors: train.images.factors.is_some(),
    };
    let started = Instant::now();
    // Of about the last 50 steps; a single step's loss is too noisy to read.
    let mut loss = None;
    let trained = train_classifier(input, &mut |p| {
        let smooth = loss.map_or(p.loss, |old: f64| 0.98 * old + 0.02 * p.loss);
        loss = Some(smooth);
        let done = p.step * recipe.batch;
        let rate = done as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let epoch = (p.step - 1) * recipe.epochs / p.steps + 1;
        let text = format!("epoch {epoch}/{}, loss {smooth:.3}, {rate:.0} img/s", recipe.epochs);
        bar.set(done as f64, &text);
    })?;
    bar.finish(&format!("test accuracy {:.2} %", 100.0 * trained.test_accuracy));
    Ok(trained)
}

#[cfg(test)]
#[path = "extractor_tests.rs"]
mod tests;
