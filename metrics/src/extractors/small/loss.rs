//! Losses of the small extractors: cross-entropy of class scores, and uncorrelated features.

use candle_core::{D, Result, Tensor};

/// Mean over the batch of −log softmax(logits)\[label\].
///
/// `logits`: f32 or f64 `[n, classes]`, any finite value; `labels`: u32 `[n]`, less than `classes`.
/// Returns a scalar ≥ 0. The largest score of each row is taken off first, so that no exponential
/// overflows; it is a constant to the gradient, which it does not change.
///
/// # Errors
/// If the shapes do not fit or a label is no class.
pub(super) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let largest = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&largest)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let own = shifted.gather(&labels.unsqueeze(1)?, 1)?;
    (log_sum - own)?.mean_all()
}

/// ‖C − 1‖² / d of the covariance C (divisor n) of the features: 0 where they are uncorrelated and
/// of unit variance.
///
/// Classes that are told apart easily otherwise fill the features with a few strong directions, and
/// a Fréchet distance sees little beside these. As the covariance term of VICReg (Bardes et al.
/// 2022, arXiv:2105.04906, eq. 3) with its variance term replaced by that of the diagonal.
///
/// `features`: f32 or f64 `[n, d]`. Returns a scalar ≥ 0.
///
/// # Errors
/// If there are no features.
pub(super) fn decorrelation(features: &Tensor) -> Result<Tensor> {
    let (n, d) = features.dims2()?;
    let centred = features.broadcast_sub(&features.mean_keepdim(0)?)?;
    let covariance = (centred.t()?.matmul(&centred)? / n as f64)?;
    let excess = (covariance - Tensor::eye(d, features.dtype(), features.device())?)?;
    excess.sqr()?.sum_all()? / d as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn labels(values: &[u32]) -> Tensor {
        Tensor::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn scores_of_ln_1_and_ln_3_cost_ln_4_thirds_and_ln_4() {
        // softmax = (1/4, 3/4): −ln 3/4 for the second class, −ln 1/4 for the first; their mean.
        let row = [0.0, 3f64.ln()];
        let logits = Tensor::new(&[row, row], &Device::Cpu).unwrap();
        let loss = cross_entropy(&logits, &labels(&[1, 0])).unwrap().to_scalar::<f64>().unwrap();
        assert!((loss - ((4.0 / 3.0f64).ln() + 4f64.ln()) / 2.0).abs() < 1e-15, "{loss}");
    }

    #[test]
    fn a_constant_added_to_all_scores_changes_nothing_even_where_exponentials_overflow() {
        let logits = Tensor::new(&[[1000.0f32, 1001.0]], &Device::Cpu).unwrap();
        let loss = cross_entropy(&logits, &labels(&[0])).unwrap().to_scalar::<f32>().unwrap();
        // ln(1 + e)
        assert!((f64::from(loss) - (1.0 + 1f64.exp()).ln()).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        check(&[normal(1, &[5, 4])], |v| cross_entropy(&v[0], &labels(&[0, 3, 1, 1, 2])));
    }

    #[test]
    fn features_of_unit_variance_without_correlation_cost_nothing() {
        let features = |values: &[f64]| {
            Tensor::from_slice(values, (values.len() / 2, 2), &Device::Cpu).unwrap()
        };
        let cost = |t: &Tensor| decorrelation(t).unwrap().to_scalar::<f64>().unwrap();
        assert!(cost(&features(&[1., 1., 1., -1., -1., 1., -1., -1.])) < 1e-30);
        // Covariance [[1, 1], [1, 1]]: two entries of 1 too many, over two dimensions.
        assert!((cost(&features(&[1., 1., -1., -1.])) - 1.0).abs() < 1e-15);
        check(&[normal(2, &[6, 3])], |v| decorrelation(&v[0]));
    }

    #[test]
    fn a_label_beyond_the_classes_is_refused() {
        let logits = Tensor::new(&[[0.0f32, 1.0]], &Device::Cpu).unwrap();
        assert!(cross_entropy(&logits, &labels(&[2])).is_err());
    }
}
