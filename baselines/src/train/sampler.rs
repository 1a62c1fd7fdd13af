//! Images from a generator: the same noise for every method of a table.

use candle_core::{Device, Result, Tensor};
use ganbench_nn::images::ImageBatch;
use ganbench_nn::layers::Pass;
use ganbench_nn::rng::Stream;

use super::plan::ZPrior;
use super::to_images;
use crate::networks::{Generator, Latent};

/// Images made at once; evaluation uses running statistics, so the result does not depend on it.
const BATCH: usize = 100;

/// What to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRequest {
    pub n: usize,
    pub seed: u64,
    /// Of a conditional generator: this class only; None draws classes uniformly.
    pub class: Option<u32>,
}

/// A generator with what it draws from.
pub struct Sampler<'a> {
    generator: &'a dyn Generator,
    z_dim: usize,
    z_prior: ZPrior,
    classes: Option<usize>,
    device: Device,
}

impl<'a> Sampler<'a> {
    /// `classes`: None for an unconditional generator.
    pub fn new(
        generator: &'a dyn Generator,
        z_dim: usize,
        z_prior: ZPrior,
        classes: Option<usize>,
        device: &Device,
    ) -> Self {
        Self { generator, z_dim, z_prior, classes, device: device.clone() }
    }

    /// u8 images, with the labels that a conditional generator was given.
    ///
    /// # Errors
    /// If a class is asked for that the generator does not have.
    pub fn sample(
        &self,
        request: SampleRequest,
        progress: &mut dyn FnMut(usize),
    ) -> Result<ImageBatch> {
        if let Some(class) = request.class
            && self.classes.is_none_or(|classes| class as usize >= classes)
        {
            match self.classes {
                None => candle_core::bail!("class {class} was asked of an unconditional generator"),
                Some(n) => {
                    candle_core::bail!("class {class} was asked of a generator of {n} classes")
                }
            }
        }
        let mut z_stream = Stream::new(request.seed, "sample/z");
        let mut label_stream = Stream::new(request.seed, "sample/labels");
        let (mut pixels, mut all_labels) = (Vec::new(), Vec::new());
        let mut size = ganbench_nn::images::ImageSize::new(1, 1, 1);
        let mut done = 0;
        while done < request.n {
            let n = BATCH.min(request.n - done);
            let z = match self.z_prior {
                ZPrior::Normal => z_stream.normal(n * self.z_dim),
                ZPrior::Uniform => z_stream.uniforms(n * self.z_dim, -1.0, 1.0),
            };
            let labels: Option<Vec<u32>> = self.classes.map(|classes| {
                let mut draw =
                    || request.class.unwrap_or_else(|| label_stream.below(classes as u64) as u32);
                (0..n).map(|_| draw()).collect()
            });
            let latent = Latent {
                z: Tensor::from_vec(z, (n, self.z_dim), &self.device)?,
                labels: labels
                    .as_ref()
                    .map(|l| Tensor::from_slice(l, n, &self.device))
                    .transpose()?,
            };
            let (s, bytes) = to_images(&self.generator.forward(&latent, Pass::Eval)?)?;
            size = s;
            pixels.extend(bytes);
            all_labels.extend(labels.into_iter().flatten());
            done += n;
            progress(done);
        }
        let labels = self.classes.map(|_| all_labels);
        ImageBatch::new(size, pixels, labels, None).map_err(candle_core::Error::wrap)
    }
}
