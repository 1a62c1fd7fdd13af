//! The small extractors: classifiers of 32x32 images, embedded in the program, that evaluate a
//! dataset without a download and in seconds.
//!
//! Features are the means over the plane of the last layer's activations, as in Inception's pool3;
//! logits are the classifier's. Made by `ganbench extractor train`; where from is in each file's
//! card ([`Card`]) and in `weights/README.md`.
//!
//! Convention: their numbers have names of their own (`fid@small-cifar10`) and compare only with
//! numbers of the same extractor and hash. `--weights FILE` puts a file of one's own training in
//! the place of the embedded one; `$GANBENCH_WEIGHTS`, which means the published Inception, does
//! not.
//!
//! A file that was replaced by a better one stays embedded, as an older version
//! ([`crate::version`]), since results were measured by it.

mod augmentation;
mod card;
mod factors;
mod loss;
mod network;
mod recognition;
mod training;

use std::sync::OnceLock;

pub use augmentation::{Augmentation, Border};
pub use card::{Card, CardError, CardSet, TrainedOn};
use ganbench_data::images::ImageView;
use network::{CHANNELS, CLASSES, DIM, Folded, Heads, SIDE, scaled, tensor_specs};
pub use recognition::FactorCard;
use sha2::{Digest as _, Sha256};
pub use training::{Recipe, Trained, TrainingError, TrainingInput, TrainingProgress, train};

use crate::extractor::{Extractor, ExtractorEntry, ExtractorError, LoadRequest};
use crate::features::{Features, Logits};
use crate::recognition::Recognition;
use crate::weights::source::WeightsSource;
use crate::weights::{Weights, WeightsError, hex};

/// An extractor whose files are in the program.
struct Embedded {
    name: &'static str,
    /// The files of its versions, the newest first.
    files: &'static [&'static [u8]],
}

macro_rules! weights {
    ($name:literal) => {
        include_bytes!(concat!("../../../weights/", $name, ".safetensors"))
    };
}

const SHAPES: Embedded = Embedded { name: "small-shapes", files: &[weights!("small-shapes")] };
const CIFAR10: Embedded = Embedded { name: "small-cifar10", files: &[weights!("small-cifar10")] };
const MNIST: Embedded = Embedded { name: "small-mnist", files: &[weights!("small-mnist")] };

const EMBEDDED: [&Embedded; 3] = [&SHAPES, &CIFAR10, &MNIST];

const fn entry(
    embedded: &Embedded,
    description: &'static str,
    load: fn(LoadRequest<'_>) -> Result<Box<dyn Extractor>, ExtractorError>,
) -> ExtractorEntry {
    ExtractorEntry {
        name: embedded.name,
        description,
        feature_dim: DIM,
        classes: CLASSES,
        published: None,
        load,
    }
}

/// The small extractors in the table of extractors.
pub const ENTRIES: [ExtractorEntry; 3] = [
    entry(&SHAPES, "embedded classifier of shapes, 32x32", |r| load(&SHAPES, r)),
    entry(&CIFAR10, "embedded classifier of CIFAR-10, 32x32", |r| load(&CIFAR10, r)),
    entry(&MNIST, "embedded classifier of MNIST, 32x32", |r| load(&MNIST, r)),
];

/// The card of an embedded extractor's newest version, or of the one of `weights_sha256`; None
/// where there is none.
///
/// # Errors
/// If the embedded file is damaged: a defect of ours.
pub fn card(name: &str, weights_sha256: Option<&str>) -> Result<Option<Card>, CardError> {
    let embedded = EMBEDDED.into_iter().find(|e| e.name == name);
    embedded.and_then(|e| e.file(weights_sha256)).map(Card::read).transpose()
}

/// The hashes of an embedded extractor's files, the newest first; empty where there is none of that
/// name.
pub(crate) fn embedded_versions(name: &str) -> Vec<String> {
    // Every name of a metric asks for it.
    static HASHES: OnceLock<Vec<(&str, Vec<String>)>> = OnceLock::new();
    let hashes = HASHES.get_or_init(|| EMBEDDED.map(|e| (e.name, e.hashes())).into());
    let found = hashes.iter().find(|(known, _)| *known == name);
    found.map_or_else(Vec::new, |(_, versions)| versions.clone())
}

impl Embedded {
    /// Of its files, the newest first.
    fn hashes(&self) -> Vec<String> {
        self.files.iter().map(|file| hex(&Sha256::digest(file))).collect()
    }

    /// The file whose hash begins with `pin`; the newest without a pin.
    fn file(&self, pin: Option<&str>) -> Option<&'static [u8]> {
        let Some(pin) = pin else { return self.files.first().copied() };
        let at = self.hashes().iter().position(|sha256| sha256.starts_with(pin))?;
        self.files.get(at).copied()
    }
}

