//! Feature extractors: images in, features out.
//!
//! An extractor is one file under `extractors/` and one line in [`EXTRACTORS`].

use candle_core::Device;
use ganbench_data::images::{ImageBatch, ImageSize, ImageView};
use thiserror::Error;

use crate::error::MetricError;
use crate::extractors::{inception, pixels, small, vit};
use crate::features::Features;
use crate::version::ExtractorRequest;
use crate::weights::WeightsError;
use crate::weights::source::{PublishedFile, WeightsSource};

/// The extractor whose metrics go by their bare names, since the literature means it.
pub const PUBLISHED: &str = inception::ENTRY.name;

/// All extractors, in the order of lists.
pub const EXTRACTORS: &[ExtractorEntry] = &[
    inception::ENTRY,
    inception::PYTORCH_FID_ENTRY,
    inception::PYTORCH_FID_TAPS[0],
    inception::PYTORCH_FID_TAPS[1],
    inception::PYTORCH_FID_TAPS[2],
    inception::STUDIOGAN_ENTRY,
    inception::CLEAN_ENTRY,
    pixels::ENTRY,
    vit::ENTRIES[0],
    vit::ENTRIES[1],
    vit::ENTRIES[2],
    small::ENTRIES[0],
    small::ENTRIES[1],
    small::ENTRIES[2],
];

/// An extractor that can be loaded by name.
#[derive(Clone, Copy)]
pub struct ExtractorEntry {
    /// As `--extractor` takes it, and as results print it behind the `@`.
    pub name: &'static str,
    /// One line for lists.
    pub description: &'static str,
    /// Numbers of each image's features.
    pub feature_dim: usize,
    /// Number of classes of its logits, 0 without logits.
    pub classes: usize,
    /// Its weights on the hub; None where they are in the program, or there are none.
    pub published: Option<PublishedFile>,
    pub(crate) load: fn(LoadRequest<'_>) -> Result<Box<dyn Extractor>, ExtractorError>,
}

/// What an extractor is loaded with.
#[derive(Clone, Copy)]
pub(crate) struct LoadRequest<'a> {
    pub(crate) source: &'a WeightsSource,
    /// Name and version.
    pub(crate) asked: &'a ExtractorRequest,
    pub(crate) options: &'a ExtractorOptions,
}

/// Where and how an extractor works. Nothing here changes the features beyond rounding.
#[derive(Clone, Debug)]
pub struct ExtractorOptions {
    /// Where the network runs.
    pub device: Device,
    /// Images at a time; memory grows with it.
    pub batch: usize,
    /// Inception on the CPU without Winograd's algorithm: errors of plain sums in f32, a tenth
    /// slower.
    pub exact: bool,
}

impl Default for ExtractorOptions {
    fn default() -> Self {
        Self { device: Device::Cpu, batch: 16, exact: false }
    }
}

/// A network that turns images into features.
pub trait Extractor: Send + Sync {
    /// As in [`EXTRACTORS`].
    fn name(&self) -> &str;

    /// SHA-256 of the weights' file in hexadecimal, `made:SEED` for made weights, `none` where
    /// there is nothing to load. Goes into every result, so that numbers from different weights are
    /// never compared unawares.
    fn weights_sha256(&self) -> &str;

    /// Numbers of each image's features.
    fn feature_dim(&self) -> usize;

    /// Number of classes of the logits, 0 without logits.
    fn classes(&self) -> usize;

    /// What the classifier adds to the logits, `[classes]`, which [`Self::extract_batch`] leaves
    /// out as the Inception score wants it; None where the logits are whole or there are none.
    /// StudioGAN's Inception scores are of logits with it.
    fn logit_bias(&self) -> Option<&[f32]> {
        None
    }

    /// Whether the features say what each image shows of the world of `shapes`.
    fn recognises(&self) -> bool {
        false
    }

    /// Images at a time that suit the network.
    fn batch(&self) -> usize;

