//! Augmentations that are affine in the pixels, y = A·x + b with an A and a b of each image's own
//! draw, as one op: backwards it applies the transpose of A, and that one's backward pass is A
//! again, so that gradients of any order exist.

use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, bail};
use ganbench_nn::kernels::{Real, cpu_slice};
use rayon::prelude::*;

/// Sizes of one image, `[channels, height, width]` in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Planes {
    /// Pixels of one channel.
    pub(super) fn pixels(self) -> usize {
        self.height * self.width
    }
}

/// One image's draw.
pub(super) trait Affine: Send + Sync + 'static {
    const NAME: &'static str;

    /// A·x, and + b with `offset`. `y` holds zeros.
    fn forward<T: Real>(&self, x: &[T], y: &mut [T], size: Planes, offset: bool);

    /// Aᵀ·g. `dx` holds zeros.
    fn transposed<T: Real>(&self, g: &[T], dx: &mut [T], size: Planes);
}

/// Applies one map an image: x `[n, c, h, w]`, as the result.
///
/// # Errors
/// If there is not one map an image.
pub(super) fn apply<M: Affine>(x: &Tensor, maps: Vec<M>) -> Result<Tensor> {
    // Off the CPU the images travel: the augmentation is small beside the networks.
    let op = PerImage { maps: Arc::new(maps), way: Way::Forward { offset: true } };
    x.to_device(&Device::Cpu)?.contiguous()?.apply_op1(op)?.to_device(x.device())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Forward { offset: bool },
    Transposed,
}

struct PerImage<M> {
    maps: Arc<Vec<M>>,
    way: Way,
}

impl<M: Affine> PerImage<M> {
    fn run<T: Real>(&self, x: &[T], size: Planes) -> Vec<T> {
        let mut y = vec![T::default(); x.len()];
        let image = size.channels * size.pixels();
        let work = y.par_chunks_mut(image).zip(x.par_chunks(image)).zip(&*self.maps);
        work.for_each(|((y, x), map)| match self.way {
            Way::Forward { offset } => map.forward(x, y, size, offset),
            Way::Transposed => map.transposed(x, y, size),
        });
        y
    }
}

impl<M: Affine> CustomOp1 for PerImage<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let size = match *layout.dims() {
            [n, channels, height, width] if n == self.maps.len() => {
                Planes { channels, height, width }
            }
            _ => bail!(
                "{} draws of {} do not fit images of shape {:?}",
                self.maps.len(),
                M::NAME,
                layout.dims()
            ),
        };
        let y = match x.dtype() {
            DType::F64 => f64::storage(self.run::<f64>(cpu_slice(x, layout)?, size)),
            _ => f32::storage(self.run::<f32>(cpu_slice(x, layout)?, size)),
        };
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let way = match self.way {
            Way::Forward { .. } => Way::Transposed,
            Way::Transposed => Way::Forward { offset: false },
        };
        g.contiguous()?.apply_op1(Self { maps: Arc::clone(&self.maps), way }).map(Some)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    /// ⟨A·x, g⟩ = ⟨x, Aᵀ·g⟩ in f64, and the tape's gradients are those of finite differences.
    pub(crate) fn check_map<M: Affine>(size: Planes, map: impl Fn() -> M) {
        let shape = [1, size.channels, size.height, size.width];
        let (x, g) = (normal(1, &shape), normal(2, &shape));
        let run = |x: &Tensor, way| {
            let op = PerImage { maps: Arc::new(vec![map()]), way };
            x.apply_op1_no_bwd(&op).unwrap()
        };
        let product =
            |a: Tensor, b: &Tensor| (a * b).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
        let (there, back) = (
            product(run(&x, Way::Forward { offset: false }), &g),
            product(run(&g, Way::Transposed), &x),
        );
        assert!((there - back).abs() < 1e-10, "{}: {there} against {back}", M::NAME);
        check(&[x], |v| apply(&v[0], vec![map()]));
        // The backward pass's own gradient, which gradients of gradients need.
        check(&[g], |v| {
            v[0].apply_op1(PerImage { maps: Arc::new(vec![map()]), way: Way::Transposed })
        });
    }

    #[test]
    fn draws_that_do_not_fit_the_batch_are_refused() {
        let error = apply(&normal(1, &[2, 1, 2, 2]), vec![super::super::flip::Mirror(true)]);
        assert_eq!(
            error.unwrap_err().to_string().lines().next().unwrap(),
            "1 draws of flip do not fit images of shape [2, 1, 2, 2]"
        );
    }
}