fn load(
    embedded: &Embedded,
    request: LoadRequest<'_>,
) -> Result<Box<dyn Extractor>, ExtractorError> {
    let extractor = embedded.name;
    let specs = tensor_specs(Heads::for_dataset(embedded.name.trim_start_matches("small-")));
    let (weights, card) = match request.source {
        WeightsSource::Made { .. } => {
            return Err(WeightsError::NotMade { extractor: extractor.into() }.into());
        }
        WeightsSource::Published { file: Some(file), .. } => {
            let card = std::fs::read(file).ok().and_then(|bytes| Card::read(&bytes).ok());
            (Weights::read(file, &specs)?, card)
        }
        WeightsSource::Published { .. } => {
            let file = embedded.file(request.asked.pin.as_deref());
            let file = file.ok_or_else(|| request.asked.unknown(&embedded.hashes()))?;
            (Weights::embedded(extractor, file, &specs)?, Card::read(file).ok())
        }
    };
    let build = |source| ExtractorError::Build { extractor, source };
    let network = Folded::new(&weights.tensors, &request.options.device).map_err(build)?;
    let batch = request.options.batch.next_multiple_of(GROUP);
    let factors = card.and_then(|card| card.factors);
    Ok(Box::new(Small { name: extractor, network, sha256: weights.sha256, batch, factors }))
}

/// The convolution kernel puts up to this many images into one matrix product. Every portion is
/// filled up to a multiple, so that an image's features are the same to the bit whatever it comes
/// with.
const GROUP: usize = 16;

struct Small {
    name: &'static str,
    network: Folded,
    sha256: String,
    /// Images at a time, a multiple of [`GROUP`].
    batch: usize,
    /// How well the factors of `shapes` are told; None where the card does not say it.
    factors: Option<FactorCard>,
}

impl Extractor for Small {
    fn name(&self) -> &str {
        self.name
    }

    fn weights_sha256(&self) -> &str {
        &self.sha256
    }

    fn feature_dim(&self) -> usize {
        DIM
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn recognises(&self) -> bool {
        self.factors.is_some()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn extract_batch(&self, images: &[ImageView<'_>]) -> Result<Features, ExtractorError> {
        let (extractor, n) = (self.name, images.len());
        for size in images.iter().map(|image| image.size) {
            if !matches!(size.channels, 1 | CHANNELS) {
                return Err(ExtractorError::Channels { extractor, size });
            }
            if (size.height, size.width) != (SIDE, SIDE) {
                return Err(ExtractorError::Size { extractor, expected: SIDE, size });
            }
        }
        let mut x = scaled(images);
        x.resize(n.next_multiple_of(GROUP) * CHANNELS * SIDE * SIDE, 0.0);
        let network = |source| ExtractorError::Network { extractor, images: n, source };
        let mut output = self.network.forward(x).map_err(network)?;
        output.truncate(n);
        let fits = self.factors.as_ref().zip(recognition::fits(&output, images));
        let logits = Logits { classes: CLASSES, values: output.logits };
        let features = Features::new(DIM, output.features, Some(logits))?;
        let Some((card, fits)) = fits else { return Ok(features) };
        let recognised = fits.into_iter().map(|fit| Recognition {
            factors: fit.factors,
            misfit: (f64::from(fit.rmse) / card.recognised_rmse) as f32,
            real_misfit: (f64::from(fit.rmse) / card.faithful_rmse) as f32,
        });
        Ok(features.with_recognitions(recognised.collect())?)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
