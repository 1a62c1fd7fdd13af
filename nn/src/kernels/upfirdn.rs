//! Upsampling, filtering and downsampling as one op: how StyleGAN2 resamples images and maps
//! (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", arXiv:1912.04958;
//! `upfirdn2d` of its code).
//!
//! The op's adjoint is an op of the same kind, with the factors exchanged and the taps turned
//! round, so gradients of any order exist.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::conv::{Convolution, Geometry, conv2d};
use super::real::{Real, by_type, cpu_slice};
use super::simd::vectorised;

/// Elements of one piece of parallel work, at the output.
const PIECE: usize = 1 << 14;

/// A filter with the resampling around it, the same in both directions of the image.
#[derive(Clone, Debug, PartialEq)]
pub struct UpFirDn {
    /// In one direction; the image's filter is their outer product. A true convolution: turned
    /// round.
    pub taps: Vec<f64>,
    /// Every pixel is followed by `up` − 1 zeros.
    pub up: usize,
    /// Zeros before and after the upsampled line.
    pub padding: [usize; 2],
    /// Of the filtered line every `down`-th value is kept, from the first on.
    pub down: usize,
}

impl UpFirDn {
    /// The networks' filter (1, 3, 3, 1), which keeps the mean of an image that was upsampled by
    /// `up`.
    pub fn binomial(up: usize, down: usize, padding: [usize; 2]) -> Self {
        let taps = [1.0, 3.0, 3.0, 1.0].map(|tap| tap * up as f64 / 8.0);
        Self { taps: taps.to_vec(), up, padding, down }
    }

    /// Twice the size.
    pub fn upsample() -> Self {
        Self::binomial(2, 1, [2, 1])
    }

    /// Half the size.
    pub fn downsample() -> Self {
        Self::binomial(1, 2, [1, 1])
    }

    /// What follows a transposed 3×3 convolution of stride 2 without padding: 2h + 1 pixels become
    /// 2h. The gain makes up for the zeros that lie between the pixels of such a convolution's
    /// input.
    pub fn after_upsampling() -> Self {
        Self { up: 1, padding: [1, 1], ..Self::binomial(2, 1, [0, 0]) }
    }

    /// What precedes a 3×3 convolution of stride 2 without padding: h pixels become h + 1.
    pub fn before_downsampling() -> Self {
        Self::binomial(1, 1, [2, 2])
    }

    fn output(&self, size: usize) -> Result<usize> {
        let (padded, taps) = (size * self.up + self.padding[0] + self.padding[1], self.taps.len());
        if self.up == 0 || self.down == 0 || taps == 0 || padded < taps {
            bail!(
                "a filter of {taps} taps, up {} and down {} does not fit {size} pixels padded to {padded}",
                self.up,
                self.down
            )
        }
        Ok((padded - taps) / self.down + 1)
    }
}

/// x `[n, c, h, w]` resampled: `[n, c, (h·up + padding − taps) / down + 1, …]`.
///
/// # Errors
/// If x is not of rank 4, the filter is longer than the padded image, a factor is 0 or, on the CPU,
/// the type is neither f32 nor f64.
pub fn upfirdn2d(x: &Tensor, f: &UpFirDn) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let out = [f.output(h)?, f.output(w)?];
    if !x.device().is_cpu() {
        return composed(x, f, out);
    }
    let (up, down, first) = (f.up, f.down, f.padding[0] as isize);
    x.contiguous()?.apply_op1(Resample { taps: f.taps.clone(), up, down, first, out })
}

/// From candle's ops and a convolution: for other devices, and the reference of the op.
fn composed(x: &Tensor, f: &UpFirDn, out: [usize; 2]) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let ([before, after], up, k) = (f.padding, f.up, f.taps.len());
    let x = x.reshape((n * c, h, 1, w, 1))?;
    let x = x.pad_with_zeros(2, 0, up - 1)?.pad_with_zeros(4, 0, up - 1)?;
    let x = x.reshape((n * c, 1, h * up, w * up))?;
    let x = x.pad_with_zeros(2, before, after)?.pad_with_zeros(3, before, after)?;
    let turned = || f.taps.iter().rev();
    let kernel: Vec<f64> = turned().flat_map(|a| turned().map(move |b| a * b)).collect();
    let kernel = Tensor::from_vec(kernel, (1, 1, k, k), x.device())?.to_dtype(x.dtype())?;
    let conv = Convolution::direct(Geometry::square(f.down, 0));
    conv2d(&x, &kernel, conv)?.reshape((n, c, out[0], out[1]))
}

