use candle_core::{DType, Device, Tensor};

use super::super::super::finite_difference::{check, normal};
use super::*;

/// Odd sizes, both strides, uneven padding, a kernel larger than the image, a pointwise one.
const SHAPES: [([usize; 4], [usize; 5], Geometry); 6] = [
    ([2, 3, 7, 5], [2, 4, 3, 3, 3], Geometry { stride: [1, 1], padding: [1, 1] }),
    ([3, 2, 8, 8], [3, 5, 2, 4, 4], Geometry { stride: [2, 2], padding: [1, 1] }),
    ([2, 9, 6, 6], [2, 3, 9, 1, 7], Geometry { stride: [1, 1], padding: [0, 3] }),
    ([2, 2, 2, 3], [2, 2, 2, 5, 5], Geometry { stride: [2, 1], padding: [2, 3] }),
    ([5, 6, 4, 4], [5, 7, 6, 1, 1], Geometry { stride: [1, 1], padding: [0, 0] }),
    ([1, 2, 9, 9], [1, 2, 2, 3, 3], Geometry { stride: [2, 2], padding: [0, 0] }),
];

fn assert_close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims());
    let error = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
    // Sums of at most 63 products of about 1, in another order.
    assert!(error < 1e-13, "{error}");
}

#[test]
fn a_pointwise_filter_of_one_channel_scales_each_image_by_its_own_value() {
    let t = |v: &[f64], shape: &[usize]| Tensor::from_vec(v.to_vec(), shape, &Device::Cpu).unwrap();
    let (x, w) = (t(&[1.0, 2.0, 1.0, 2.0], &[2, 1, 1, 2]), t(&[3.0, -1.0], &[2, 1, 1, 1, 1]));
    let y = conv2d_per_sample(&x, &w, Geometry::square(1, 0)).unwrap();
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), [3.0, 6.0, -1.0, -2.0]);
}

#[test]
fn per_sample_convolution_equals_a_loop_of_plain_ones() {
    for (xs, ws, g) in SHAPES {
        let (x, w) = (normal(1, &xs), normal(2, &ws));
        let y = conv2d_per_sample(&x, &w, g).unwrap();
        assert_close(&y, &image_by_image(&x, &w, |x, w| conv2d(x, w, g)).unwrap());
        // Transposed back: the same filters read the other way round.
        let x = conv_transpose2d_per_sample(&y, &w, g).unwrap();
        assert_close(&x, &image_by_image(&y, &w, |y, w| conv_transpose2d(y, w, g)).unwrap());
    }
}

#[test]
fn equal_filters_give_the_plain_convolution() {
    let g = Geometry::square(2, 1);
    let (x, w) = (normal(1, &[3, 4, 6, 6]), normal(2, &[1, 5, 4, 4, 4]));
    let y = conv2d_per_sample(&x, &w.broadcast_as((3, 5, 4, 4, 4)).unwrap(), g).unwrap();
    assert_close(&y, &conv2d(&x, &w.squeeze(0).unwrap(), g).unwrap());
}

#[test]
fn per_sample_convolution_has_the_gradients_of_finite_differences() {
    for (xs, ws, g) in SHAPES {
        check(&[normal(1, &xs), normal(2, &ws)], |v| conv2d_per_sample(&v[0], &v[1], g));
    }
}

#[test]
fn transposed_per_sample_convolution_has_the_gradients_of_finite_differences() {
    for (xs, ws, stride, padding) in [
        ([2, 3, 4, 4], [2, 3, 2, 4, 4], 2, 1),
        ([2, 3, 5, 3], [2, 3, 4, 3, 3], 1, 1),
        ([3, 2, 2, 2], [3, 2, 3, 1, 1], 1, 0),
    ] {
        let g = Geometry::square(stride, padding);
        check(&[normal(1, &xs), normal(2, &ws)], |v| conv_transpose2d_per_sample(&v[0], &v[1], g));
    }
}

#[test]
fn the_filter_gradient_has_the_gradients_of_finite_differences() {
    check(&[normal(1, &[2, 3, 6, 6]), normal(2, &[2, 4, 3, 3])], |v| {
        weight_grad(&v[0], &v[1], Geometry::square(2, 1), [4, 4])
    });
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let single = |t: Tensor| t.to_dtype(DType::F32).unwrap();
    let (x, w) = (single(normal(1, &[9, 16, 8, 8])), single(normal(2, &[9, 12, 16, 4, 4])));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let g = Geometry::square(2, 1);
            let y = conv2d_per_sample(&x, &w, g).unwrap();
            let dx = conv_transpose2d_per_sample(&y, &w, g).unwrap();
            let dw = weight_grad(&x, &y, g, [4, 4]).unwrap();
            [y, dx, dw].map(|t| t.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(4));
}

#[test]
fn an_empty_batch_stays_empty() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (x, w) = (zeros(&[0, 3, 4, 4]), zeros(&[0, 3, 3, 3, 3]));
    for y in [
        conv2d_per_sample(&x, &w, Geometry::square(1, 1)),
        conv_transpose2d_per_sample(&x, &w, Geometry::square(1, 1)),
    ] {
        assert_eq!(y.unwrap().dims(), [0, 3, 4, 4]);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let g = Geometry::square(1, 0);
    let refused = |y: Result<Tensor>, message: &str| {
        let error = y.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    let (x, w) = (normal(1, &[2, 3, 4, 4]), |shape: [usize; 5]| normal(2, &shape));
    let filters = "a per-sample convolution of 2 images got 3 filters, expected one each";
    refused(conv2d_per_sample(&x, &w([3, 5, 3, 1, 1]), g), filters);
    refused(conv_transpose2d_per_sample(&x, &w([3, 3, 5, 1, 1]), g), filters);
    let channels = "a convolution weight for 4 channels got an input of 3";
    refused(conv2d_per_sample(&x, &w([2, 5, 4, 1, 1]), g), channels);
    let channels = "a per-sample transposed convolution weight for 4 channels got 3x4x4";
    refused(conv_transpose2d_per_sample(&x, &w([2, 4, 5, 1, 1]), g), channels);
    let kernel = "kernel of 5 does not fit an input of 4";
    refused(conv2d_per_sample(&x, &w([2, 5, 3, 5, 5]), g), kernel);
    refused(conv2d_per_sample(&x, &normal(2, &[5, 3, 1, 1]), g), "rank");
    let gradient = "the gradient of a per-sample convolution has the shape 2x5x3x3";
    refused(weight_grad(&x, &normal(2, &[2, 5, 3, 3]), g, [3, 3]), gradient);
}
