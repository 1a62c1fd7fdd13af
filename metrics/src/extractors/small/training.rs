//! Training of a small extractor: a classifier by cross-entropy and Adam under a one-cycle learning
//! rate.
//!
//! Every random choice comes from streams keyed by the recipe's seed, and every kernel is
//! bit-identical for any number of threads: a recipe and its images give the same weights again on
//! the same kind of processor.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::rng::Stream;
use ganbench_nn::layers::Pass;
use ganbench_nn::optim::{Optimizer, Rule};
use ganbench_nn::params::ParamStore;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::augmentation::{Augmentation, Border};
use super::factors::{self, factors_of, largest};
use super::loss::{cross_entropy, decorrelation};
use super::network::{CHANNELS, CLASSES, Classifier, Folded, Heads, SIDE, scaled};
use super::recognition::{self, FactorCard};
use crate::weights::WeightTensor;

/// Weight of the loss that keeps features uncorrelated, where the factors of `shapes` are learnt.
const DECORRELATION: f64 = 0.2;

/// Everything that decides the weights beside the images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images of a step; the last ones of an epoch that fill no batch are left out.
    pub batch: usize,
    /// Largest learning rate of Adam (0.9, 0.999).
    pub lr: f64,
    /// Share of all steps during which the learning rate rises, (0, 1).
    pub warm_up: f64,
    /// Random changes of the training images.
    pub augmentation: Augmentation,
    /// Seed of the initial weights, the order of the images and the augmentation.
    pub seed: u64,
}

impl Recipe {
    /// The recipe of an embedded extractor; that of `cifar10` for any dataset without one.
    pub fn for_dataset(dataset: &str) -> Self {
        let (epochs, augmentation) = match dataset {
            // A shift would make the known position, and with it the background, untrue.
            "shapes" => (3, Augmentation { flip: false, max_shift: 0, border: Border::Reflect }),
            "mnist" => (3, Augmentation { flip: false, max_shift: 2, border: Border::Zero }),
            _ => (10, Augmentation { flip: true, max_shift: 4, border: Border::Reflect }),
        };
        Self { epochs, batch: 128, lr: 6e-3, warm_up: 0.2, augmentation, seed: 0 }
    }

    /// Share of the largest learning rate at a point of training in [0, 1]: up in a straight line
    /// from a 25th, down to 0 along a cosine (Smith and Topin 2018, arXiv:1708.07120, as PyTorch's
    /// `OneCycleLR` shapes it).
    fn lr_scale(&self, done: f64) -> f64 {
        if done < self.warm_up {
            return 0.04 + 0.96 * done / self.warm_up;
        }
        let fall = (done - self.warm_up) / (1.0 - self.warm_up);
        0.5 + 0.5 * libm::cos(std::f64::consts::PI * fall)
    }

    fn check(&self) -> Result<(), TrainingError> {
        let wrong = |name, value: f64, expected| TrainingError::Recipe { name, value, expected };
        for (name, value) in [("epochs", self.epochs), ("batch", self.batch)] {
            if value == 0 {
                return Err(wrong(name, 0.0, "at least 1"));
            }
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(wrong("lr", self.lr, "a finite number above 0"));
        }
        if !(self.warm_up > 0.0 && self.warm_up < 1.0) {
            return Err(wrong("warm_up", self.warm_up, "a number between 0 and 1"));
        }
        if self.augmentation.max_shift >= SIDE {
            let shift = self.augmentation.max_shift as f64;
            return Err(wrong("max_shift", shift, "less than the image's side of 32"));
        }
        Ok(())
    }
}

/// What a classifier is trained with. Both sets hold 32x32 images of 1 or 3 channels with labels.
#[derive(Clone, Copy)]
pub struct TrainingInput<'a> {
    /// The images that the weights are fitted to.
    pub train: &'a ImageBatch,
    /// Used for the accuracies at the end and nothing else.
    pub test: &'a ImageBatch,
    /// Number of classes of the dataset: 10, as many as the network tells apart.
    pub classes: usize,
    /// How the classifier is trained.
    pub recipe: Recipe,
    /// Whether all factors of `shapes` are learnt, which both sets then hold.
    pub factors: bool,
}

