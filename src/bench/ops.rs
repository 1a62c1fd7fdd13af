//! The ops that a training step is made of, one at a time: SNDCGAN's convolutions at width 64, an
//! activation, a norm, the optimiser.
//!
//! Protocol, the same in `reports/peer/ops.py`: `fwd` is the op alone without a tape; `fwd+bwd` is
//! the op, the sum of its outputs, and the gradients of every input and weight. Outputs are made
//! anew each time and dropped after the clock was read. What is no convolution takes a millisecond
//! or a few, too short for a handful of repetitions to tell from the machine's noise: these are run
//! [`SHORT`] times as often.

use std::time::Instant;

use anyhow::{Context as _, Result};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use ganbench_baselines::networks::LayerSize;
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::activation::{Activation, activate, activation_gradient};
use ganbench_nn::kernels::conv::{Geometry, conv_transpose2d, conv2d};
use ganbench_nn::layers::{BatchNorm, Kernel, Pass};
use ganbench_nn::optim::{Optimizer, Rule};
use ganbench_nn::params::{Init, ParamStore};
use serde::Serialize;

use super::{Repeats, Times};

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct OpLine {
    /// Name of the op with its sizes.
    pub op: String,
    /// `fwd`, `fwd+bwd`, or `step` of an optimiser.
    pub pass: &'static str,
    /// Median of the repetitions, in milliseconds.
    pub median_ms: f64,
    /// Fastest of the repetitions, in milliseconds.
    pub min_ms: f64,
    /// Two operations a multiply-add, by the definition of a convolution; none for other ops.
    pub gflops: Option<f64>,
    /// Images of the batch.
    pub batch: usize,
    /// Threads that the op was given.
    pub threads: usize,
    /// Timed repetitions.
    pub repeat: usize,
}

/// A convolution, or a transposed one, of images of `side`×`side`.
#[derive(Clone, Copy, Debug)]
struct ConvCase {
    transposed: bool,
    kernel: Kernel,
    side: usize,
}

const fn conv(inputs: usize, outputs: usize, size: usize, side: usize) -> ConvCase {
    let stride = if size == 4 { 2 } else { 1 };
    ConvCase {
        transposed: false,
        kernel: Kernel { inputs, outputs, size, stride, padding: 1 },
        side,
    }
}

const fn conv_transpose(inputs: usize, outputs: usize, side: usize) -> ConvCase {
    ConvCase { transposed: true, ..conv(inputs, outputs, 4, side) }
}

/// D from image to features, then G.
const CONVOLUTIONS: [ConvCase; 10] = [
    conv(3, 64, 3, 32),
    conv(64, 128, 4, 32),
    conv(128, 128, 3, 16),
    conv(128, 256, 4, 16),
    conv(256, 256, 3, 8),
    conv(256, 512, 4, 8),
    conv(512, 512, 3, 4),
    conv_transpose(512, 256, 4),
    conv_transpose(256, 128, 8),
    conv_transpose(128, 64, 16),
];

/// Channels and side of the pointwise ops and norms.
const POINTWISE: (usize, usize) = (128, 16);
const SLOPE: f64 = 0.1;
const ADAM_PARAMETERS: usize = 4_000_000;
/// Repetitions of a short op for each one of a convolution.
pub const SHORT: usize = 20;
const SEED: u64 = 0;

impl ConvCase {
    fn name(&self) -> String {
        let Kernel { inputs, outputs, size, stride, .. } = self.kernel;
        let kind = if self.transposed { "conv_transpose" } else { "conv" };
        format!("{kind} {inputs}->{outputs} k{size}s{stride} {0}x{0}", self.side)
    }

    fn flops(&self, batch: usize) -> f64 {
        let layer = if self.transposed {
            LayerSize::transposed(self.kernel, self.side)
        } else {
            LayerSize::convolution(self.kernel, self.side)
        };
        2.0 * layer.multiply_adds() as f64 * batch as f64
    }

