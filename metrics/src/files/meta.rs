//! What a file of features or statistics says of itself: JSON in the member `meta.json`.

use serde::{Deserialize, Serialize};

use super::FileError;
use crate::extractor::{ExtractorId, entry};

/// The member of an archive that holds it, as an array of bytes.
pub(super) const MEMBER: &str = "meta.json";
/// Goes up when a field changes its meaning.
const FORMAT: u32 = 1;
/// A thousand names of classes take less.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// Where the numbers of a file come from. Files of other tools do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Version of this metadata: 1.
    pub format: u32,
    /// The network with its preprocessing, as in [`crate::EXTRACTORS`].
    pub extractor: String,
    /// As [`crate::Extractor::weights_sha256`].
    pub weights_sha256: String,
    /// What the extractor does, in words: see [`crate::ExtractorEntry::description`].
    #[serde(default)]
    pub preprocessing: String,
    /// Whether Winograd's convolution was left out.
    pub exact: bool,
    /// Where the network worked: `cpu`, `cuda:0`, `metal:0`.
    pub device: String,
    /// Number of images.
    pub n: Option<usize>,
    /// Hash of the images.
    #[serde(default)]
    pub images_sha256: Option<String>,
    /// The protocol whose extractor this is, where one was named.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Names of the classes that labels number, where they have names.
    #[serde(default)]
    pub class_names: Option<Vec<String>>,
    /// Of the program that wrote the file.
    pub version: String,
}

impl FileMeta {
    /// Of the present format, with nothing but the identity of the features.
    pub fn new(id: ExtractorId<'_>) -> Self {
        Self {
            format: FORMAT,
            extractor: id.name.into(),
            weights_sha256: id.weights_sha256.into(),
            preprocessing: entry(id.name).map_or("", |entry| entry.description).into(),
            ..Self::default()
        }
    }

    /// What decides whether the file's features may be compared with others.
    pub fn extractor_id(&self) -> ExtractorId<'_> {
        ExtractorId { name: &self.extractor, weights_sha256: &self.weights_sha256 }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are JSON")
    }

    pub(super) fn from_json(origin: &str, bytes: &[u8]) -> Result<Self, FileError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let wrong = |reason: String| FileError::Meta { origin: origin.into(), reason };
        let json = |e: serde_json::Error| wrong(e.to_string());
        let Format { format } = serde_json::from_slice(bytes).map_err(json)?;
        if format != FORMAT {
            let text = format!("format {format}, expected {FORMAT}; read it with a newer ganbench");
            return Err(wrong(text));
        }
        serde_json::from_slice(bytes).map_err(json)
    }
}
