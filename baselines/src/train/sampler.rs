//! Images from a generator: the same noise for every method of a table.

use std::path::Path;

use candle_core::{Device, Result, Tensor};
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::rng::Stream;
use ganbench_files::memory;
use ganbench_nn::layers::Pass;
use ganbench_nn::params::{Init, ParamStore};

use super::plan::{NetworkPlan, TrainPlan, ZPrior};
use super::statistics::Statistics;
use super::to_images;
use crate::networks::{Generator, Latent, architecture};

/// Images made at once. With running statistics the result does not depend on it; with those of the
/// batch it does.
pub(super) const BATCH: usize = 100;

/// What to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRequest {
    /// Number of images.
    pub n: usize,
    /// Seed of latents, and of classes where these are drawn.
    pub seed: u64,
    /// Of a conditional generator: this class only; None draws classes, each equally often unless
    /// [`Sampler::with_class_counts`] says otherwise.
    pub class: Option<u32>,
}

/// A generator with what it draws from.
pub struct Sampler<'a> {
    generator: &'a dyn Generator,
    z_dim: usize,
    z_prior: ZPrior,
    classes: Option<usize>,
    noise: bool,
    truncation: Option<f64>,
    /// How often each class is drawn; none where all are drawn equally often.
    class_counts: Option<Vec<u64>>,
    pass: Pass,
    device: Device,
}

impl<'a> Sampler<'a> {
    /// `classes`: None for an unconditional generator. `noise`: whether the generator draws numbers
    /// of its own ([`Architecture::noise`](crate::networks::Architecture::noise)).
    pub fn new(
        generator: &'a dyn Generator,
        z_dim: usize,
        z_prior: ZPrior,
        classes: Option<usize>,
        noise: bool,
        device: &Device,
    ) -> Self {
        let device = device.clone();
        let (truncation, class_counts, pass) = (None, None, Pass::Eval);
        Self { generator, z_dim, z_prior, classes, noise, truncation, class_counts, pass, device }
    }

    /// With the statistics of another pass in batch norm: [`Pass::Batch`], or to take them in
    /// [`Pass::Standing`].
    pub(super) fn with_pass(mut self, pass: Pass) -> Self {
        self.pass = pass;
        self
    }

    /// Less varied and better images: where there are styles, every w is drawn towards its mean by
    /// `psi` ([`Generator::truncated`]); else every value of z beyond ± `psi` is drawn again (Brock
    /// et al. 2019, arXiv:1809.11096, section 3.1), which takes a normal z.
    pub fn truncated(mut self, psi: f64) -> Self {
        self.truncation = Some(psi);
        self
    }

    /// Draws the classes of a conditional generator as often as a data set of these counts has
    /// them. An unconditional generator ignores the counts.
    pub fn with_class_counts(mut self, counts: Vec<u64>) -> Self {
        self.class_counts = Some(counts);
        self
    }

