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
    /// Name of the networks' architecture.
    pub architecture: String,
    /// Width parameter of the networks: the unit in which they count channels.
    pub width: usize,
    /// Length of the latent z.
    pub z_dim: usize,
    /// What z is drawn from.
    pub z_prior: ZPrior,
    /// Width of the heads' hidden layers and of class embeddings.
    pub head_hidden: usize,
    /// How convolutions are computed on the CPU: auto, direct or winograd. Left out of the plan,
    /// and so of the run's id, at its default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub conv: Algorithm,
    /// What differs from the architecture, see [`NetworkOptions`]; as `conv`, left out at the
    /// default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub init: Initialisation,
    /// Whether G's weights are spectrally normalised; None as the architecture has it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spectral_norm_g: Option<bool>,
    /// The same of D's weights, heads included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spectral_norm_d: Option<bool>,
    /// Whether both networks have self-attention; None as the architecture has it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attention: Option<bool>,
    /// Where batch norm is left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub batch_norm: BatchNormIn,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl NetworkPlan {
    /// The fields that differ from the architecture, as the networks take them.
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
    /// Instead of a half-life: the decay a generator step (BigGAN's 0.9999).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<f64>,
    /// Until so many thousand real images were shown the average is the live weights.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_kimg: f64,
}

impl EmaPlan {
    /// The share that the average keeps at a generator step: 0 makes it the live weights.
    /// `step_images`: real images shown in the step.
    pub fn decay_at(&self, real_images: u64, step_images: usize) -> f64 {
        let shown = real_images as f64;
        if shown < self.start_kimg * 1e3 {
            return 0.0;
        }
        if let Some(decay) = self.decay {
            return decay;
        }
        let half_life = (self.half_life_kimg * 1e3).min(self.ramp_up * shown);
        if half_life > 0.0 { libm::pow(0.5, step_images as f64 / half_life) } else { 0.0 }
    }
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

fn is_off(x: &bool) -> bool {
    !*x
}

/// How a run trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainPlan {
    /// Seed of the initial weights, the order of the images and every draw in training.
    pub seed: u64,
    /// Images of each side in a step.
    pub batch: usize,
    /// Steps of the discriminator for each step of the generator.
    pub n_dis: usize,
    /// A line of `train.jsonl` every so many generator steps.
    pub log_every_steps: u64,
    /// The state to go on from is kept at least every so many thousand real images.
    pub checkpoint_kimg: f64,
    /// Each real image is mirrored with probability 1/2 whenever it is shown.
    #[serde(default, skip_serializing_if = "is_off")]
    pub flip_reals: bool,
    /// The networks.
    pub network: NetworkPlan,
    /// The generator's update rule.
    pub optimizer_g: Rule,
    /// The discriminator's update rule.
    pub optimizer_d: Rule,
    /// The moving average of the generator's weights.
    pub ema: EmaPlan,
    /// How long the run trains.
    pub budget: Budget,
    /// What the losses of D and G are made of.
    pub parts: Parts,
    /// What a budget of minutes came to in the run that this one repeats; no part of a run's
    /// identity.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_the_live_weights_until_its_start_and_then_by_decay_or_half_life() {
        let ema =
            |decay, start_kimg| EmaPlan { half_life_kimg: 1.0, ramp_up: 0.5, decay, start_kimg };
        assert_eq!(ema(Some(0.9999), 2.0).decay_at(1999, 64), 0.0);
        assert_eq!(ema(Some(0.9999), 2.0).decay_at(2000, 64), 0.9999);
        // Half-lives of 500 images by the ramp, of 1,000 by the bound.
        assert_eq!(ema(None, 0.0).decay_at(1000, 500), 0.5);
        assert_eq!(ema(None, 0.0).decay_at(8000, 2000), 0.25);
        assert_eq!(EmaPlan { half_life_kimg: 0.0, ..ema(None, 0.0) }.decay_at(8000, 64), 0.0);
    }
}
