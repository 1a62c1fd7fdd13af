//! Self-attention between the places of an image.
//!
//! Zhang et al. 2019, "Self-attention generative adversarial networks", arXiv:1805.08318, in the
//! form that their code and BigGAN's have and their paper has not: keys and values are max-pooled
//! by 2, the values have half of the channels and a fourth convolution brings them back.

use candle_core::{Result, Tensor, Var};

use super::{Conv2d, Kernel, LayerOptions, Pass};
use crate::kernels::activation::Activation;
use crate::kernels::resample::max_pool;
use crate::kernels::softmax::softmax_rows;
use crate::params::{Init, Scope};

/// y = x + γ · o(Σ over places of softmax(θ(x)ᵀ φ(x)) · g(x)), with 1×1 convolutions θ, φ, g and o
/// without bias and γ starting at 0.
pub struct SelfAttention {
    theta: Conv2d,
    phi: Conv2d,
    g: Conv2d,
    o: Conv2d,
    gamma: Var,
}

/// Channels of queries and keys, and of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AttentionSizes {
    key: usize,
    value: usize,
}

impl SelfAttention {
    /// The four convolutions θ, φ, g and o of an input of `channels`. An eighth and a half of the
    /// channels, at least 1.
    pub fn kernels(channels: usize) -> [Kernel; 4] {
        let AttentionSizes { key, value } = sizes(channels);
        let one = |inputs, outputs| Kernel { inputs, outputs, size: 1, stride: 1, padding: 0 };
        [one(channels, key), one(channels, key), one(channels, value), one(value, channels)]
    }

    /// `options`: initial weight and spectral norm of the convolutions.
    ///
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, channels: usize, options: LayerOptions) -> Result<Self> {
        let options = LayerOptions { bias: None, activation: Activation::None, ..options };
        let [theta, phi, g, o] = Self::kernels(channels);
        let conv = |name, kernel| Conv2d::new(&scope.at(name), kernel, options);
        Ok(Self {
            theta: conv("theta", theta)?,
            phi: conv("phi", phi)?,
            g: conv("g", g)?,
            o: conv("o", o)?,
            gamma: scope.param("gamma", &[1], Init::Zeros)?,
        })
    }

    /// x `[n, channels, h, w]`, h and w even; y as x.
    ///
    /// # Errors
    /// If x has other channels or an odd side.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let maps = Maps {
            theta: self.theta.forward(x, pass)?,
            phi: self.phi.forward(x, pass)?,
            g: self.g.forward(x, pass)?,
        };
        let gamma = pass.weight(&self.gamma).reshape((1, 1, 1, 1))?;
        x + self.o.forward(&seen(&maps)?, pass)?.broadcast_mul(&gamma)?
    }
}

/// What attention is computed from.
pub(crate) struct Maps {
    /// Queries `[n, key, h, w]`.
    pub theta: Tensor,
    /// Keys, as the queries.
    pub phi: Tensor,
    /// Values `[n, value, h, w]`.
    pub g: Tensor,
}

/// At each place the mean of the pooled values, weighted by the softmax over places of the place's
/// query times the pooled keys: `[n, value, h, w]`.
pub(crate) fn seen(maps: &Maps) -> Result<Tensor> {
    let (n, key, h, w) = maps.theta.dims4()?;
    let (value, places, pooled) = (maps.g.dim(1)?, h * w, h * w / 4);
    let theta = maps.theta.reshape((n, key, places))?;
    let phi = max_pool(&maps.phi, 2)?.reshape((n, key, pooled))?;
    let g = max_pool(&maps.g, 2)?.reshape((n, value, pooled))?;
    let scores = theta.transpose(1, 2)?.contiguous()?.matmul(&phi)?;
    let weights = softmax_rows(&scores.reshape((n * places, pooled))?)?;
    let weights = weights.reshape((n, places, pooled))?.transpose(1, 2)?;
    g.matmul(&weights.contiguous()?)?.reshape((n, value, h, w))
}

fn sizes(channels: usize) -> AttentionSizes {
    AttentionSizes { key: (channels / 8).max(1), value: (channels / 2).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_difference::{check, normal};
    use crate::params::ParamStore;
    use candle_core::Device;

    fn block(store: &ParamStore, channels: usize) -> SelfAttention {
        let options = LayerOptions {
            weight: Init::normal(0.5),
            bias: None,
            spectral_norm: false,
            activation: Activation::None,
        };
        SelfAttention::new(&store.root(), channels, options).unwrap()
    }

    fn set(store: &ParamStore, values: &[(&str, &[f32])]) {
        let mut state = store.state().unwrap();
        for (name, v) in values {
            let shape = state[*name].dims().to_vec();
            state.insert((*name).to_string(), Tensor::from_slice(v, shape, &Device::Cpu).unwrap());
        }
        store.load(&state).unwrap();
    }

    #[test]
    fn attention_has_the_gradients_of_finite_differences() {
        let v = [normal(1, &[2, 3, 4, 2]), normal(2, &[2, 3, 4, 2]), normal(3, &[2, 5, 4, 2])];
        check(&v, |v| seen(&Maps { theta: v[0].clone(), phi: v[1].clone(), g: v[2].clone() }));
    }

    #[test]
    fn at_the_start_it_changes_nothing() {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let x = ganbench_data::rng::Stream::new(0, "test").normal(2 * 8 * 16);
        let x = Tensor::from_vec(x, (2, 8, 4, 4), &Device::Cpu).unwrap();
        let y = block(&store, 8).forward(&x, Pass::Train).unwrap();
        let list = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(list(&y), list(&x));
        // 8·1 + 8·1 + 8·4 + 4·8 + 1.
        assert_eq!(store.parameter_count(), 81);
    }

    #[test]
    fn equal_scores_give_the_mean_of_the_pooled_values() {
        // θ = 0, so every place sees the mean of g over the two pooled places: of the largest of
        // each square of channel 0, 4 and 8, so 6. o gives it to channel 1 only, γ = 2.
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let block = block(&store, 2);
        set(&store, &[("theta.weight", &[0.0, 0.0]), ("g.weight", &[1.0, 0.0]), ("gamma", &[2.0])]);
        set(&store, &[("o.weight", &[0.0, 1.0])]);
        let x = [1.0f32, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0].into_iter().chain([0.5; 8]);
        let x = Tensor::from_vec(x.collect::<Vec<_>>(), (1, 2, 2, 4), &Device::Cpu).unwrap();
        let y = block.forward(&x, Pass::Eval).unwrap().flatten_all().unwrap();
        let y = y.to_vec1::<f32>().unwrap();
        assert_eq!(y[..8], [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
        assert!(y[8..].iter().all(|v| (v - 12.5).abs() < 1e-5), "{y:?}");
    }
}