    /// What this samples from.
    pub fn generator(&self) -> &'a dyn Generator {
        self.generator
    }

    /// The same draws through another generator.
    pub fn through<'b>(&self, generator: &'b dyn Generator) -> Sampler<'b> {
        let (classes, noise, device) = (self.classes, self.noise, &self.device);
        let sampler = Sampler::new(generator, self.z_dim, self.z_prior, classes, noise, device);
        let class_counts = self.class_counts.clone();
        Sampler { truncation: self.truncation, class_counts, pass: self.pass, ..sampler }
    }

    /// A class of a generator of so many.
    fn draw_class(&self, classes: usize, stream: &mut Stream) -> u32 {
        let Some(counts) = &self.class_counts else { return stream.below(classes as u64) as u32 };
        let mut left = stream.below(counts.iter().sum::<u64>().max(1));
        for (class, &count) in counts.iter().enumerate().take(classes) {
            if left < count {
                return class as u32;
            }
            left -= count;
        }
        0
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
        let (mut pixels, mut all_labels) = (Vec::new(), Vec::new());
        let mut size = ImageSize::new(1, 1, 1);
        let (mut done, mut held) = (0, None);
        self.each_batch(request, &mut |x, labels| {
            let (s, bytes) = to_images(x)?;
            size = s;
            // The first batch tells how large an image is.
            if held.is_none() {
                let what = || format!("a sample of {} images of {size}", request.n);
                let asked = memory::ask_for(request.n, size.bytes(), what);
                held = Some(asked.map_err(candle_core::Error::wrap)?);
            }
            pixels.extend(bytes);
            all_labels.extend_from_slice(labels);
            done += x.dims()[0];
            progress(done);
            Ok(())
        })?;
        let labels = self.classes.map(|_| all_labels);
        ImageBatch::new(size, pixels, labels, None).map_err(candle_core::Error::wrap)
    }

    /// The images of [`Self::sample`] a batch at a time, so that memory does not grow with their
    /// number.
    ///
    /// # Errors
    /// As [`Self::sample`], and what `take` gives.
    pub fn sample_in_batches(
        &self,
        request: SampleRequest,
        take: &mut dyn FnMut(ImageBatch) -> Result<()>,
    ) -> Result<()> {
        self.each_batch(request, &mut |x, labels| {
            let (size, pixels) = to_images(x)?;
            let labels = self.classes.map(|_| labels.to_vec());
            take(ImageBatch::new(size, pixels, labels, None).map_err(candle_core::Error::wrap)?)
        })
    }

    /// The same images before they become bytes: f32 `[n, channels, h, w]`, about −1..=1.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub fn outputs(&self, request: SampleRequest) -> Result<Tensor> {
        let mut batches = Vec::new();
        self.each_batch(request, &mut |x, _| {
            batches.push(x.clone());
            Ok(())
        })?;
        Tensor::cat(&batches, 0)
    }

    /// Calls `take` with each batch's f32 `[n, channels, h, w]` and its labels (none of an
    /// unconditional generator).
    fn each_batch(
        &self,
        request: SampleRequest,
        take: &mut dyn FnMut(&Tensor, &[u32]) -> Result<()>,
    ) -> Result<()> {
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
        let mut noise_stream = Stream::new(request.seed, "sample/noise");
        let mut done = 0;
        while done < request.n {
            let n = BATCH.min(request.n - done);
            let of_z = self.truncation.filter(|_| !self.generator.has_style());
            let z = match (self.z_prior, of_z) {
                (ZPrior::Normal, None) => z_stream.normal(n * self.z_dim),
                (ZPrior::Normal, Some(psi)) => {
                    truncated_normal(n * self.z_dim, psi, &mut z_stream)?
                }
                (ZPrior::Uniform, None) => z_stream.uniforms(n * self.z_dim, -1.0, 1.0),
                (ZPrior::Uniform, Some(_)) => candle_core::bail!(
                    "truncation draws a normal z again, and this run's is uniform; leave truncation out"
                ),
            };
            let labels: Option<Vec<u32>> = self.classes.map(|classes| {
                let mut draw =
                    || request.class.unwrap_or_else(|| self.draw_class(classes, &mut label_stream));
                (0..n).map(|_| draw()).collect()
            });
            let latent = Latent {
                z: Tensor::from_vec(z, (n, self.z_dim), &self.device)?,
                labels: labels
                    .as_ref()
                    .map(|l| Tensor::from_slice(l, n, &self.device))
                    .transpose()?,
                noise: self.noise.then(|| noise_stream.u64()),
            };
            let x = match self.truncation {
                Some(psi) if self.generator.has_style() => {
                    self.generator.truncated(&latent, psi)?
                }
                _ => self.generator.forward(&latent, self.pass)?,
            };
            take(&x, labels.as_deref().unwrap_or_default())?;
            done += n;
        }
        Ok(())
    }
}

/// Below this a value of z would be drawn again hundreds of times.
const LEAST_TRUNCATION: f64 = 0.01;

/// N(0, 1) with the values beyond ± `psi` drawn again.
fn truncated_normal(n: usize, psi: f64, stream: &mut Stream) -> Result<Vec<f32>> {
    if psi.is_nan() || psi < LEAST_TRUNCATION {
        candle_core::bail!("truncation of z must be at least {LEAST_TRUNCATION}, got {psi}")
    }
    let mut values = Vec::with_capacity(n);
    while values.len() < n {
        let drawn = stream.normal(n - values.len());
        values.extend(drawn.into_iter().filter(|z| f64::from(z.abs()) <= psi));
    }
    Ok(values)
}

