//! Pooling and normalisation of the FID Inception-v3, which candle's own ops do not cover: pooling
//! with padding that the average leaves out, and batch normalisation with ReLU in one pass.
//!
//! On devices other than the CPU the same results come from candle's ops.

use candle_core::{CpuStorage, CustomOp1, InplaceOp1, Layout, Result, Shape, Tensor, bail};
use ganbench_nn::kernels::cpu_slice;
use rayon::prelude::*;

/// A 3x3 window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// Largest value, stride 2, no padding.
    MaxHalving,
    /// Largest value, stride 1, padding 1 that never wins.
    Max,
    /// Mean, stride 1, over the window's pixels inside the image.
    Average,
}

/// Pools x `[n, c, h, w]`, h and w at least 3.
///
/// # Errors
/// If x is not such a tensor of f32.
pub(super) fn pool(x: &Tensor, kind: Pool) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op1_no_bwd(&kind);
    }
    let padded = |x: &Tensor| x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1);
    match kind {
        Pool::MaxHalving => x.max_pool2d_with_stride(3, 2),
        // All inputs follow a ReLU, so that zeros never win.
        Pool::Max => padded(x)?.max_pool2d_with_stride(3, 1),
        Pool::Average => {
            let (_, _, h, w) = x.dims4()?;
            let inside = padded(&Tensor::ones((1, 1, h, w), x.dtype(), x.device())?)?;
            let mean = |x: Tensor| x.avg_pool2d_with_stride(3, 1);
            mean(padded(x)?)?.broadcast_div(&mean(inside)?)
        }
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "inception-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        if h < 3 || w < 3 {
            bail!("a 3x3 window does not fit an image of {h}x{w}")
        }
        let (oh, ow) = match self {
            Pool::MaxHalving => ((h - 3) / 2 + 1, (w - 3) / 2 + 1),
            Pool::Max | Pool::Average => (h, w),
        };
        let x: &[f32] = cpu_slice(x, layout)?;
        let mut y = vec![0f32; n * c * oh * ow];
        let planes = y.par_chunks_exact_mut(oh * ow).zip(x.par_chunks_exact(h * w));
        planes.for_each_init(
            || vec![0f32; w],
            |line, (y, x)| {
                for (oy, out) in y.chunks_exact_mut(ow).enumerate() {
                    self.row(&Plane { x, h, w }, oy, line, out);
                }
            },
        );
        Ok((CpuStorage::F32(y), (n, c, oh, ow).into()))
    }
}

struct Plane<'a> {
    x: &'a [f32],
    h: usize,
    w: usize,
}

impl Pool {
    /// One output row: first down the window's rows into `line` `[w]`, then along it.
    fn row(self, plane: &Plane<'_>, oy: usize, line: &mut [f32], out: &mut [f32]) {
        let (h, w) = (plane.h, plane.w);
        let rows = match self {
            Pool::MaxHalving => 2 * oy..2 * oy + 3,
            Pool::Max | Pool::Average => oy.saturating_sub(1)..(oy + 2).min(h),
        };
        let count = rows.len();
        let (first, rest) = (rows.start, rows.start + 1..rows.end);
        line.copy_from_slice(&plane.x[first * w..(first + 1) * w]);
        for y in rest {
            let row = &plane.x[y * w..(y + 1) * w];
            match self {
                Pool::Average => line.iter_mut().zip(row).for_each(|(a, b)| *a += b),
                _ => line.iter_mut().zip(row).for_each(|(a, b)| *a = a.max(*b)),
            }
        }
        match self {
            Pool::MaxHalving => {
                for (o, window) in out.iter_mut().zip(line.windows(3).step_by(2)) {
                    *o = window[0].max(window[1]).max(window[2]);
                }
            }
            Pool::Max => {
                for (i, o) in out.iter_mut().enumerate() {
                    let window = &line[i.saturating_sub(1)..(i + 2).min(w)];
                    *o = window.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                }
            }
            Pool::Average => {
                for (i, o) in out.iter_mut().enumerate() {
                    let window = &line[i.saturating_sub(1)..(i + 2).min(w)];
                    *o = window.iter().sum::<f32>() / (count * window.len()) as f32;
                }
            }
        }
    }
}

/// Batch normalisation with fixed statistics as scale and shift of each channel, and ReLU.
#[derive(Clone, Debug)]
pub(super) struct NormRelu {
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// `[1, c, 1, 1]`, for devices other than the CPU.
    tensors: Option<[Tensor; 2]>,
}

/// The tensors of a batch normalisation, `[c]` each.
pub(super) struct BatchNorm<'a> {
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) var: &'a [f32],
    pub(super) eps: f32,
}

