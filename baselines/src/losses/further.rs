//! What a part may ask of the networks beyond what the step has computed for all of them.

use std::cell::{Cell, RefCell};

use candle_core::{Result, Tensor};
use ganbench_data::rng::Stream;
use ganbench_nn::layers::Pass;

use super::Loss;
use crate::augment::Augmentation;
use crate::networks::{Discriminator, Generator, Latent, Scored};

/// Images that went through the networks for single parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FurtherForwards {
    /// Images that the discriminator scored.
    pub d_images: u64,
    /// Images that the generator made.
    pub g_images: u64,
}

/// Further passes through the networks of a step, with random numbers of their own: what one part
/// draws moves no number that another method sees. What goes through is counted.
pub struct FurtherPasses<'a> {
    discriminator: &'a Discriminator,
    generator: &'a dyn Generator,
    adversarial: &'a dyn Loss,
    /// Whose turn it is.
    passes: TurnPasses,
    stream: RefCell<&'a mut Stream>,
    forwards: Cell<FurtherForwards>,
}

/// How each network takes part in a step.
#[derive(Clone, Copy, Debug)]
pub struct TurnPasses {
    /// How images go through the discriminator.
    pub discriminator: Pass,
    /// How latents go through the generator.
    pub generator: Pass,
}

impl TurnPasses {
    /// The discriminator's step: it learns, and the generator's weights are constants.
    pub const DISCRIMINATOR: Self = Self { discriminator: Pass::Train, generator: Pass::Frozen };
    /// The generator's step: it learns, and the discriminator's weights are constants.
    pub const GENERATOR: Self = Self { discriminator: Pass::Frozen, generator: Pass::Train };
}

/// The two networks and the loss between them.
#[derive(Clone, Copy)]
pub struct Opponents<'a> {
    /// What [`FurtherPasses::score`] sends images through.
    pub discriminator: &'a Discriminator,
    /// What [`FurtherPasses::generate`] makes images with.
    pub generator: &'a dyn Generator,
    /// The loss whose logits [`FurtherPasses::logits`] returns.
    pub adversarial: &'a dyn Loss,
}

impl<'a> FurtherPasses<'a> {
    /// Passes of one step, none of them made yet; the parts' random numbers come from `stream`.
    pub fn new(of: Opponents<'a>, passes: TurnPasses, stream: &'a mut Stream) -> Self {
        let (stream, forwards) = (RefCell::new(stream), Cell::default());
        let Opponents { discriminator, generator, adversarial } = of;
        Self { discriminator, generator, adversarial, passes, stream, forwards }
    }

    /// The adversarial loss's logits `[n]`, with what class labels add to them; gradients reach the
    /// trunk.
    ///
    /// # Errors
    /// If that loss has no logit an image.
    pub fn logits(&self, scored: &Scored<'_>) -> Result<Tensor> {
        self.adversarial.logits(scored)
    }

    /// x f32 `[n, channels, h, w]` through the discriminator.
    ///
    /// # Errors
    /// If the images do not fit it.
    pub fn score(&self, x: &Tensor, labels: Option<&Tensor>) -> Result<Scored<'a>> {
        let mut forwards = self.forwards.get();
        forwards.d_images += x.dim(0)? as u64;
        self.forwards.set(forwards);
        self.discriminator.score(x, labels, self.passes.discriminator)
    }

    /// The generator's images of a latent; constants in the discriminator's step.
    ///
    /// # Errors
    /// If the latent does not fit it.
    pub fn generate(&self, latent: &Latent) -> Result<Tensor> {
        let mut forwards = self.forwards.get();
        forwards.g_images += latent.z.dim(0)? as u64;
        self.forwards.set(forwards);
        let x = self.generator.forward(latent, self.passes.generator)?;
        Ok(if self.passes.generator == Pass::Train { x } else { x.detach() })
    }

    /// An augmented copy of x.
    ///
    /// # Errors
    /// As [`Augmentation::apply`].
    pub fn augment(&self, augmentation: Augmentation, x: &Tensor) -> Result<Tensor> {
        augmentation.apply(x, &mut self.stream.borrow_mut())
    }

    /// U(0, 1) of this shape, on the device of `like`.
    ///
    /// # Errors
    /// If the device cannot hold it.
    pub fn uniform(&self, shape: &[usize], like: &Tensor) -> Result<Tensor> {
        let n = shape.iter().product();
        let values = self.stream.borrow_mut().uniforms(n, 0.0, 1.0);
        Tensor::from_vec(values, shape, like.device())
    }

    /// N(0, 1) of the shape of x and on its device.
    ///
    /// # Errors
    /// If the device cannot hold it.
    pub fn normal_like(&self, x: &Tensor) -> Result<Tensor> {
        let values = self.stream.borrow_mut().normal(x.elem_count());
        Tensor::from_vec(values, x.shape(), x.device())
    }

    /// What went through so far.
    pub fn forwards(&self) -> FurtherForwards {
        self.forwards.get()
    }
}
