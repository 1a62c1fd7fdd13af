//! Cosine similarities, and sums of exponentials over parts of a similarity matrix.

use candle_core::{DType, Result, Tensor};
use ganbench_nn::kernels::softmax;

/// Rows divided by their Euclidean length (at least 1e-12, as PyTorch's `normalize`): `[n, d]`.
///
/// # Errors
/// If x is not of rank 2.
pub fn unit_rows(x: &Tensor) -> Result<Tensor> {
    // The guard goes under the root: the gradient of √0 is infinite.
    let norm = (x.sqr()?.sum_keepdim(1)? + 1e-24)?.sqrt()?;
    x.broadcast_div(&norm)
}

/// Euclidean length of each row, `[n]`; of x `[n, …]` with all further axes taken together. At a
/// row of zeros it is 1e-12 and its gradient 0.
///
/// # Errors
/// If x is a scalar.
pub fn row_norms(x: &Tensor) -> Result<Tensor> {
    (x.flatten_from(1)?.sqr()?.sum(1)? + 1e-24)?.sqrt()
}

/// `[a, b]` of 0 and 1 by row and column, of x's type and device.
///
/// # Errors
/// None in practice.
pub fn mask(
    like: &Tensor,
    shape: (usize, usize),
    keep: impl Fn(usize, usize) -> bool,
) -> Result<Tensor> {
    let (rows, cols) = shape;
    let values: Vec<f32> =
        (0..rows * cols).map(|i| if keep(i / cols, i % cols) { 1.0 } else { 0.0 }).collect();
    Tensor::from_vec(values, shape, like.device())?.to_dtype(like.dtype())
}

/// Far below any similarity: its exponential is exactly 0 beside any kept entry.
const REMOVED: f64 = -1e9;

/// Entries where `keep` is 0 are removed: they add nothing to a later sum of exponentials.
///
/// # Errors
/// If the shapes differ.
pub fn keep_only(x: &Tensor, keep: &Tensor) -> Result<Tensor> {
    (x * keep)? + ((1.0 - keep)? * REMOVED)?
}

/// log Σ exp over each row, `[rows]`; the row's maximum is taken out first, as a constant.
///
/// # Errors
/// If x is not of rank 2.
pub fn log_sum_exp_rows(x: &Tensor) -> Result<Tensor> {
    softmax::log_sum_exp_rows(x)
}

/// log Σ exp over everything, a scalar.
///
/// # Errors
/// None in practice.
pub fn log_sum_exp_all(x: &Tensor) -> Result<Tensor> {
    log_sum_exp_rows(&x.reshape((1, ()))?)?.squeeze(0)
}

/// Which entries of a matrix of similarities, by row and column.
pub type Entries<'a> = &'a dyn Fn(usize, usize) -> bool;

/// Share of the rows whose largest entry of `among` is one of `right`: a scalar in 0..=1 without
/// gradient.
///
/// # Errors
/// If s is not of rank 2.
pub fn accuracy(s: &Tensor, among: Entries<'_>, right: Entries<'_>) -> Result<Tensor> {
    let s = s.detach();
    let shape = s.dims2()?;
    let largest = keep_only(&s, &mask(&s, shape, among)?)?.argmax_keepdim(1)?;
    mask(&s, shape, right)?.gather(&largest, 1)?.mean_all()
}

/// u32 labels `[n]` as a vector.
///
/// # Errors
/// If the labels are not integers.
pub fn label_list(labels: &Tensor) -> Result<Vec<u32>> {
    labels.to_dtype(DType::U32)?.to_vec1::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    #[test]
    fn accuracy_counts_the_rows_whose_nearest_other_is_right() {
        // Nearest others: 1 of 0, 2 of 1, 1 of 2.
        let s = [[9.0f64, 3.0, 1.0], [2.0, 9.0, 4.0], [0.0, 1.0, 9.0]];
        let s = Tensor::new(&s, &candle_core::Device::Cpu).unwrap();
        let of = |right: Entries<'_>| {
            accuracy(&s, &|r, c| r != c, right).unwrap().to_scalar::<f64>().unwrap()
        };
        assert!((of(&|r, c| r + c == 3) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((of(&|_, _| true), of(&|r, c| r == c)), (1.0, 0.0));
    }

    #[test]
    fn a_removed_entry_adds_nothing() {
        let x = Tensor::new(&[[0.0f64, 5.0], [1.0, 2.0]], &candle_core::Device::Cpu).unwrap();
        let keep = mask(&x, (2, 2), |r, c| r != 0 || c != 1).unwrap();
        let sums =
            log_sum_exp_rows(&keep_only(&x, &keep).unwrap()).unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(sums[0], 0.0);
        assert!((sums[1] - (1f64.exp() + 2f64.exp()).ln()).abs() < 1e-15);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        check(&[normal(1, &[3, 4])], |v| unit_rows(&v[0]));
        check(&[normal(1, &[3, 4])], |v| log_sum_exp_rows(&(&v[0] * 5.0)?));
    }
}
