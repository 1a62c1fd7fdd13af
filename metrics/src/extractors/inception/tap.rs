//! The layers whose means are features: the last one, and pytorch-fid's earlier ones (`--dims`).

use super::DIM;

/// After which layer the features are taken, as pytorch-fid's `InceptionV3.BLOCK_INDEX_BY_DIM` has
/// it. Features are the means over the plane of the layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tap {
    /// The first pooling: 64 maps of 73x73.
    FirstPool,
    /// The second pooling: 192 maps of 35x35.
    SecondPool,
    /// `Mixed_6e`, before the auxiliary classifier: 768 maps of 17x17.
    Mixed6e,
    /// `Mixed_7c`: 2048 maps of 8x8. The classifier stands on these alone.
    Last,
}

impl Tap {
    /// Number of features.
    pub(super) const fn dim(self) -> usize {
        match self {
            Self::FirstPool => 64,
            Self::SecondPool => 192,
            Self::Mixed6e => 768,
            Self::Last => DIM,
        }
    }
}
