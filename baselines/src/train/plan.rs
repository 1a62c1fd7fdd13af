//! Everything that decides what a training run computes, each value explicit.

use ganbench_nn::kernels::conv::Algorithm;
use ganbench_nn::optim::Rule;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::pace::Replay;
use crate::methods::Parts;
use crate::networks::{BatchNormIn, Initialisation, NetworkOptions, NetworkSizes};

/// Distribution of z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZPrior {
    /// U(−1, 1).
    Uniform,
    /// N(0, 1).
    Normal,
}

/// The networks of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    pub architecture: String,
    pub width: usize,
    pub z_dim: usize,
    pub z_prior: ZPrior,
    /// Width of the heads' hidden layers and of class embeddings.
    pub head_hidden: usize,
    /// How convolutions are computed on the CPU: auto, direct or winograd. Left out of the plan, and so of
    /// the run's id, at its default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub conv: Algorithm,
    /// What differs from the architecture, see [`NetworkOptions`]; as `conv`, left out at the default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub init: Initialisation,
    #[serde(default, skip_serializing_if = "is_default")]
    pub spectral_norm_g: Option<bool>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub spectral_norm_d: Option<bool>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub attention: Option<bool>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub batch_norm: BatchNormIn,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl NetworkPlan {
    pub fn options(&self) -> NetworkOptions {
        NetworkOptions {
            init: self.init,
            spectral_norm_g: self.spectral_norm_g,
            spectral_norm_d: self.spectral_norm_d,
            attention: self.attention,
            batch_norm: self.batch_norm,
        }
    }
}

/// Moving average of the generator's weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaPlan {
    /// Upper bound of the half-life.
    pub half_life_kimg: f64,
    /// The half-life is at most this share of the images shown so far (as StyleGAN2-ADA's ramp-up).
    pub ramp_up: f64,
}

/// How a run trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainPlan {
    pub seed: u64,
    pub batch: usize,
    pub n_dis: usize,
    /// A line of `train.jsonl` every so many generator steps.
    pub log_every_steps: u64,
    /// The state to go on from is kept at least every so many thousand real images.
    pub checkpoint_kimg: f64,
    pub network: NetworkPlan,
    pub optimizer_g: Rule,
    pub optimizer_d: Rule,
    pub ema: EmaPlan,
    pub budget: Budget,
    pub parts: Parts,
    /// What a budget of minutes came to in the run that this one repeats; no part of a run's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

impl TrainPlan {
    /// The sizes that the networks are built for.
    pub fn sizes(&self, image_size: usize, channels: usize, classes: usize) -> NetworkSizes {
        NetworkSizes {
            width: self.network.width,
            image_size,
            channels,
            z_dim: self.network.z_dim,
            classes: self.parts.conditional().then_some(classes),
            options: self.network.options(),
        }
    }
}
