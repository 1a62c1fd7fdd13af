//! Minibatch standard deviation (Karras et al. 2018, "Progressive growing of GANs",
//! arXiv:1710.10196, section 3): how much the images of a batch differ, as one more channel, so
//! that a discriminator sees collapse.

use candle_core::{Result, Tensor};

/// Added under the root.
const EPS: f64 = 1e-8;

/// x `[n, c, h, w]` with one more channel, `[n, c + 1, h, w]`: of the images that stand together in
/// a group, the biased standard deviation of each value, averaged over channels and pixels.
///
/// There are M = n / g groups, of the images i, i + M, i + 2M, … as StyleGAN2's code has them,
/// where g is the largest divisor of n that is not above `group` (the code refuses a batch that
/// `group` does not divide).
///
/// # Errors
/// If x is not of rank 4, is empty, or the group is 0.
pub fn minibatch_std(x: &Tensor, group: usize) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let Some(size) = (1..=group.min(n)).rev().find(|g| n % g == 0) else {
        candle_core::bail!("the deviation of {n} images in groups of {group} is not defined")
    };
    let groups = n / size;
    let y = x.reshape((size, groups, c * h * w))?;
    let y = y.broadcast_sub(&y.mean_keepdim(0)?)?.sqr()?.mean(0)?;
    let y = (y + EPS)?.sqrt()?.mean(1)?.reshape((1, groups, 1, 1, 1))?;
    let y = y.broadcast_as((size, groups, 1, h, w))?.contiguous()?.reshape((n, 1, h, w))?;
    Tensor::cat(&[x, &y], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_difference::{check, normal};
    use candle_core::Device;

    fn last_channel(x: &Tensor) -> Vec<f64> {
        let last = x.dim(1).unwrap() - 1;
        x.narrow(1, last, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn deviations_are_those_worked_out_on_paper() {
        // Four images of two channels and one pixel, in groups of 2: 0 with 2, 1 with 3. 0 and 2:
        // (1, −1), (3, 1): deviations 1 and 1, mean 1. 1 and 3: (0, 0), (6, 0): 3 and 0, mean 1.5.
        let x = [1.0, -1.0, 0.0, 0.0, 3.0, 1.0, 6.0, 0.0];
        let x = Tensor::from_vec(x.to_vec(), (4, 2, 1, 1), &Device::Cpu).unwrap();
        let y = minibatch_std(&x, 2).unwrap();
        assert_eq!(y.dims(), [4, 3, 1, 1]);
        // √1e-8 = 1e-4 is half of what the channel of no deviation adds.
        for (y, expected) in last_channel(&y).into_iter().zip([1.0, 1.50005, 1.0, 1.50005]) {
            assert!((y - expected).abs() < 1e-8, "{y} against {expected}");
        }
        assert_eq!(
            y.narrow(1, 0, 2).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap(),
            x.flatten_all().unwrap().to_vec1::<f64>().unwrap()
        );
    }

    #[test]
    fn equal_images_differ_by_nothing() {
        let x = normal(1, &[1, 3, 4, 4]).broadcast_as((4, 3, 4, 4)).unwrap().contiguous().unwrap();
        for group in [1, 2, 4, 9] {
            let y = last_channel(&minibatch_std(&x, group).unwrap());
            assert!(y.iter().all(|y| (y - 1e-4).abs() < 1e-12), "{y:?}");
        }
    }

    #[test]
    fn a_batch_that_the_group_does_not_divide_gets_the_largest_group_that_does() {
        let x = normal(1, &[6, 2, 2, 2]);
        let of = |group| last_channel(&minibatch_std(&x, group).unwrap());
        assert_eq!(of(4), of(3));
        assert_ne!(of(4), of(2));
        assert_eq!(of(32), of(6));
    }

    #[test]
    fn the_deviation_has_the_gradients_of_finite_differences() {
        check(&[normal(1, &[4, 2, 3, 2])], |v| minibatch_std(&v[0], 2)?.sqr());
    }

    #[test]
    fn groups_of_no_images_are_refused() {
        let error = minibatch_std(&normal(1, &[4, 2, 3, 2]), 0).unwrap_err().to_string();
        assert!(
            error.contains("the deviation of 4 images in groups of 0 is not defined"),
            "{error}"
        );
    }
}
