//! What a plan may change about an architecture.

use ganbench_nn::params::{Init, ParamStore};
use serde::{Deserialize, Serialize};

/// How the weights of both networks start: of linear layers, convolutions and embeddings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initialisation {
    /// As the architecture has it.
    #[default]
    Own,
    /// N(0, 0.02²).
    Normal,
    /// Orthonormal rows or columns, see [`Init::Orthogonal`].
    Orthogonal,
    /// Uniform by Glorot and Bengio's rule.
    Xavier,
}

/// Where batch norm is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNormIn {
    /// As the architecture has it.
    #[default]
    Default,
    /// Left out of the generator.
    DOnly,
    /// Left out of both networks.
    None,
}

/// An architecture's variants. A convolution before a batch norm that is left out stays as it is:
/// where it has no bias it gets none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions {
    /// How the weights of both networks start.
    pub init: Initialisation,
    /// None, here and below: as the architecture has it.
    pub spectral_norm_g: Option<bool>,
    /// Heads included.
    pub spectral_norm_d: Option<bool>,
    /// Whether both networks have self-attention.
    pub attention: Option<bool>,
    /// Where batch norm is left out.
    pub batch_norm: BatchNormIn,
}

impl NetworkOptions {
    /// The store that a generator with these options is built in.
    pub fn generator_store(&self, store: ParamStore) -> ParamStore {
        self.with_weights(store).with_batch_norm(self.batch_norm == BatchNormIn::Default)
    }

    /// The store that a discriminator with these options is built in.
    pub fn discriminator_store(&self, store: ParamStore) -> ParamStore {
        self.with_weights(store).with_batch_norm(self.batch_norm != BatchNormIn::None)
    }

    fn with_weights(&self, store: ParamStore) -> ParamStore {
        store.with_weight_init(match self.init {
            Initialisation::Own => None,
            Initialisation::Normal => Some(Init::normal(0.02)),
            Initialisation::Orthogonal => Some(Init::Orthogonal),
            Initialisation::Xavier => Some(Init::Xavier),
        })
    }
}

/// Which options an architecture can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follows {
    /// Other initial weights.
    pub init: bool,
    /// In either network.
    pub spectral_norm: bool,
    /// Self-attention switched on or off.
    pub attention: bool,
    /// Batch norm left out.
    pub batch_norm: bool,
}

impl Follows {
    /// No option.
    pub const NOTHING: Self =
        Self { init: false, spectral_norm: false, attention: false, batch_norm: false };
    /// Every option.
    pub const ALL: Self =
        Self { init: true, spectral_norm: true, attention: true, batch_norm: true };
    /// Everything but attention.
    pub const LAYERS: Self = Self { attention: false, ..Self::ALL };

    /// The options by the names that they have in a plan.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            ("init", self.init),
            ("spectral_norm_g", self.spectral_norm),
            ("spectral_norm_d", self.spectral_norm),
            ("attention", self.attention),
            ("batch_norm", self.batch_norm),
        ];
        all.into_iter().filter(|(_, follows)| *follows).map(|(name, _)| name).collect()
    }
}