/// A generator read from a checkpoint, without the rest of its run.
pub struct LoadedGenerator {
    store: ParamStore,
    generator: Box<dyn Generator>,
    network: NetworkPlan,
    classes: Option<usize>,
    noise: bool,
    pass: Pass,
    device: Device,
}

impl LoadedGenerator {
    /// The generator of `plan` with the weights of a safetensors file. `classes`: of the data set.
    ///
    /// # Errors
    /// If the file cannot be read or is of another network.
    pub fn new(
        plan: &TrainPlan,
        size: ImageSize,
        classes: usize,
        path: &Path,
        device: &Device,
    ) -> Result<Self> {
        let name = &plan.network.architecture;
        let Some(a) = architecture(name) else { candle_core::bail!("unknown architecture {name}") };
        let sizes = plan.sizes(size.height, size.channels, classes);
        let store =
            ParamStore::new("generator", plan.seed, device).with_convolution(plan.network.conv);
        // The file's weights take the place of the initial ones, which may cost much to draw.
        let store = sizes.options.generator_store(store).with_weight_init(Some(Init::Zeros));
        let generator = (a.generator)(&store.root(), sizes)?;
        store.load_file(path)?;
        Ok(Self {
            store,
            generator,
            network: plan.network.clone(),
            classes: sizes.classes,
            noise: a.noise,
            pass: Pass::Eval,
            device: device.clone(),
        })
    }

    /// With these statistics in the generator's batch norms.
    ///
    /// # Errors
    /// If others than the running ones are asked of a generator without batch norm.
    pub fn with_statistics(mut self, statistics: Statistics, seed: u64) -> Result<Self> {
        let pass = statistics.prepare(&self.store, &self.sampler(), seed)?;
        self.pass = pass;
        Ok(self)
    }

    /// A sampler of this generator under its statistics.
    pub fn sampler(&self) -> Sampler<'_> {
        let network = &self.network;
        Sampler::new(
            self.generator.as_ref(),
            network.z_dim,
            network.z_prior,
            self.classes,
            self.noise,
            &self.device,
        )
        .with_pass(self.pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoGenerator;

    impl Generator for NoGenerator {
        fn forward(&self, latent: &Latent, _: Pass) -> Result<Tensor> {
            Tensor::zeros((latent.z.dims()[0], 3, 4, 4), candle_core::DType::F32, &Device::Cpu)
        }
    }

    #[test]
    fn classes_are_drawn_equally_often_or_as_often_as_the_data_have_them() {
        let sampler = Sampler::new(&NoGenerator, 2, ZPrior::Normal, Some(3), false, &Device::Cpu);
        let share = |sampler: &Sampler<'_>, class| {
            let request = SampleRequest { n: 6000, seed: 0, class: None };
            let labels = sampler.sample(request, &mut |_| {}).unwrap().labels.unwrap();
            labels.iter().filter(|&&label| label == class).count() as f64 / 6000.0
        };
        // Six standard deviations.
        assert!((share(&sampler, 0) - 1.0 / 3.0).abs() < 0.037);
        let sampler = sampler.with_class_counts(vec![90, 0, 10]);
        assert!((share(&sampler, 0) - 0.9).abs() < 0.024);
        assert_eq!(share(&sampler, 1), 0.0);
    }

    #[test]
    fn a_truncated_z_stays_within_its_bound_and_is_else_normal() {
        let z = truncated_normal(20_000, 1.0, &mut Stream::new(0, "test")).unwrap();
        assert!(z.iter().all(|z| z.abs() <= 1.0));
        // Of N(0, 1) within ± 1: variance 1 − 2φ(1)/(2Φ(1) − 1) = 0.2911.
        let variance = z.iter().map(|z| f64::from(z * z)).sum::<f64>() / z.len() as f64;
        assert!((variance - 0.2911).abs() < 0.01, "{variance}");
        assert_eq!(z, truncated_normal(20_000, 1.0, &mut Stream::new(0, "test")).unwrap());
        let error = truncated_normal(4, 0.0, &mut Stream::new(0, "test")).unwrap_err().to_string();
        assert!(error.contains("truncation of z must be at least 0.01, got 0"), "{error}");
    }
}
