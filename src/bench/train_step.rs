//! One training step, timed: of the plain pair that a script in another framework can repeat, or of
//! a method as it is really trained.

use anyhow::{Result, bail};
use candle_core::{Device, Tensor};
use ganbench_baselines::losses::adversarial::{HEAD, LogitLoss as _, Logits, NonSaturating};
use ganbench_baselines::networks::{
    Architecture, Discriminator, Generator, HeadKind, HeadSpec, Latent, LayerSize, NetworkOptions,
    NetworkSizes,
};
use ganbench_baselines::train::flops::{Pair, Passes};
use ganbench_baselines::train::{Trainer, known_architecture};
use ganbench_data::rng::Stream;
use ganbench_nn::layers::Pass;
use ganbench_nn::optim::{Optimizer, Rule};
use ganbench_nn::params::ParamStore;
use serde::Serialize;

use super::{Profile, Repeats, Times, alternate};
use crate::plan::merge;
use crate::plan::recipe::Recipe;
use crate::run::session::{Surroundings, load_dataset};

/// What is timed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the networks' architecture.
    pub architecture: String,
    /// Width parameter of the networks.
    pub width: usize,
    /// Images of a training batch.
    pub batch: usize,
    /// Untimed and timed steps of each variant.
    pub repeats: Repeats,
    /// Whether to run the steps once more with the op timers on.
    pub profile: bool,
}

/// One variant of the step, measured.
pub struct Measured {
    /// `full` or `skip` of the plain pair, by the pass of D in the step of G; `train` of a method.
    pub variant: &'static str,
    /// Times of the timed steps.
    pub times: Times,
    /// Of one step.
    pub flops: f64,
    /// Where the time went, where that was asked for.
    pub profile: Option<Profile>,
    /// Images through D in one step, of a method.
    pub forwards: Option<Forwards>,
}

/// Images through D in one step, under the names of the results' columns.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Forwards {
    /// In D's update.
    pub d_image_forwards: u64,
    /// In G's update.
    pub d_image_forwards_g_step: u64,
}

const IMAGE_SIZE: usize = 32;
const CHANNELS: usize = 3;
const Z_DIM: usize = 128;
const SEED: u64 = 0;
/// Adam as ContraD's SNDCGAN rows have it, eps PyTorch's.
const ADAM: Rule = Rule::Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 };

/// The two variants of the plain pair, by the pass of D in the generator's step: `full` computes
/// the gradients of D's weights there too, as a framework does by default, and throws them away;
/// `skip` does not, as training here.
const VARIANTS: [(&str, Pass); 2] = [("full", Pass::Train), ("skip", Pass::Frozen)];

/// A network, its weights and its optimiser.
struct Side<N> {
    network: N,
    store: ParamStore,
    optimizer: Optimizer,
}

/// G and D with one linear head, non-saturating loss, fixed reals in uniform noise.
struct PlainPair {
    generator: Side<Box<dyn Generator>>,
    discriminator: Side<Discriminator>,
    x_real: Tensor,
    z: Stream,
    /// Whether the generator draws numbers of its own.
    noise: bool,
    batch: usize,
}

impl PlainPair {
    fn new(a: &Architecture, width: usize, batch: usize) -> Result<Self> {
        let sizes = sizes(width);
        let store = |network| ParamStore::new(network, SEED, &Device::Cpu);
        let (g, d) = (store("generator"), store("discriminator"));
        let head = HeadSpec { name: HEAD, kind: HeadKind::Linear, outputs: 1, hidden: 0 };
        let shape = (batch, CHANNELS, IMAGE_SIZE, IMAGE_SIZE);
        let pixels = batch * CHANNELS * IMAGE_SIZE * IMAGE_SIZE;
        let x = Stream::new(SEED, "data").uniforms(pixels, -1.0, 1.0);
        Ok(Self {
            generator: Side {
                network: (a.generator)(&g.root(), sizes)?,
                store: g,
                optimizer: Optimizer::new(ADAM),
            },
            discriminator: Side {
                network: Discriminator::new(&d.root(), a, sizes, &[head])?,
                store: d,
                optimizer: Optimizer::new(ADAM),
            },
            x_real: Tensor::from_vec(x, shape, &Device::Cpu)?,
            z: Stream::new(SEED, "z"),
            noise: a.noise,
            batch,
        })
    }