    fn run(&self, x: &Tensor, w: &Tensor) -> candle_core::Result<Tensor> {
        let geometry = Geometry::square(self.kernel.stride, self.kernel.padding);
        if self.transposed { conv_transpose2d(x, w, geometry) } else { conv2d(x, w, geometry) }
    }

    fn input_shape(&self, batch: usize) -> [usize; 4] {
        [batch, self.kernel.inputs, self.side, self.side]
    }

    /// PyTorch's layouts.
    fn weight_shape(&self) -> [usize; 4] {
        let Kernel { inputs, outputs, size, .. } = self.kernel;
        let (first, second) = if self.transposed { (inputs, outputs) } else { (outputs, inputs) };
        [first, second, size, size]
    }
}

/// How all of the ops are measured.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Images of each batch.
    pub batch: usize,
    /// Threads that the ops are given.
    pub threads: usize,
    /// Untimed and timed repetitions of each op.
    pub repeats: Repeats,
}

impl Settings {
    /// Times `run` and hands the result on; what it returns is dropped off the clock.
    fn measure<T>(
        &self,
        op: &str,
        pass: &'static str,
        flops: Option<f64>,
        run: &mut dyn FnMut() -> candle_core::Result<T>,
        found: &mut dyn FnMut(OpLine) -> Result<()>,
    ) -> Result<()> {
        let mut times = Times::default();
        let often = if flops.is_some() { 1 } else { SHORT };
        let (warmup, timed) = (self.repeats.warmup * often, self.repeats.timed * often);
        for i in 0..warmup + timed {
            let started = Instant::now();
            let out = run().with_context(|| format!("{op} failed"))?;
            let ms = started.elapsed().as_secs_f64() * 1e3;
            drop(out);
            if i >= warmup {
                times.0.push(ms);
            }
        }
        let median_ms = times.median();
        found(OpLine {
            op: op.to_string(),
            pass,
            median_ms,
            min_ms: times.min(),
            gflops: flops.map(|flops| flops / median_ms / 1e6),
            batch: self.batch,
            threads: self.threads,
            repeat: timed,
        })
    }

    fn convolution(&self, case: &ConvCase, found: Found<'_>) -> Result<()> {
        let (name, flops) = (case.name(), case.flops(self.batch));
        let x = normal(&case.input_shape(self.batch), "x", 1.0)?;
        let w = normal(&case.weight_shape(), "w", 0.02)?;
        let (fixed_x, fixed_w) = (x.as_tensor().detach(), w.as_tensor().detach());
        let mut forward = || case.run(&fixed_x, &fixed_w);
        self.measure(&name, "fwd", Some(flops), &mut forward, found)?;
        let mut both = || with_gradients(case.run(x.as_tensor(), w.as_tensor())?);
        self.measure(&name, "fwd+bwd", Some(3.0 * flops), &mut both, found)
    }

    fn leaky_relu(&self, found: Found<'_>) -> Result<()> {
        let (x, name) = self.pointwise("leaky_relu")?;
        let fixed = x.as_tensor().detach();
        let leaky = Activation::LeakyRelu(SLOPE);
        self.measure(&name, "fwd", None, &mut || activate(&fixed, leaky), found)?;
        // The study's measure: both passes of the op, and nothing of the tape.
        let g = fixed.ones_like()?;
        let mut passes = || {
            let y = activate(&fixed, leaky)?;
            let dx = activation_gradient(&y, &g, leaky)?;
            Ok((y, dx))
        };
        self.measure(&name, "fwd+bwd, no tape", None, &mut passes, found)?;
        let mut both = || with_gradients(activate(x.as_tensor(), leaky)?);
        self.measure(&name, "fwd+bwd", None, &mut both, found)
    }