/// One tap's share of a line: `y[to + i·to_step] += weight · x[from + i·from_step]`, i < count.
#[derive(Clone, Copy)]
struct Run {
    weight: f64,
    from: usize,
    from_step: usize,
    to: usize,
    to_step: usize,
    count: usize,
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

struct Resample {
    taps: Vec<f64>,
    up: usize,
    down: usize,
    /// Zeros before the upsampled line, of an adjoint also below 0: so much is cut off.
    first: isize,
    /// Height and width of the output.
    out: [usize; 2],
}

impl Resample {
    /// Output o takes, by tap t, the upsampled line at o·down + t − first; pixel j lies there at
    /// j·up.
    fn runs(&self, size: usize, out: usize) -> Vec<Run> {
        let common = common_divisor(self.up, self.down);
        let (to_step, from_step) = (self.up / common, self.down / common);
        let mut runs = Vec::new();
        for (t, &weight) in self.taps.iter().rev().enumerate() {
            let place = |o: usize| (o * self.down + t) as isize - self.first;
            let lands = |&o: &usize| place(o) >= 0 && place(o) % self.up as isize == 0;
            let Some(to) = (0..out).find(lands) else { continue };
            let from = place(to) as usize / self.up;
            if from >= size {
                continue;
            }
            let count = ((out - 1 - to) / to_step).min((size - 1 - from) / from_step) + 1;
            runs.push(Run { weight, from, from_step, to, to_step, count });
        }
        runs
    }

    fn planes<T: Real>(&self, x: &[T], [h, w]: [usize; 2]) -> Vec<T> {
        let [oh, ow] = self.out;
        let planes = x.len() / (h * w).max(1);
        let (along, across) = (self.runs(w, ow), self.runs(h, oh));
        let mut y = vec![T::default(); planes * oh * ow];
        let a_piece = (PIECE / (oh * ow).max(1)).max(1);
        y.par_chunks_mut((a_piece * oh * ow).max(1))
            .zip(x.par_chunks((a_piece * h * w).max(1)))
            .for_each_init(Vec::new, |lines, (y, x)| {
                for (y, x) in y.chunks_exact_mut(oh * ow).zip(x.chunks_exact(h * w)) {
                    lines.clear();
                    lines.resize(h * ow, T::default());
                    filter_lines(x, w, &along, ow, lines);
                    filter_columns(lines, ow, &across, y);
                }
            });
        y
    }
}

vectorised! {
    /// Every line of x, `width` long, into a line of y, `out` long and 0 before.
    fn filter_lines<T: Real>(x: &[T], width: usize, runs: &[Run], out: usize, y: &mut [T]) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(out)) {
            for run in runs {
                let (x, y, weight) = (&x[run.from..], &mut y[run.to..], T::nearest(run.weight));
                if (run.from_step, run.to_step) == (1, 1) {
                    for (y, &x) in y[..run.count].iter_mut().zip(&x[..run.count]) {
                        *y += weight * x;
                    }
                } else {
                    let x = x.iter().step_by(run.from_step);
                    for (y, &x) in y.iter_mut().step_by(run.to_step).zip(x).take(run.count) {
                        *y += weight * x;
                    }
                }
            }
        }
    }
}

vectorised! {
    /// The lines of x, `width` long, into those of y, 0 before.
    fn filter_columns<T: Real>(x: &[T], width: usize, runs: &[Run], y: &mut [T]) {
        for run in runs {
            let weight = T::nearest(run.weight);
            for i in 0..run.count {
                let x = &x[(run.from + i * run.from_step) * width..][..width];
                let y = &mut y[(run.to + i * run.to_step) * width..][..width];
                for (y, &x) in y.iter_mut().zip(x) {
                    *y += weight * x;
                }
            }
        }
    }
}

impl CustomOp1 for Resample {
    fn name(&self) -> &'static str {
        "upfirdn"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let _timer = time("upfirdn");
        let (n, c, h, w) = layout.shape().dims4()?;
        let y = by_type!(x, T, T::storage(self.planes::<T>(cpu_slice(x, layout)?, [h, w])));
        Ok((y, (n, c, self.out[0], self.out[1]).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, h, w) = x.dims4()?;
        let adjoint = Self {
            taps: self.taps.iter().rev().copied().collect(),
            up: self.down,
            down: self.up,
            first: self.taps.len() as isize - 1 - self.first,
            out: [h, w],
        };
        Ok(Some(g.contiguous()?.apply_op1(adjoint)?))
    }
}

#[cfg(test)]
mod tests;