    fn latent(&mut self) -> Result<Latent> {
        let z = self.z.normal(self.batch * Z_DIM);
        let z = Tensor::from_vec(z, (self.batch, Z_DIM), &Device::Cpu)?;
        Ok(Latent { z, labels: None, noise: self.noise.then(|| self.z.u64()) })
    }

    /// One update of D, then one of G. `d_pass`: of D in the generator's step.
    fn step(&mut self, d_pass: Pass) -> Result<()> {
        let latent = self.latent()?;
        let fake = self.generator.network.forward(&latent, Pass::Frozen)?.detach();
        let d = &mut self.discriminator;
        let logits = |x: &Tensor, pass| d.network.score(x, None, pass)?.head(HEAD);
        let (real, fake) = (logits(&self.x_real, Pass::Train)?, logits(&fake, Pass::Train)?);
        let loss = NonSaturating::default().discriminator(&Logits { real, fake })?;
        d.optimizer.step(&d.store, &loss.backward()?, 1.0)?;

        let latent = self.latent()?;
        let fake = self.generator.network.forward(&latent, Pass::Train)?;
        let logits = self.discriminator.network.score(&fake, None, d_pass)?.head(HEAD)?;
        let loss = NonSaturating::default().generator(&logits)?;
        let g = &mut self.generator;
        g.optimizer.step(&g.store, &loss.backward()?, 1.0)?;
        Ok(())
    }
}

fn sizes(width: usize) -> NetworkSizes {
    let (image_size, channels) = (IMAGE_SIZE, CHANNELS);
    let options = NetworkOptions::default();
    NetworkSizes { width, image_size, channels, z_dim: Z_DIM, classes: None, options }
}

/// Times both variants of the plain pair's step, in alternating order.
///
/// # Errors
/// If the architecture is unknown or a computation fails.
pub fn plain(settings: &Settings, told: &mut dyn FnMut(usize)) -> Result<Vec<Measured>> {
    let a = known_architecture(&settings.architecture)?;
    let mut pair = PlainPair::new(a, settings.width, settings.batch)?;
    let features = pair.discriminator.network.feature_dim();
    let mut step = |variant: usize| pair.step(VARIANTS[variant].1);
    let times = alternate(VARIANTS.len(), settings.repeats, &mut step, told)?;
    let layers = plain_layers(a, settings.width, features);
    let mut measured = Vec::new();
    for (k, ((variant, pass), times)) in VARIANTS.into_iter().zip(times).enumerate() {
        let steps = settings.repeats.timed;
        let profile =
            settings.profile.then(|| Profile::measure(steps, &mut || step(k))).transpose()?;
        let flops = layers.step(&plain_passes(settings.batch, pass));
        measured.push(Measured { variant, times, flops, profile, forwards: None });
    }
    Ok(measured)
}

/// `features`: of the trunk.
fn plain_layers(a: &Architecture, width: usize, features: usize) -> Pair {
    let sizes = sizes(width);
    let mut discriminator = (a.trunk_layers)(sizes);
    discriminator.push(LayerSize::linear(features, 1));
    Pair { generator: (a.generator_layers)(sizes), discriminator }
}

fn plain_passes(batch: usize, d_pass: Pass) -> Passes {
    let n = batch as u64;
    let (skip, full) = if d_pass == Pass::Train { (0, n) } else { (n, 0) };
    Passes {
        g_forward: n,
        g_trained: n,
        d_trained: 2 * n,
        d_to_image: skip,
        d_trained_to_image: full,
        ..Passes::default()
    }
}

