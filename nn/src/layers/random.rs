//! Layers that draw in every training pass: dropout and Gaussian noise.
//!
//! A layer counts its passes in a buffer of the store, and each pass has a stream of its own: a run
//! that goes on from a state draws what it would have drawn.

use candle_core::{Result, Tensor};
use ganbench_data::rng::Stream;

use super::Pass;
use crate::params::{Buffer, Init, Scope};

/// A buffer holds f32, which counts to 2²⁴: passes are counted in ones and in so many.
const BLOCK: f64 = 1048576.0;

/// The streams of a layer, one a pass.
struct Draws {
    scope: Scope,
    passes: Buffer,
}

impl Draws {
    fn new(scope: &Scope) -> Self {
        Self { scope: scope.clone(), passes: scope.buffer("passes", 2, Init::Zeros) }
    }

    fn next(&self) -> Stream {
        let passes = self.passes.get();
        let (ones, blocks) = (passes[0], passes[1]);
        let next = ones + 1.0;
        self.passes.set(&if next < BLOCK { [next, blocks] } else { [0.0, blocks + 1.0] });
        self.scope.draws((blocks * BLOCK + ones) as u64)
    }
}

/// In training each value is 0 with probability `rate`, else divided by 1 − `rate` (Srivastava et
/// al. 2014, "Dropout").
pub struct Dropout {
    draws: Draws,
    rate: f64,
}

impl Dropout {
    /// `rate` in [0, 1).
    pub fn new(scope: &Scope, rate: f64) -> Self {
        Self { draws: Draws::new(scope), rate }
    }

    /// x of any shape.
    ///
    /// # Errors
    /// If x is neither f32 nor f64.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        if !pass.trains() {
            return Ok(x.clone());
        }
        let (mut stream, kept) = (self.draws.next(), (1.0 / (1.0 - self.rate)) as f32);
        let mask: Vec<f32> = (0..x.elem_count())
            .map(|_| if stream.chance(self.rate) { 0.0 } else { kept })
            .collect();
        x * Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?
    }
}

/// In training each value plus a normal number of deviation `std`.
pub struct GaussianNoise {
    draws: Draws,
    std: f64,
}

impl GaussianNoise {
    /// Noise of this standard deviation, drawn from a stream of the scope's place.
    pub fn new(scope: &Scope, std: f64) -> Self {
        Self { draws: Draws::new(scope), std }
    }

    /// x of any shape.
    ///
    /// # Errors
    /// If x is neither f32 nor f64.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        if !pass.trains() {
            return Ok(x.clone());
        }
        let noise = self.draws.next().normal(x.elem_count());
        let noise = Tensor::from_vec(noise, x.shape(), x.device())?.to_dtype(x.dtype())?;
        x + (noise * self.std)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ParamStore;
    use candle_core::{DType, Device};

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn ones() -> Tensor {
        Tensor::ones((100, 100), DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn dropout_keeps_the_mean_and_drops_the_rate() {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let y = values(&Dropout::new(&store.root(), 0.2).forward(&ones(), Pass::Train).unwrap());
        let dropped = y.iter().filter(|&&v| v == 0.0).count();
        // 2000 of 10,000, five deviations of 40.
        assert!(dropped.abs_diff(2000) < 200, "{dropped}");
        assert!(y.iter().all(|&v| v == 0.0 || v == 1.25));
    }

    #[test]
    fn noise_has_its_deviation() {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let y = GaussianNoise::new(&store.root(), 0.2).forward(&ones(), Pass::Frozen).unwrap();
        let var = values(&y).iter().map(|v| f64::from(v - 1.0).powi(2)).sum::<f64>() / 1e4;
        // Five deviations of 0.04·√(2/10,000).
        assert!((var - 0.04).abs() < 0.0029, "{var}");
    }

    #[test]
    fn evaluation_changes_nothing_and_draws_nothing() {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let (a, b) = (
            Dropout::new(&store.root().at("a"), 0.5),
            GaussianNoise::new(&store.root().at("b"), 0.5),
        );
        let y = b.forward(&a.forward(&ones(), Pass::Eval).unwrap(), Pass::Eval).unwrap();
        assert_eq!(values(&y), values(&ones()));
        assert!(store.state().unwrap().values().all(|t| values(t) == [0.0, 0.0]));
    }

    #[test]
    fn every_pass_draws_anew_and_a_restored_layer_what_it_would_have_drawn() {
        let layer = || {
            let store = ParamStore::new("test", 3, &Device::Cpu);
            let dropout = Dropout::new(&store.root(), 0.5);
            (store, dropout)
        };
        let ((first, a), (second, b)) = (layer(), layer());
        let draw = |d: &Dropout| values(&d.forward(&ones(), Pass::Train).unwrap());
        assert_ne!(draw(&a), draw(&a));
        second.load(&first.state().unwrap()).unwrap();
        assert_eq!(draw(&a), draw(&b));
    }

    #[test]
    fn passes_are_counted_beyond_what_a_float_can() {
        let store = ParamStore::new("test", 3, &Device::Cpu);
        let draws = Draws::new(&store.root());
        draws.passes.set(&[BLOCK - 1.0, 40.0]);
        draws.next();
        assert_eq!(draws.passes.get(), [0.0, 41.0]);
    }
}
