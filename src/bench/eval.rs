//! Times of evaluation: images to features, and features to numbers.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::rng::Stream;
use ganbench_metrics::fid::{FewSamples, FidInput, fid, fid_of_few};
use ganbench_metrics::kid::{self, KidInput, kid};
use ganbench_metrics::prdc::{PrdcInput, prdc};
use ganbench_metrics::{Extractor, ExtractorOptions, Rows, Statistics, WeightsSource, load_with};
use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;
use serde::Serialize;

use super::Times;

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Images of each size that go through Inception.
    pub images: usize,
    /// Features a side.
    pub n: usize,
    /// Timed repetitions of each op; of the program's start there are always 10.
    pub repeat: usize,
    /// Threads that the work is given.
    pub threads: usize,
}

/// One measurement, as one line of JSON.
#[derive(Clone, Debug, Serialize)]
pub struct EvalLine {
    /// Name of the op with its sizes.
    pub op: String,
    /// `eval`, as the other benchmarks say `fwd` or `step`.
    pub pass: &'static str,
    /// Median of the repetitions, in milliseconds.
    pub median_ms: f64,
    /// Fastest of the repetitions, in milliseconds.
    pub min_ms: f64,
    /// Images of each size that went through Inception.
    pub images: usize,
    /// Threads that the work was given.
    pub threads: usize,
    /// Timed repetitions.
    pub repeat: usize,
}

/// As Inception's.
const DIM: usize = 2048;
/// Images of the second, small FID.
const FEW: usize = 256;
/// Dimensions that the made features really have, before noise: like those of images, they are
/// correlated.
const LATENT: usize = 256;
const SEED: u64 = 0;

/// Measures everything, and hands each line on as soon as it is there: `inception` in ms an image,
/// the metrics in ms, `start` in ms from the call of this program to its end with nothing to do.
///
/// # Errors
/// If a computation fails.
pub fn measure(settings: &Settings, found: &mut dyn FnMut(EvalLine) -> Result<()>) -> Result<()> {
    let program = std::env::current_exe().context("this program does not find itself")?;
    let start = || -> Result<()> {
        Command::new(&program).arg("--version").output().context("this program does not start")?;
        Ok(())
    };
    found(settings.line("start", 1.0, 10, start)?)?;
    let options =
        ExtractorOptions { batch: (4 * settings.threads).max(16), ..ExtractorOptions::default() };
    let inception = load_with("inception", &WeightsSource::Made { seed: 0 }, &options)?;
    for side in [32, 256] {
        let images = images(side, settings.images)?;
        extract(inception.as_ref(), &images.take(options.batch))?;
        let run = || extract(inception.as_ref(), &images);
        let name = format!("inception {side}x{side}, an image");
        found(settings.line(&name, settings.images as f64, settings.repeat, run)?)?;
    }
    drop(inception);
    let (real, fake) = (features("real", settings.n, 0.0), features("fake", settings.n, 0.05));
    let (real, fake) = (Rows::new(&real, DIM)?, Rows::new(&fake, DIM)?);
    let few = FewSamples { real: real.take(FEW), fake: fake.take(FEW) };
    found(settings.line(&format!("fid {FEW}x{DIM}"), 1.0, settings.repeat, || {
        Ok(fid_of_few(few).map(|_| ())?)
    })?)?;
    found(settings.line(&format!("fid {}x{DIM}", settings.n), 1.0, settings.repeat, || {
        let (real, fake) = (Statistics::from_rows(real)?, Statistics::from_rows(fake)?);
        Ok(fid(FidInput { real: &real, fake: &fake }).map(|_| ())?)
    })?)?;
    found(settings.line(&format!("prdc {}x{DIM}", settings.n), 1.0, settings.repeat, || {
        Ok(prdc(PrdcInput { real, fake, k: 5 }).map(|_| ())?)
    })?)?;
    let options = kid::Options { subset: 1000.min(settings.n), ..kid::Options::default() };
    let name = format!("kid {}x{} of {}x{DIM}", options.subsets, options.subset, settings.n);
    found(settings.line(&name, 1.0, settings.repeat, || {
        Ok(kid(KidInput { real, fake }, options).map(|_| ())?)
    })?)
}

impl Settings {
    /// Milliseconds of `run`, divided by `per`.
    fn line(
        &self,
        op: &str,
        per: f64,
        repeat: usize,
        run: impl Fn() -> Result<()>,
    ) -> Result<EvalLine> {
        let mut times = Times::default();
        for _ in 0..repeat {
            let started = Instant::now();
            run().with_context(|| format!("{op} failed"))?;
            times.0.push(started.elapsed().as_secs_f64() * 1e3 / per);
        }
        Ok(EvalLine {
            op: op.to_string(),
            pass: "eval",
            median_ms: times.median(),
            min_ms: times.min(),
            images: self.images,
            threads: self.threads,
            repeat,
        })
    }
}

fn extract(inception: &dyn Extractor, images: &ImageBatch) -> Result<()> {
    inception.extract(images, &mut |_, _| {})?;
    Ok(())
}

fn images(side: usize, n: usize) -> Result<ImageBatch> {
    let size = ImageSize::new(side, side, 3);
    let values = Stream::new(SEED, "images").uniforms(n * size.bytes(), 0.0, 256.0);
    let pixels = values.into_iter().map(|v| v as u8).collect();
    Ok(ImageBatch::new(size, pixels, None, None)?)
}

/// max(z·M + noise + shift, 0), `[n, 2048]`.
fn features(side: &str, n: usize, shift: f32) -> Vec<f32> {
    let mix = Stream::new(SEED, "mix").normal(LATENT * DIM);
    let mut out = vec![0f32; n * DIM];
    out.par_chunks_mut(FEW * DIM).enumerate().for_each(|(block, out)| {
        let rows = out.len() / DIM;
        let z = Stream::new(SEED, &format!("{side} {block}")).normal(rows * LATENT);
        matmul(out, Mat::new(&z, rows, LATENT), Mat::new(&mix, LATENT, DIM), false);
        let noise = Stream::new(SEED, &format!("{side} noise {block}")).normal(out.len());
        for (v, noise) in out.iter_mut().zip(noise) {
            *v = (*v / 16.0 + 0.3 * noise + shift).max(0.0);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_features_are_not_negative_and_differ_between_the_sides() {
        let (real, fake) = (features("real", 300, 0.0), features("fake", 300, 0.05));
        assert_eq!(real.len(), 300 * DIM);
        assert!(real.iter().chain(&fake).all(|v| *v >= 0.0) && real != fake);
        let mean = |v: &[f32]| v.iter().map(|v| f64::from(*v)).sum::<f64>() / v.len() as f64;
        assert!(mean(&fake) > mean(&real));
    }
}
