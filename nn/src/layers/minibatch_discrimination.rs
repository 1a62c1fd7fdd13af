//! Minibatch discrimination (Salimans et al. 2016, "Improved techniques for training GANs",
//! arXiv:1606.03498, section 3.2), as improved-gan's CIFAR and SVHN scripts have it: normalised
//! weights with a learnt scale, an image is not compared with itself, initial values from the data.

use candle_core::{Result, Tensor, Var};

use super::Pass;
use crate::params::{Buffer, Init, Scope};

/// How many kernels, and how long each one's projection is.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    /// Number of kernels, and of values that are added to each image's.
    pub count: usize,
    /// Values of each kernel's projection.
    pub length: usize,
}

/// f `[n, d]` with `count` values more: bₖ + Σ_{j≠i} exp(−‖Mᵢₖ − Mⱼₖ‖₁), Mᵢₖ the `length` values of
/// fᵢ·Wₖ. The first training pass sets the scales so that an image's nearest other lies 2 away on
/// average, and b so that the mean is 0.
pub struct MinibatchDiscrimination {
    weight: Var,
    log_scale: Var,
    bias: Var,
    /// 0 before the first training pass, then 1.
    started: Buffer,
    kernels: Kernels,
}

impl MinibatchDiscrimination {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, inputs: usize, kernels: Kernels) -> Result<Self> {
        let columns = kernels.count * kernels.length;
        Ok(Self {
            weight: scope.param("weight", &[inputs, columns], Init::normal(0.05))?,
            log_scale: scope.param("log_weight_scale", &[columns], Init::Zeros)?,
            bias: scope.param("bias", &[kernels.count], Init::Zeros)?,
            started: scope.buffer("started", 1, Init::Zeros),
            kernels,
        })
    }

    /// `[n, d + count]`.
    ///
    /// # Errors
    /// If f is not `[n, d]`.
    pub fn forward(&self, f: &Tensor, pass: Pass) -> Result<Tensor> {
        if pass.trains() && self.started.get()[0] == 0.0 {
            self.start(f)?;
        }
        let near = self.distances(f, pass)?.neg()?.exp()?.sum(1)?;
        Tensor::cat(&[f, &near.broadcast_add(&pass.weight(&self.bias))?], 1)
    }

    /// Of each image to each, `[n, n, count]`; to itself so large that nothing of it remains.
    fn distances(&self, f: &Tensor, pass: Pass) -> Result<Tensor> {
        let (n, Kernels { count, length }) = (f.dim(0)?, self.kernels);
        let v = pass.weight(&self.weight);
        let lengths = v.sqr()?.sum_keepdim(0)?.sqrt()?;
        let scale = pass.weight(&self.log_scale).exp()?.unsqueeze(0)?.div(&lengths)?;
        let m = f.matmul(&v.broadcast_mul(&scale)?)?;
        let m = m.reshape((n, count, length))?;
        let difference = m.unsqueeze(1)?.broadcast_sub(&m.unsqueeze(0)?)?.abs()?.sum(3)?;
        let own = (Tensor::eye(n, f.dtype(), f.device())?.unsqueeze(2)? * 1e6)?;
        difference.broadcast_add(&own)
    }

    fn start(&self, f: &Tensor) -> Result<()> {
        let f = f.detach();
        let nearest = (self.distances(&f, Pass::Frozen)?.min(1)?.mean(0)? * 0.5)?;
        let shift =
            nearest.log()?.unsqueeze(1)?.broadcast_as((self.kernels.count, self.kernels.length))?;
        let shift = shift.contiguous()?.flatten_all()?;
        self.log_scale.set(&(self.log_scale.as_tensor().detach() - shift)?)?;
        let near = self.distances(&f, Pass::Frozen)?.neg()?.exp()?.sum(1)?;
        self.bias.set(&near.mean(0)?.neg()?)?;
        self.started.set(&[1.0]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_difference::{check, check_parameters, normal};
    use crate::params::ParamStore;
    use candle_core::{DType, Device};

    fn layer(inputs: usize, count: usize, length: usize) -> (ParamStore, MinibatchDiscrimination) {
        let store = ParamStore::new("test", 0, &Device::Cpu).with_dtype(DType::F64);
        let kernels = Kernels { count, length };
        let layer = MinibatchDiscrimination::new(&store.root(), inputs, kernels).unwrap();
        (store, layer)
    }

    fn values(x: &Tensor) -> Vec<f64> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn nearness_is_what_was_worked_out_on_paper() {
        // One feature, one kernel of length 1: W = ±1, so distances are those of the features 0, 1,
        // 3.
        let (_, layer) = layer(1, 1, 1);
        let f = Tensor::new(&[[0.0f64], [1.0], [3.0]], &Device::Cpu).unwrap();
        let y = values(&layer.forward(&f, Pass::Eval).unwrap());
        let e = |x: f64| (-x).exp();
        let expected = [0.0, e(1.0) + e(3.0), 1.0, e(1.0) + e(2.0), 3.0, e(3.0) + e(2.0)];
        assert!(y.iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-12), "{y:?}");
    }

    #[test]
    fn the_first_training_pass_puts_the_nearest_two_away_and_the_mean_at_0() {
        let (_, layer) = layer(5, 3, 2);
        let f = normal(1, &[8, 5]);
        let y = layer.forward(&f, Pass::Train).unwrap();
        let means = values(&y.narrow(1, 5, 3).unwrap().mean(0).unwrap());
        assert!(means.iter().all(|m| m.abs() < 1e-12), "{means:?}");
        let nearest = layer.distances(&f, Pass::Eval).unwrap().min(1).unwrap().mean(0).unwrap();
        assert!(values(&nearest).iter().all(|d| (d - 2.0).abs() < 1e-12), "{nearest}");
        let before = values(layer.bias.as_tensor());
        layer.forward(&normal(2, &[8, 5]), Pass::Train).unwrap();
        assert_eq!(values(layer.bias.as_tensor()), before);
    }

    #[test]
    fn features_and_parameters_have_the_gradients_of_finite_differences() {
        let (store, layer) = layer(3, 2, 2);
        let f = normal(1, &[4, 3]);
        layer.forward(&f, Pass::Train).unwrap();
        check(std::slice::from_ref(&f), |v| layer.forward(&v[0], Pass::Train));
        check_parameters(&store, 1e-5, || layer.forward(&f, Pass::Train)?.powf(3.0)?.sum_all());
    }
}
