use candle_core::Device;

use super::super::finite_difference::{check, normal};
use super::*;

/// Taps without symmetry, so that a filter turned the wrong way is seen.
fn filters() -> Vec<UpFirDn> {
    let of = |up, down, padding| UpFirDn { taps: vec![0.5, -1.0, 2.0, 0.25], up, padding, down };
    vec![
        UpFirDn::upsample(),
        UpFirDn::downsample(),
        UpFirDn::after_upsampling(),
        UpFirDn::before_downsampling(),
        of(1, 1, [0, 0]),
        of(2, 1, [4, 0]),
        of(1, 2, [0, 3]),
        of(3, 2, [1, 2]),
        of(2, 2, [0, 1]),
    ]
}

/// What the filter does in one direction.
fn line(x: &[f64], f: &UpFirDn) -> Vec<f64> {
    let (taps, out) = (f.taps.clone(), f.output(x.len()).unwrap());
    let (up, down, first) = (f.up, f.down, f.padding[0] as isize);
    let runs = Resample { taps, up, down, first, out: [1, out] }.runs(x.len(), out);
    let mut y = vec![0.0; out];
    filter_lines(x, x.len(), &runs, out, &mut y);
    y
}

#[test]
fn lines_are_those_worked_out_on_paper() {
    // Up by 2: 1 0 2 0 with two zeros before and one after; taps (1, 3, 3, 1)/4, symmetric.
    // 0 0 1 0 → 3/4; 0 1 0 2 → (3 + 2)/4; 1 0 2 0 → (1 + 6)/4; 0 2 0 0 → 6/4.
    assert_eq!(line(&[1.0, 2.0], &UpFirDn::upsample()), [0.75, 1.25, 1.75, 1.5]);
    // Down by 2: 0 1 2 3 4 0, windows 0 1 2 3 and 2 3 4 0: (3 + 6 + 3)/8 and (2 + 9 + 12)/8.
    assert_eq!(line(&[1.0, 2.0, 3.0, 4.0], &UpFirDn::downsample()), [1.5, 2.875]);
    // A true convolution: an impulse gives the taps in their order.
    let f = UpFirDn { taps: vec![1.0, 2.0, 3.0], up: 1, padding: [2, 2], down: 1 };
    assert_eq!(line(&[0.0, 1.0], &f), [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn the_op_equals_the_composed_one() {
    for f in filters() {
        let x = normal(1, &[2, 3, 6, 5]);
        let out = [f.output(6).unwrap(), f.output(5).unwrap()];
        let (y, expected) = (upfirdn2d(&x, &f).unwrap(), composed(&x, &f, out).unwrap());
        assert_eq!(y.dims(), expected.dims());
        let error = (y - expected).unwrap().abs().unwrap().max_all().unwrap();
        // 16 products of about 1, in another order.
        assert!(error.to_scalar::<f64>().unwrap() < 1e-14, "{f:?}");
    }
}

#[test]
fn resampling_has_the_gradients_of_finite_differences() {
    for f in filters() {
        check(&[normal(1, &[2, 2, 6, 5])], |v| upfirdn2d(&v[0], &f)?.sqr());
    }
}

#[test]
fn a_constant_image_keeps_its_value_away_from_the_border() {
    let x = Tensor::ones((1, 1, 8, 8), candle_core::DType::F64, &Device::Cpu).unwrap();
    for (f, size) in [(UpFirDn::upsample(), 16), (UpFirDn::downsample(), 4)] {
        let y = upfirdn2d(&x, &f).unwrap();
        assert_eq!(y.dims(), [1, 1, size, size]);
        let inner = y.narrow(2, 1, size - 2).unwrap().narrow(3, 1, size - 2).unwrap();
        let values = inner.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(values.iter().all(|&v| v == 1.0), "{values:?}");
    }
}

#[test]
fn a_filter_that_is_longer_than_the_image_is_refused() {
    let f = UpFirDn { padding: [0, 0], ..UpFirDn::downsample() };
    let error = upfirdn2d(&normal(1, &[1, 1, 3, 9]), &f).unwrap_err().to_string();
    let expected = "a filter of 4 taps, up 1 and down 2 does not fit 3 pixels padded to 3";
    assert!(error.contains(expected), "{error}");
}