/// A trained classifier.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Parameters and running statistics by their PyTorch names.
    pub weights: BTreeMap<String, WeightTensor>,
    /// Number of trainable values.
    pub parameters: usize,
    /// Mean loss of each epoch's training batches: cross-entropy, with that of all factors where
    /// they are learnt.
    pub train_loss: Vec<f64>,
    /// Share of the test images whose largest logit is their label's.
    pub test_accuracy: f64,
    /// How well the factors of the test images are told, where they are learnt.
    pub factors: Option<FactorCard>,
}

/// Told to the caller after every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingProgress {
    /// Steps done, from 1.
    pub step: usize,
    /// Steps of the whole training.
    pub steps: usize,
    /// Of the step's batch.
    pub loss: f64,
}

/// A classifier that cannot be trained.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum TrainingError {
    #[error("a recipe's {name} is {value}, expected {expected}")]
    Recipe { name: &'static str, value: f64, expected: &'static str },
    #[error("a small extractor tells {CLASSES} classes apart, the dataset has {classes}")]
    Classes { classes: usize },
    #[error("the {set} images are {size}, expected 32x32 with 1 or 3 channels")]
    Size { set: &'static str, size: ImageSize },
    #[error("the {set} images have no labels; a classifier cannot be trained without")]
    NoLabels { set: &'static str },
    #[error("the {set} images do not hold the factors of shapes")]
    NoFactors { set: &'static str },
    #[error("the label of {set} image {row} is {label}, expected less than {classes}")]
    Label { set: &'static str, row: usize, label: u32, classes: usize },
    #[error("there are {got} {set} images, expected at least {needed}")]
    TooFew { set: &'static str, needed: usize, got: usize },
    #[error("training diverged: the loss of step {step} is {loss}; try a smaller learning rate")]
    Diverged { step: usize, loss: f64 },
    #[error("training failed: {0}")]
    Network(#[from] candle_core::Error),
}

/// The labels of a set that fits the network.
fn labels_of<'a>(
    set: &'static str,
    images: &'a ImageBatch,
    input: &TrainingInput<'_>,
    needed: usize,
) -> Result<&'a [u32], TrainingError> {
    let size = images.size;
    if (size.height, size.width) != (SIDE, SIDE) || !matches!(size.channels, 1 | CHANNELS) {
        return Err(TrainingError::Size { set, size });
    }
    let labels = images.labels.as_deref().ok_or(TrainingError::NoLabels { set })?;
    let classes = input.classes;
    if let Some((row, &label)) = labels.iter().enumerate().find(|(_, l)| **l as usize >= classes) {
        return Err(TrainingError::Label { set, row, label, classes });
    }
    if labels.len() < needed {
        return Err(TrainingError::TooFew { set, needed, got: labels.len() });
    }
    Ok(labels)
}

/// Trains a classifier on the CPU and measures it with the weights folded as they will be used.
///
/// # Errors
/// If a set has no labels, labels that are no class, too few images (less than one batch to train,
/// none to test) or images of another size; if the recipe holds a number that makes no sense; if
/// the loss is no longer finite.
pub fn train(
    input: TrainingInput<'_>,
    progress: &mut dyn FnMut(TrainingProgress),
) -> Result<Trained, TrainingError> {
    let TrainingInput { train, test, classes, recipe, factors } = input;
    recipe.check()?;
    if classes != CLASSES {
        return Err(TrainingError::Classes { classes });
    }
    let labels = labels_of("train", train, &input, recipe.batch)?;
    labels_of("test", test, &input, 1)?;
    let truth = |set, images: &ImageBatch| match factors {
        false => Ok(Vec::new()),
        true => factors_of(images.factors.as_ref()).ok_or(TrainingError::NoFactors { set }),
    };
    let (train_truth, test_truth) = (truth("train", train)?, truth("test", test)?);
    let heads = if factors { Heads::Factors } else { Heads::Classes };

    let device = Device::Cpu;
    let store = ParamStore::new("extractor", recipe.seed, &device);
    let network = Classifier::new(&store, heads)?;
    let rule = Rule::Adam { lr: recipe.lr, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let mut optimizer = Optimizer::new(rule);
    let mut order = Stream::new(recipe.seed, "extractor/order");
    let mut changes = Stream::new(recipe.seed, "extractor/augmentation");
    let per_epoch = train.len() / recipe.batch;
    let steps = recipe.epochs * per_epoch;
    let mut train_loss = Vec::with_capacity(recipe.epochs);
    let mut step = 0;
    for _ in 0..recipe.epochs {
        let permutation = order.permutation(train.len());
        let mut sum = 0.0;
        for rows in permutation.chunks_exact(recipe.batch) {
            let batch = recipe.augmentation.apply(train, rows, &mut changes);
            let shape = (rows.len(), CHANNELS, SIDE, SIDE);
            let x = Tensor::from_vec(scaled(&batch.views(0..rows.len())), shape, &device)?;
            let own: Vec<u32> = rows.iter().map(|&row| labels[row]).collect();
            let own = Tensor::from_vec(own, rows.len(), &device)?;
            let scores = network.forward(&x, Pass::Train)?;
            let mut loss = cross_entropy(&scores.logits, &own)?;
            if let Some(outputs) = &scores.factors {
                let own: Vec<_> = rows.iter().map(|&row| train_truth[row]).collect();
                loss = (loss + factors::loss(outputs, &own)?)?;
                loss = (loss + (decorrelation(&scores.features)? * DECORRELATION)?)?;
            }
            let value = f64::from(loss.to_scalar::<f32>()?);
            step += 1;
            if !value.is_finite() {
                return Err(TrainingError::Diverged { step, loss: value });
            }
            let scale = recipe.lr_scale((step as f64 - 0.5) / steps as f64);
            optimizer.step(&store, &loss.backward()?, scale)?;
            sum += value;
            progress(TrainingProgress { step, steps, loss: value });
        }
        train_loss.push(sum / per_epoch as f64);
    }
    let mut weights = BTreeMap::new();
    for (name, tensor) in store.state()? {
        let (shape, values) = (tensor.dims().to_vec(), tensor.flatten_all()?.to_vec1()?);
        weights.insert(name, WeightTensor { shape, values });
    }
    let network = Folded::new(&weights, &device)?;
    let test_accuracy = accuracy(&network, test)?;
    let factors = match factors {
        false => None,
        true => Some(recognition::assess(&network, test, &test_truth)?),
    };
    let parameters = store.parameter_count();
    Ok(Trained { weights, parameters, train_loss, test_accuracy, factors })
}

/// Share of the images whose largest logit, the first of equal ones, is their label's; 0 without
/// labels.
fn accuracy(network: &Folded, images: &ImageBatch) -> candle_core::Result<f64> {
    const PORTION: usize = 100;
    let mut right = 0;
    for first in (0..images.len()).step_by(PORTION) {
        let rows = first..(first + PORTION).min(images.len());
        let logits = network.forward(scaled(&images.views(rows.clone())))?.logits;
        let scores = logits.chunks_exact(logits.len() / rows.len());
        let labels = images.labels.iter().flat_map(|labels| &labels[rows.clone()]);
        right += scores.zip(labels).filter(|(row, label)| largest(row) == **label as usize).count();
    }
    Ok(right as f64 / images.len() as f64)
}

#[cfg(test)]
#[path = "training_tests.rs"]
mod tests;