    /// Features of all images at once, in their order: pool f32 `[n, feature_dim]` and logits f32
    /// `[n, classes]`. An image's features are the same to the bit whatever it comes with.
    ///
    /// # Errors
    /// If an image is of a size or number of channels that the network cannot take, or the
    /// computation fails.
    fn extract_batch(&self, images: &[ImageView<'_>]) -> Result<Features, ExtractorError>;

    /// Features of any number of images, [`Self::batch`] at a time. `progress` is called with
    /// (images done, images in all), first with 0 done.
    ///
    /// # Errors
    /// As [`Self::extract_batch`].
    fn extract(
        &self,
        images: &ImageBatch,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Features, ExtractorError> {
        let n = images.len();
        let mut features = Features::empty(self.feature_dim(), self.classes());
        progress(0, n);
        for first in (0..n).step_by(self.batch()) {
            let end = first.saturating_add(self.batch()).min(n);
            features.append(self.extract_batch(&images.views(first..end))?)?;
            progress(end, n);
        }
        Ok(features)
    }
}

/// An extractor that cannot be had or used.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum ExtractorError {
    #[error("unknown extractor \"{name}\"; known: {known}")]
    Unknown { name: String, known: String },
    #[error(
        "\"{asked}\" does not name a version: expected 8 to 64 hex digits of its weights' hash behind the \
         colon; versions: {versions}"
    )]
    Pin { asked: String, versions: String },
    #[error("{extractor} has no weights, and so no version {pin}; leave the colon and it out")]
    NoVersions { extractor: &'static str, pin: String },
    #[error("{extractor} has no version {pin}; versions: {versions}")]
    UnknownVersion { extractor: &'static str, pin: String, versions: String },
    #[error(
        "version {pin} of {extractor} was asked for, but the weights that were given have sha256 {got}; give \
         the weights of that version, or leave out its hash"
    )]
    OtherVersion { extractor: &'static str, pin: String, got: String },
    #[error("{extractor} cannot take {size} images; expected 1 or 3 channels")]
    Channels { extractor: &'static str, size: ImageSize },
    #[error(
        "{extractor} takes {expected}x{expected} images, got {size}; use the extractor inception for other \
         sizes"
    )]
    Size { extractor: &'static str, expected: usize, size: ImageSize },
    #[error(
        "{extractor} got {bytes} bytes for an image of {size}; expected height * width * channels of them, \
         and at least one pixel"
    )]
    Pixels { extractor: &'static str, size: ImageSize, bytes: usize },
    #[error("a batch of 0 images was asked for; expected at least 1")]
    EmptyBatch,
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("{extractor} failed on a batch of {images} images: {source}")]
    Network { extractor: &'static str, images: usize, source: candle_core::Error },
    #[error("{extractor} could not be built: {source}")]
    Build { extractor: &'static str, source: candle_core::Error },
    #[error(transparent)]
    Features(#[from] MetricError),
}

/// That images of any height and width have 1 or 3 channels and the pixels that they claim.
///
/// # Errors
/// Names the first that has not.
pub(crate) fn check_images(
    extractor: &'static str,
    images: &[ImageView<'_>],
) -> Result<(), ExtractorError> {
    for &ImageView { size, pixels } in images {
        if !matches!(size.channels, 1 | 3) {
            return Err(ExtractorError::Channels { extractor, size });
        }
        if pixels.is_empty() || pixels.len() != size.bytes() {
            return Err(ExtractorError::Pixels { extractor, size, bytes: pixels.len() });
        }
    }
    Ok(())
}

/// The entry of a name in [`EXTRACTORS`].
///
/// # Errors
/// If there is none: lists the known ones.
pub fn entry(name: &str) -> Result<&'static ExtractorEntry, ExtractorError> {
    EXTRACTORS.iter().find(|entry| entry.name == name).ok_or_else(|| ExtractorError::Unknown {
        name: name.into(),
        known: EXTRACTORS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

/// The hash of an extractor's published weights, of the newest version where there are several: of
/// the file on the hub or in the program, `none` where there is nothing to load. None where there
/// is no such extractor.
pub fn published_sha256(name: &str) -> Option<String> {
    let newest = entry(name).ok()?.versions().into_iter().next();
    Some(newest.unwrap_or_else(|| "none".into()))
}

/// Whether weights are published ones of an extractor: of any version, or `none` where there is
/// nothing to load.
pub(crate) fn is_published(name: &str, weights_sha256: &str) -> bool {
    let Ok(entry) = entry(name) else { return false };
    let versions = entry.versions();
    match versions.is_empty() {
        true => weights_sha256 == "none",
        false => versions.iter().any(|version| version == weights_sha256),
    }
}

/// What decides whether two features may be compared: the network with its preprocessing, and its
/// weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtractorId<'a> {
    /// As in [`EXTRACTORS`].
    pub name: &'a str,
    /// As [`Extractor::weights_sha256`].
    pub weights_sha256: &'a str,
}

impl<'a> ExtractorId<'a> {
    /// Of features that do not say where they come from.
    pub const UNKNOWN: ExtractorId<'static> = ExtractorId { name: "unknown", weights_sha256: "" };

    /// The identity of an extractor.
    pub fn from_extractor(extractor: &'a dyn Extractor) -> Self {
        Self { name: extractor.name(), weights_sha256: extractor.weights_sha256() }
    }

    /// The name under which a metric of these features is reported. It is bare with the published
    /// Inception network only, which the literature means: `fid`. Otherwise the extractor stands
    /// behind an `@`: `fid@small-cifar10`. Weights that are not the published ones stand there too:
    /// `fid@made:0` (of Inception), `fid@inception-clean:made:0`, `fid@sha256:0123456789ab`.
    ///
    /// Versions of one extractor share a name, so that what was measured before there was a newer
    /// one keeps its own. The hash stands beside every value, and a table of two is refused.
    pub fn reported_name(&self, metric: &str) -> String {
        let as_published =
            entry(self.name).is_err() || is_published(self.name, self.weights_sha256);
        let weights = match as_published {
            true => None,
            false if self.weights_sha256.starts_with("made:") => {
                Some(self.weights_sha256.to_string())
            }
            false => {
                let sha256 = self.weights_sha256;
                Some(format!("sha256:{}", sha256.get(..12).unwrap_or(sha256)))
            }
        };
        match (self.name == PUBLISHED, weights) {
            (true, None) => metric.to_string(),
            (true, Some(weights)) => format!("{metric}@{weights}"),
            (false, None) => format!("{metric}@{}", self.name),
            (false, Some(weights)) => format!("{metric}@{}:{weights}", self.name),
        }
    }
}

/// The extractor of a name, with or without a version, with weights from `source`, on the CPU.
///
/// # Errors
/// If the name or the version is unknown or the weights cannot be found or used.
pub fn load(name: &str, source: &WeightsSource) -> Result<Box<dyn Extractor>, ExtractorError> {
    load_with(name, source, &ExtractorOptions::default())
}

/// As [`load`], on a chosen device and with a chosen batch size.
///
/// # Errors
/// As [`load`], and if the batch size is 0.
pub fn load_with(
    name: &str,
    source: &WeightsSource,
    options: &ExtractorOptions,
) -> Result<Box<dyn Extractor>, ExtractorError> {
    load_asked(&ExtractorRequest::parse(name)?, source, options)
}

/// As [`load_with`], of what was parsed before.
///
/// # Errors
/// As [`load_with`].
pub fn load_asked(
    asked: &ExtractorRequest,
    source: &WeightsSource,
    options: &ExtractorOptions,
) -> Result<Box<dyn Extractor>, ExtractorError> {
    if options.batch == 0 {
        return Err(ExtractorError::EmptyBatch);
    }
    if source.is_hub() {
        // Before a download that would be of no use.
        asked.known_version()?;
    }
    let extractor = (asked.entry()?.load)(LoadRequest { source, asked, options })?;
    asked.check(extractor.weights_sha256())?;
    Ok(extractor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_bare_with_the_published_inception_only() {
        let name = |name: &str, sha256: Option<&str>| {
            let published = published_sha256(name).unwrap();
            let weights_sha256 = sha256.unwrap_or(&published);
            ExtractorId { name, weights_sha256 }.reported_name("fid")
        };
        assert_eq!(name("inception", None), "fid");
        assert_eq!(name("inception", Some("made:0")), "fid@made:0");
        assert_eq!(name("inception", Some("0123456789abcdef")), "fid@sha256:0123456789ab");
        assert_eq!(name("small-cifar10", None), "fid@small-cifar10");
        assert_eq!(name("small-cifar10", Some("made:1")), "fid@small-cifar10:made:1");
        assert_eq!(name("inception-clean", None), "fid@inception-clean");
        assert_eq!(name("inception-clean", Some("made:0")), "fid@inception-clean:made:0");
        assert_eq!(name("pixels", Some("none")), "fid@pixels");
        assert_eq!(ExtractorId::UNKNOWN.reported_name("fid"), "fid@unknown");
    }

    #[test]
    fn images_without_their_pixels_are_refused() {
        let check = |size: [usize; 3], pixels: &[u8]| {
            let [height, width, channels] = size;
            let size = ImageSize::new(height, width, channels);
            check_images("inception", &[ImageView { size, pixels }])
        };
        assert!(check([2, 1, 3], &[0; 6]).is_ok());
        for (size, pixels) in [([0, 5, 3], 0), ([2, 1, 3], 5)] {
            let error = check(size, &vec![0; pixels]).unwrap_err().to_string();
            let [height, width, channels] = size;
            assert_eq!(
                error,
                format!(
                    "inception got {pixels} bytes for an image of {height}x{width}x{channels}; expected \
                     height * width * channels of them, and at least one pixel"
                )
            );
        }
    }

    #[test]
    fn an_unknown_extractor_and_an_empty_batch_are_refused() {
        let source = WeightsSource::Made { seed: 0 };
        let error = load("incepton", &source).err().unwrap();
        assert!(
            error.to_string().starts_with("unknown extractor \"incepton\"; known: inception"),
            "{error}"
        );
        let options = ExtractorOptions { batch: 0, ..ExtractorOptions::default() };
        let error = load_with("inception", &source, &options).err().unwrap();
        assert_eq!(error.to_string(), "a batch of 0 images was asked for; expected at least 1");
    }
}