    /// With the running averages, as a layer in training.
    fn batch_norm(&self, found: Found<'_>) -> Result<()> {
        let (x, name) = self.pointwise("batch_norm")?;
        let store = ParamStore::new("bench", SEED, &Device::Cpu);
        let norm = BatchNorm::new(&store.root(), POINTWISE.0, None, Init::Ones, Activation::None)?;
        let fixed = x.as_tensor().detach();
        let mut forward = || norm.forward(&fixed, None, Pass::Frozen);
        self.measure(&name, "fwd", None, &mut forward, found)?;
        let mut both = || with_gradients(norm.forward(x.as_tensor(), None, Pass::Train)?);
        self.measure(&name, "fwd+bwd", None, &mut both, found)
    }

    /// Our step also returns the gradient's norm.
    fn adam(&self, found: Found<'_>) -> Result<()> {
        let store = ParamStore::new("bench", SEED, &Device::Cpu);
        let w = store.root().param("weight", &[ADAM_PARAMETERS], Init::normal(0.02))?;
        let grads = w.as_tensor().sqr()?.sum_all()?.backward()?;
        let mut adam = Optimizer::new(Rule::Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 });
        let mut step = || adam.step(&store, &grads, 1.0);
        self.measure("adam 4M", "step", None, &mut step, found)
    }

    fn pointwise(&self, op: &str) -> Result<(Var, String)> {
        let (channels, side) = POINTWISE;
        let x = normal(&[self.batch, channels, side, side], "x", 1.0)?;
        Ok((x, format!("{op} {channels}x{side}x{side}")))
    }
}

/// Takes a measurement as soon as it is there.
type Found<'a> = &'a mut dyn FnMut(OpLine) -> Result<()>;

/// Measures every op.
///
/// # Errors
/// If a computation fails.
pub fn measure(settings: &Settings, found: Found<'_>) -> Result<()> {
    for case in &CONVOLUTIONS {
        settings.convolution(case, found)?;
    }
    settings.leaky_relu(found)?;
    settings.batch_norm(found)?;
    settings.adam(found)
}

/// The op's output is kept too, so that it is dropped off the clock.
fn with_gradients(y: Tensor) -> candle_core::Result<(Tensor, GradStore)> {
    let grads = y.sum_all()?.backward()?;
    Ok((y, grads))
}

fn normal(shape: &[usize], purpose: &str, std: f32) -> Result<Var> {
    let mut values = Stream::new(SEED, purpose).normal(shape.iter().product());
    values.iter_mut().for_each(|v| *v *= std);
    Ok(Var::from_vec(values, shape, &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_a_batch_are_those_counted_on_paper() {
        // 64 images, 3·64·9 multiply-adds on each of 32·32 outputs, 2 operations each.
        assert_eq!(CONVOLUTIONS[0].flops(64), 2.0 * 64.0 * 1_769_472.0);
        // 512·256·16 on each of the 4·4 inputs.
        assert_eq!(CONVOLUTIONS[7].flops(1), 2.0 * 33_554_432.0);
    }

    #[test]
    fn names_say_the_shape() {
        assert_eq!(CONVOLUTIONS[1].name(), "conv 64->128 k4s2 32x32");
        assert_eq!(CONVOLUTIONS[7].name(), "conv_transpose 512->256 k4s2 4x4");
    }

    #[test]
    fn every_op_runs_and_its_median_is_not_below_its_minimum() {
        let settings = Settings { batch: 1, threads: 1, repeats: Repeats { warmup: 0, timed: 2 } };
        let mut lines = Vec::new();
        let mut found = |line| {
            lines.push(line);
            Ok(())
        };
        measure(&settings, &mut found).unwrap();
        assert_eq!(lines.len(), 2 * (CONVOLUTIONS.len() + 2) + 2);
        for line in &lines {
            assert!(line.min_ms > 0.0 && line.min_ms <= line.median_ms, "{line:?}");
            assert_eq!(line.gflops.is_some(), line.op.starts_with("conv"), "{line:?}");
        }
    }
}
