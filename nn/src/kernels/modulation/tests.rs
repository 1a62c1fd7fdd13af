use candle_core::Device;

use super::super::conv::conv_transpose2d_per_sample;
use super::super::finite_difference::{check, normal};
use super::*;

fn tensor(x: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_vec(x.to_vec(), shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn plain(upsample: bool) -> Modulated {
    Modulated { upsample, gain: 1.0, algorithm: Algorithm::Direct }
}

/// The paper's order: the filter of each image is scaled, then its length made 1.
fn by_filters(x: &Tensor, w: &Tensor, styles: &Tensor, m: Modulated) -> Tensor {
    let (a, b, k, _) = w.dims4().unwrap();
    let (n, cin) = styles.dims2().unwrap();
    let fan_in = (cin * k * k) as f64;
    let (inputs, outputs) = if m.upsample { (1, 2) } else { (2, 1) };
    let mut shape = [n, 1, 1, 1, 1];
    shape[inputs] = cin;
    let s = (styles / fan_in.sqrt()).unwrap().reshape(&shape).unwrap();
    let w = w.reshape((1, a, b, k, k)).unwrap().broadcast_mul(&s).unwrap();
    let length = w.sqr().unwrap().sum_keepdim((inputs, 3, 4)).unwrap();
    let w = w.broadcast_div(&(length + EPS).unwrap().sqrt().unwrap()).unwrap();
    assert_eq!(w.dim(outputs).unwrap(), if m.upsample { b } else { a });
    let y = if m.upsample {
        let y = conv_transpose2d_per_sample(x, &w, Geometry::square(2, 0)).unwrap();
        upfirdn2d(&y, &UpFirDn::after_upsampling()).unwrap()
    } else {
        conv2d_per_sample(x, &w, Geometry::square(1, k / 2)).unwrap()
    };
    (y * m.gain).unwrap()
}

#[test]
fn scaling_the_maps_equals_scaling_the_filters() {
    for upsample in [false, true] {
        let (x, styles) = (normal(1, &[3, 4, 5, 6]), normal(2, &[3, 4]));
        let w = normal(3, &if upsample { [4, 2, 3, 3] } else { [2, 4, 3, 3] });
        let m = Modulated { gain: 1.5, ..plain(upsample) };
        let y = modulated_conv2d(&x, &w, &styles, m).unwrap();
        assert_eq!(y.dims(), if upsample { [3, 2, 10, 12] } else { [3, 2, 5, 6] });
        let error = (y - by_filters(&x, &w, &styles, m)).unwrap().abs().unwrap();
        let worst = values(&error).into_iter().fold(0.0, f64::max);
        // Sums of 36 products of about 1, in another order.
        assert!(worst < 1e-13, "{worst}");
    }
}

#[test]
fn a_pointwise_filter_of_one_channel_demodulates_to_the_sign_of_its_style() {
    // w' = 2s / √(4s²) = ±1 up to 1e-8 under the root.
    let (x, w) = (tensor(&[1.0, 5.0, 1.0, 5.0], &[2, 1, 1, 2]), tensor(&[2.0], &[1, 1, 1, 1]));
    let y = modulated_conv2d(&x, &w, &tensor(&[3.0, -7.0], &[2, 1]), plain(false)).unwrap();
    for (y, expected) in values(&y).into_iter().zip([1.0, 5.0, -1.0, -5.0]) {
        assert!((y - expected).abs() < 1e-8, "{y}");
    }
    // Without demodulation 2·3 and 2·(−7).
    let y = modulated_pixels(&x, &w, &tensor(&[3.0, -7.0], &[2, 1])).unwrap();
    assert_eq!(values(&y), [6.0, 30.0, -14.0, -70.0]);
}

#[test]
fn modulated_convolutions_have_the_gradients_of_finite_differences() {
    let (x, styles) = (normal(1, &[2, 3, 4, 4]), normal(2, &[2, 3]));
    for (w, upsample) in [(normal(3, &[2, 3, 3, 3]), false), (normal(3, &[3, 2, 3, 3]), true)] {
        check(&[x.clone(), w, styles.clone()], |v| {
            modulated_conv2d(&v[0], &v[1], &v[2], plain(upsample))
        });
    }
    check(&[x, normal(3, &[3, 3, 1, 1]), styles], |v| modulated_pixels(&v[0], &v[1], &v[2]));
}

#[test]
fn scaled_channels_have_the_gradients_of_finite_differences() {
    check(&[normal(1, &[2, 3, 4, 5]), normal(2, &[2, 3])], |v| scale_channels(&v[0], &v[1]));
    check(&[normal(1, &[2, 3, 4, 5]), normal(2, &[2, 3, 4, 5])], |v| {
        channel_products(&v[0], &v[1])
    });
}

#[test]
fn noise_is_the_same_for_all_channels_and_scaled_by_its_strength() {
    let x = tensor(&[0.0, 10.0, 20.0, 30.0], &[1, 2, 1, 2]);
    let y = add_noise(&x, &tensor(&[1.0, 2.0], &[1, 1, 1, 2]), &tensor(&[3.0], &[1])).unwrap();
    assert_eq!(values(&y), [3.0, 16.0, 23.0, 36.0]);
}

#[test]
fn noise_has_the_gradients_of_finite_differences() {
    let noise = normal(3, &[2, 1, 4, 5]);
    check(&[normal(1, &[2, 3, 4, 5]), normal(2, &[1])], |v| add_noise(&v[0], &noise, &v[1])?.sqr());
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let x = normal(1, &[2, 3, 4, 4]);
    let error = scale_channels(&x, &normal(1, &[2, 4])).unwrap_err().to_string();
    let expected = "factors of shape [2, 4] do not fit an input of shape [2, 3, 4, 4]";
    assert!(error.contains(expected), "{error}");
    let error = add_noise(&x, &normal(1, &[1, 1, 4, 4]), &normal(1, &[1])).unwrap_err().to_string();
    let expected = "noise of shape [1, 1, 4, 4] of a strength of shape [1] does not fit maps of shape [2, 3, 4, 4]";
    assert!(error.contains(expected), "{error}");
}
