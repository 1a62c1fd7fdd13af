//! The rule by which images of any size become squares of one size.

use serde::{Deserialize, Serialize};

/// How an image of any size becomes a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The square of the shorter side in the middle (half pixels rounded to even, as torchvision's
    /// `center_crop`), resized with an antialiasing Lanczos-3 filter: PyTorch-StudioGAN's
    /// `CenterCropLongEdge` and `--pre_resizer lanczos`.
    CentreLanczos,
}

impl Fit {
    /// As plans and the table of data sets write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CentreLanczos => "centre-lanczos",
        }
    }
}