/// Times a method's step as `ganbench reproduce table1` runs it, on drawn images.
///
/// # Errors
/// If the method or architecture is unknown, the step diverges or a computation fails.
pub fn of_method(
    settings: &Settings,
    method: &str,
    told: &mut dyn FnMut(usize),
) -> Result<Measured> {
    let a = known_architecture(&settings.architecture)?;
    let mut recipe = Recipe::by_name("table1")?;
    // More steps than a measurement makes: the run must not end, and few images are drawn faster.
    let changes = format!(
        "dataset = {{ name = \"shapes\", limit = {} }}\n\
         train.batch = {}\n\
         train.network = {{ width = {}, architecture = \"{}\" }}\n\
         train.budget = {{ unit = \"g_steps\", amount = 1000000 }}",
        2 * settings.batch,
        settings.batch,
        settings.width,
        a.name
    );
    merge(&mut recipe.plan, &changes.parse::<toml::Table>()?);
    let mut plan = recipe.plan(method, SEED)?;
    let at = Surroundings { data: None, weights: None, device: Device::Cpu, quiet: true };
    let data = load_dataset(&mut plan.dataset, &at)?;
    let classes = data.class_names.len();
    let mut trainer = Trainer::new(&plan.train, &data.images, classes, &at.device)?;
    let mut step = |_| match trainer.step()? {
        Ok(_) => Ok(()),
        Err(diverged) => bail!(
            "{method} diverged at step {} with {}; lower --steps",
            diverged.g_step,
            diverged.what
        ),
    };
    let times = alternate(1, settings.repeats, &mut step, told)?.remove(0);
    let steps = settings.repeats.timed;
    let profile = settings.profile.then(|| Profile::measure(steps, &mut || step(0))).transpose()?;
    let spent = *trainer.spent();
    let steps = spent.g_steps.max(1);
    let forwards = Forwards {
        d_image_forwards: spent.d_image_forwards / steps,
        d_image_forwards_g_step: spent.d_image_forwards_g_step / steps,
    };
    Ok(Measured {
        variant: "train",
        times,
        flops: spent.flops / steps as f64,
        profile,
        forwards: Some(forwards),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_steps_operations_are_those_counted_on_paper() {
        // SNDCGAN at width 1, multiply-adds an image. G: fc 128·128 = 16384; up 8→4 on 16 places
        // 8·4·16·16 = 8192, 4→2 on 64 8192, 2→1 on 256 8192; out 1→3 3·9·1024 = 27648. Sum 68608,
        // first 16384. D: 3→1 27648; 1→2 k4 on 256 8192; 2→2 k3 on 256 9216; 2→4 on 64 8192; 4→4
        // 9216; 4→8 on 16 8192; 8→8 9216; head 128. Sum 80000, first 27648.
        let (g, g_first, d, d_first) = (68608.0, 16384.0, 80000.0, 27648.0);
        let a = known_architecture("sndcgan").unwrap();
        let layers = plain_layers(a, 1, 128);
        let d_step = g + 2.0 * (3.0 * d - d_first);
        let g_step = 3.0 * g - g_first;
        let flops = |pass| layers.step(&plain_passes(10, pass));
        assert_eq!(flops(Pass::Frozen), 20.0 * (d_step + g_step + 2.0 * d));
        assert_eq!(flops(Pass::Train), 20.0 * (d_step + g_step + 3.0 * d));
    }

    #[test]
    fn the_variants_differ_in_the_gradients_they_compute_and_not_in_the_weights_they_end_with() {
        let a = known_architecture("sndcgan").unwrap();
        let weights = |pass| {
            let mut pair = PlainPair::new(a, 4, 4).unwrap();
            for _ in 0..2 {
                pair.step(pass).unwrap();
            }
            let state = pair.generator.store.state().unwrap();
            let of = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            state.values().map(of).collect::<Vec<_>>()
        };
        assert_eq!(weights(Pass::Train), weights(Pass::Frozen));
    }
}