impl BatchNorm<'_> {
    /// The normalisation as x · scale + shift.
    pub(super) fn scale_and_shift(&self) -> (Vec<f32>, Vec<f32>) {
        let root = |(w, v): (&f32, &f32)| w * (1.0 / (v + self.eps).sqrt());
        let scale: Vec<f32> = self.weight.iter().zip(self.var).map(root).collect();
        let mean = self.mean.iter().zip(&scale);
        let shift = self.bias.iter().zip(mean).map(|(b, (m, s))| b - m * s).collect();
        (scale, shift)
    }
}

impl NormRelu {
    pub(super) fn new(bn: &BatchNorm<'_>, device: &candle_core::Device) -> Result<Self> {
        let (scale, shift) = bn.scale_and_shift();
        let tensors = if device.is_cpu() {
            None
        } else {
            let tensor = |v: &[f32]| Tensor::from_slice(v, (1, v.len(), 1, 1), device);
            Some([tensor(&scale)?, tensor(&shift)?])
        };
        Ok(Self { scale, shift, tensors })
    }

    /// relu(x · scale + shift) for x `[n, c, h, w]`, which is overwritten on the CPU.
    pub(super) fn apply(&self, x: Tensor) -> Result<Tensor> {
        match &self.tensors {
            Some([scale, shift]) => x.broadcast_mul(scale)?.broadcast_add(shift)?.relu(),
            None => {
                x.inplace_op1(self)?;
                Ok(x)
            }
        }
    }
}

impl InplaceOp1 for NormRelu {
    fn name(&self) -> &'static str {
        "inception-norm-relu"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (_, c, h, w) = layout.shape().dims4()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("expected a contiguous tensor, got strides {:?}", layout.stride())
        };
        let CpuStorage::F32(x) = x else { bail!("expected f32") };
        if c != self.scale.len() {
            bail!("a normalisation of {} channels got {c}", self.scale.len())
        }
        x[start..end].par_chunks_exact_mut(h * w).enumerate().for_each(|(plane, x)| {
            let (scale, shift) = (self.scale[plane % c], self.shift[plane % c]);
            x.iter_mut().for_each(|v| *v = (*v * scale + shift).max(0.0));
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_data::rng::Stream;

    fn x(h: usize, w: usize) -> Tensor {
        let values = Stream::new(0, "pool").uniforms(6 * h * w, 0.0, 1.0);
        Tensor::from_vec(values, (2, 3, h, w), &Device::Cpu).unwrap()
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn pooling_a_3x3_image_agrees_with_paper() {
        let x = Tensor::from_vec((1..=9).map(|v| v as f32).collect(), (1, 1, 3, 3), &Device::Cpu);
        let x: Tensor = x.unwrap();
        assert_eq!(values(&pool(&x, Pool::MaxHalving).unwrap()), [9.0]);
        assert_eq!(
            values(&pool(&x, Pool::Max).unwrap()),
            [5.0, 6.0, 6.0, 8.0, 9.0, 9.0, 8.0, 9.0, 9.0]
        );
        // Corner (1+2+4+5)/4, top edge (1+..+6)/6, left edge (1+2+4+5+7+8)/6, middle 45/9.
        assert_eq!(
            values(&pool(&x, Pool::Average).unwrap()),
            [3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0]
        );
    }

    #[test]
    fn pooling_agrees_with_candles_ops() {
        for (h, w) in [(8, 8), (35, 17), (3, 4)] {
            let x = x(h, w);
            let padded = x.pad_with_zeros(2, 1, 1).unwrap().pad_with_zeros(3, 1, 1).unwrap();
            let halved = x.max_pool2d_with_stride(3, 2).unwrap();
            assert_eq!(values(&pool(&x, Pool::MaxHalving).unwrap()), values(&halved));
            let max = padded.max_pool2d_with_stride(3, 1).unwrap();
            assert_eq!(values(&pool(&x, Pool::Max).unwrap()), values(&max));
        }
    }

    #[test]
    fn an_image_smaller_than_the_window_is_refused() {
        let error = pool(&x(2, 5), Pool::Max).unwrap_err().to_string();
        assert!(error.contains("a 3x3 window does not fit an image of 2x5"), "{error}");
    }

    #[test]
    fn normalisation_agrees_with_its_formula() {
        let device = Device::Cpu;
        let bn = BatchNorm {
            weight: &[2.0, 1.0, 3.0],
            bias: &[0.5, -0.25, 0.0],
            mean: &[0.5, 0.25, 0.75],
            var: &[0.249, 0.999, 3.999],
            eps: 0.001,
        };
        let x = x(4, 5);
        let expected: Vec<f32> = values(&x)
            .iter()
            .enumerate()
            .map(|(i, v)| {
                let c = i / 20 % 3;
                ((v - bn.mean[c]) / [0.5, 1.0, 2.0][c] * bn.weight[c] + bn.bias[c]).max(0.0)
            })
            .collect();
        let got = values(&NormRelu::new(&bn, &device).unwrap().apply(x).unwrap());
        for (a, b) in got.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}
