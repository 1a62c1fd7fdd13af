//! StyleGAN2's layers that a style w steers (Karras et al. 2020, arXiv:1912.04958, figure 2):
//! modulated convolution with noise and activation, and the layer that makes pixels of a map.

use candle_core::{Result, Tensor, Var};

use super::Pass;
use super::equalised::{EqualLinear, EqualOptions};
use crate::kernels::activation::{Activation, bias_activate};
use crate::kernels::conv::Algorithm;
use crate::kernels::modulation::{Modulated, add_noise, modulated_conv2d, modulated_pixels};
use crate::params::{Init, Scope};

const SLOPE: f64 = 0.2;

/// Sizes of a styled layer.
#[derive(Clone, Copy, Debug)]
pub struct Styled {
    /// Values of w.
    pub style: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
}

/// The styles of a layer's inputs: an equalised linear function of w that starts around 1.
fn affine(scope: &Scope, s: Styled) -> Result<EqualLinear> {
    let options = EqualOptions { bias: Some(Init::Ones), ..EqualOptions::linear() };
    EqualLinear::new(&scope.at("affine"), s.style, s.inputs, options)
}

/// √2 · leaky ReLU 0.2 of (modulated 3×3 convolution + strength · noise + bias), at the same or
/// twice the size. The weight is `[outputs, inputs, 3, 3]`, of a layer that upsamples `[inputs,
/// outputs, 3, 3]`.
pub struct StyledConv {
    weight: Var,
    affine: EqualLinear,
    strength: Var,
    bias: Var,
    modulated: Modulated,
}

impl StyledConv {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, s: Styled, upsample: bool) -> Result<Self> {
        let algorithm: Algorithm = scope.convolution();
        let channels = if upsample { [s.inputs, s.outputs] } else { [s.outputs, s.inputs] };
        Ok(Self {
            weight: scope.param("weight", &[channels[0], channels[1], 3, 3], Init::normal(1.0))?,
            affine: affine(scope, s)?,
            strength: scope.param("noise_strength", &[1], Init::Zeros)?,
            bias: scope.param("bias", &[s.outputs], Init::Zeros)?,
            // √2 of the activation: leaky ReLU of √2 times its input is the same.
            modulated: Modulated { upsample, gain: 2f64.sqrt(), algorithm },
        })
    }

    /// x `[n, inputs, h, w]`, w `[n, style]`, noise `[n, 1, h', w']` of the output's size.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(
        &self,
        x: &Tensor,
        w: &Tensor,
        noise: Option<&Tensor>,
        pass: Pass,
    ) -> Result<Tensor> {
        let gain = self.modulated.gain;
        let styles = self.affine.forward(w, pass)?;
        let y = modulated_conv2d(x, &pass.weight(&self.weight), &styles, self.modulated)?;
        let y = match noise {
            Some(noise) => add_noise(&y, noise, &(pass.weight(&self.strength) * gain)?)?,
            None => y,
        };
        bias_activate(&y, &(pass.weight(&self.bias) * gain)?, Activation::LeakyRelu(SLOPE))
    }
}

/// Modulated 1×1 convolution to the channels of an image, without demodulation, plus a bias.
pub struct ToPixels {
    weight: Var,
    affine: EqualLinear,
    bias: Var,
}

impl ToPixels {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, s: Styled) -> Result<Self> {
        Ok(Self {
            weight: scope.param("weight", &[s.outputs, s.inputs, 1, 1], Init::normal(1.0))?,
            affine: affine(scope, s)?,
            bias: scope.param("bias", &[s.outputs], Init::Zeros)?,
        })
    }

    /// x `[n, inputs, h, w]`, w `[n, style]` to `[n, outputs, h, w]`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, x: &Tensor, w: &Tensor, pass: Pass) -> Result<Tensor> {
        let styles = self.affine.forward(w, pass)?;
        let y = modulated_pixels(x, &pass.weight(&self.weight), &styles)?;
        bias_activate(&y, &pass.weight(&self.bias), Activation::None)
    }
}

/// A learnt map that all images start from.
pub struct Constant(Var);

impl Constant {
    /// `[1, channels, side, side]`, from N(0, 1).
    ///
    /// # Errors
    /// If the scope holds this tensor already.
    pub fn new(scope: &Scope, channels: usize, side: usize) -> Result<Self> {
        Ok(Self(scope.param("const", &[1, channels, side, side], Init::normal(1.0))?))
    }

    /// `[n, channels, side, side]`.
    ///
    /// # Errors
    /// None in practice: candle's shapes return results.
    pub fn forward(&self, n: usize, pass: Pass) -> Result<Tensor> {
        let (_, channels, h, w) = self.0.dims4()?;
        pass.weight(&self.0).broadcast_as((n, channels, h, w))
    }
}

/// z / √(mean z² + 1e-8), row by row: `[n, d]`.
///
/// # Errors
/// If z is not of rank 2.
pub fn pixel_norm(z: &Tensor) -> Result<Tensor> {
    let (_, d) = z.dims2()?;
    let square = (z.sqr()?.sum_keepdim(1)? / d as f64)?;
    z.broadcast_div(&(square + 1e-8)?.sqrt()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_difference::{check, normal};
    use crate::params::ParamStore;
    use candle_core::Device;

    #[test]
    fn normalised_latents_have_unit_mean_square() {
        let z = Tensor::new(&[[3.0f64, 4.0], [0.0, 2.0]], &Device::Cpu).unwrap();
        // Mean squares 12.5 and 2.
        let expected = [3.0 / 12.5f64.sqrt(), 4.0 / 12.5f64.sqrt(), 0.0, 2f64.sqrt()];
        let y = pixel_norm(&z).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(y.iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-8), "{y:?}");
        check(&[normal(1, &[3, 4])], |v| pixel_norm(&v[0]));
    }

    #[test]
    fn maps_keep_their_scale_through_a_layer() {
        // Demodulated maps of unit variance have unit variance, and √2·leaky ReLU keeps the mean
        // square up to (1 + 0.04)/2·2 = 1.04.
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let s = Styled { style: 16, inputs: 32, outputs: 48 };
        let layer = StyledConv::new(&store.root(), s, false).unwrap();
        let f32s = |t: Tensor| t.to_dtype(candle_core::DType::F32).unwrap();
        let (x, w) = (f32s(normal(1, &[8, 32, 9, 9])), f32s(normal(2, &[8, 16])));
        let y = layer.forward(&x, &w, None, Pass::Train).unwrap();
        // Away from the border, where zeros take part.
        let y = y.narrow(2, 1, 7).unwrap().narrow(3, 1, 7).unwrap();
        let square = y.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
        assert!((square - 1.04).abs() < 0.1, "{square}");
    }
}
