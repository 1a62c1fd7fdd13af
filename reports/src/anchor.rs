//! Sets of images of known kind, measured as the rows of a table are: what a value means.
//!
//! A FID of 8 says little by itself. Beside the FID of other real images (what a perfect generator
//! would get), of a single class and of an untrained generator it does. An anchor is no method: it
//! has no seeds and no costs, and it is neither ranked nor compared.

use serde::{Deserialize, Serialize};

use crate::table::TableKey;

/// One set of images, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anchor {
    /// For programs, such as `other_reals`.
    pub name: String,
    /// As printed.
    pub label: String,
    /// How it was measured.
    #[serde(flatten)]
    pub measured: AnchorKey,
    /// Of a generator, which tables of other networks do not show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<AnchorNetworks>,
    /// Empty where the anchor was left out.
    pub values: Vec<AnchorValue>,
    /// Why there are no values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// Whether what was in the way may be gone another time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub try_again: bool,
    /// Version of ganbench that measured.
    pub version: String,
    /// Commit of ganbench that measured.
    pub commit: String,
}

/// How an anchor is measured: what it must share with the rows that it stands beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorKey {
    /// The dataset's name, as in the result rows.
    pub dataset: String,
    /// Of the data set that the rows were trained on, 64 hex digits.
    pub dataset_sha256: String,
    /// Of the real images behind the metrics.
    pub split: String,
    /// Hash of these, where they are of another split than the training images; else empty.
    pub reference_sha256: String,
    /// Images of the set, or of each of several where the protocol asks for that.
    pub n_fake: u64,
    /// Name of the feature extractor.
    pub extractor: String,
    /// 64 hex digits.
    pub extractor_sha256: String,
    /// Name of the evaluation protocol.
    pub protocol: String,
    /// Of protocol `custom`, in what it differs from which.
    pub protocol_differences: String,
}

/// The networks of an anchor's generator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorNetworks {
    /// Name of the architecture, as in the result rows.
    pub architecture: String,
    /// Width parameter of the networks.
    pub width: u64,
    /// Hash of all that its images depend on beside these.
    pub plan_sha256: String,
}

/// One metric of an anchor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnchorValue {
    /// As in the result rows.
    pub metric: String,
    /// `None` where the metric cannot be computed from such images.
    pub value: Option<f64>,
    /// Real images behind the value.
    pub n_real: u64,
    /// Images of the set behind the value.
    pub n_fake: u64,
}

impl Anchor {
    /// Whether it was measured as the rows of a table are, and is of its networks.
    pub(crate) fn belongs_to(&self, key: &TableKey) -> bool {
        let own = &self.measured;
        let networks = self.networks.as_ref();
        (&own.dataset_sha256, &own.split) == (&key.dataset_sha256, &key.split)
            && (&own.extractor, &own.extractor_sha256) == (&key.extractor, &key.extractor_sha256)
            && (&own.protocol, &own.protocol_differences)
                == (&key.protocol, &key.protocol_differences)
            && networks.is_none_or(|n| (&n.architecture, n.width) == (&key.architecture, key.width))
    }
}
