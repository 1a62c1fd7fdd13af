use candle_core::{DType, Device, Tensor};

use super::super::activation::{Activation, bias_activate};
use super::super::finite_difference::{check, normal};
use super::*;

/// Odd sizes, one channel, three channels, uneven padding, kernels larger than the image.
const SHAPES: [([usize; 4], [usize; 4], Geometry); 10] = [
    ([2, 3, 7, 5], [4, 3, 3, 3], Geometry { stride: [1, 1], padding: [1, 1] }),
    ([3, 2, 8, 8], [5, 2, 4, 4], Geometry { stride: [2, 2], padding: [1, 1] }),
    ([2, 9, 6, 6], [3, 9, 1, 7], Geometry { stride: [1, 1], padding: [0, 3] }),
    ([1, 1, 1, 1], [2, 1, 3, 3], Geometry { stride: [1, 1], padding: [1, 1] }),
    ([2, 2, 2, 3], [2, 2, 5, 5], Geometry { stride: [2, 1], padding: [2, 3] }),
    ([5, 6, 4, 4], [7, 6, 1, 1], Geometry { stride: [1, 1], padding: [0, 0] }),
    ([2, 3, 9, 9], [2, 3, 3, 3], Geometry { stride: [2, 2], padding: [0, 0] }),
    // To few channels: computed from the output's side, unless the padding is wider than the
    // kernel.
    ([2, 8, 5, 7], [2, 8, 3, 3], Geometry { stride: [1, 1], padding: [1, 1] }),
    ([3, 5, 6, 4], [1, 5, 3, 2], Geometry { stride: [1, 1], padding: [0, 1] }),
    ([1, 4, 3, 3], [1, 4, 2, 2], Geometry { stride: [1, 1], padding: [2, 1] }),
];

/// The definition, four loops deep.
fn slow_conv(x: &Tensor, w: &Tensor, g: Geometry) -> Vec<f64> {
    let ([n, cin, h, width], [cout, _, kh, kw]) = (shape(x).unwrap(), shape(w).unwrap());
    let (xs, ws) = (
        x.flatten_all().unwrap().to_vec1::<f64>().unwrap(),
        w.flatten_all().unwrap().to_vec1::<f64>().unwrap(),
    );
    let (oh, ow) = (g.output(0, h, kh).unwrap(), g.output(1, width, kw).unwrap());
    let mut y = Vec::new();
    for i in 0..n * cout * oh * ow {
        let (ox, oy, co, b) = (i % ow, i / ow % oh, i / (ow * oh) % cout, i / (ow * oh * cout));
        let mut sum = 0.0;
        for j in 0..cin * kh * kw {
            let (kx, ky, ci) = (j % kw, j / kw % kh, j / (kw * kh));
            let (iy, ix) = (oy * g.stride[0] + ky, ox * g.stride[1] + kx);
            if iy >= g.padding[0]
                && ix >= g.padding[1]
                && iy - g.padding[0] < h
                && ix - g.padding[1] < width
            {
                let at = ((b * cin + ci) * h + iy - g.padding[0]) * width + ix - g.padding[1];
                sum += xs[at] * ws[co * cin * kh * kw + j];
            }
        }
        y.push(sum);
    }
    y
}

#[test]
fn convolution_is_its_definition() {
    for (xs, ws, g) in SHAPES {
        let (x, w) = (normal(1, &xs), normal(2, &ws));
        let y = conv2d(&x, &w, g).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (a, b) in y.iter().zip(slow_conv(&x, &w, g)) {
            assert!((a - b).abs() < 1e-11, "{xs:?} {ws:?}: {a} against {b}");
        }
    }
}

#[test]
fn convolution_has_the_gradients_of_finite_differences() {
    for (xs, ws, g) in SHAPES {
        check(&[normal(1, &xs), normal(2, &ws)], |v| conv2d(&v[0], &v[1], g));
    }
}

#[test]
fn transposed_convolution_has_the_gradients_of_finite_differences() {
    for (xs, ws, stride, padding) in
        [([2, 3, 4, 4], [3, 2, 4, 4], 2, 1), ([2, 3, 5, 3], [3, 4, 3, 3], 1, 1)]
    {
        let g = Geometry::square(stride, padding);
        check(&[normal(1, &xs), normal(2, &ws)], |v| conv_transpose2d(&v[0], &v[1], g));
    }
}

#[test]
fn the_weight_gradient_has_the_gradients_of_finite_differences() {
    let g = Geometry::square(2, 1);
    check(&[normal(1, &[2, 3, 6, 6]), normal(2, &[2, 4, 3, 3])], |v| {
        conv_weight_grad(&v[0], &v[1], g.into(), [4, 4])
    });
}

#[test]
fn a_convolution_to_few_channels_is_computed_from_its_outputs_side() {
    let mirrored: Vec<bool> =
        SHAPES.iter().map(|&(x, w, g)| Dims::new(x, w, g).unwrap().mirrored().is_some()).collect();
    assert_eq!(mirrored[7..], [true, true, false]);
    assert!(!mirrored[..7].contains(&true), "{mirrored:?}");
    // Mirrored sizes are those of a convolution.
    let (x, w, g) = SHAPES[8];
    let d = Dims::new(x, w, g).unwrap();
    let m = d.mirrored().unwrap();
    let again = Dims::new(d.shape_out(), [5, 1, 3, 2], m.plane.geometry).unwrap();
    assert_eq!(m.shape_out(), d.shape_in());
    assert_eq!(m.plane, again.plane);
}

#[test]
fn the_weight_gradient_of_a_batch_is_the_sum_of_its_images() {
    // Groups of images, channel blocks of one group, both; one image a chunk and several.
    for (xs, cout, kernel) in [
        ([19, 3, 17, 16], 2, 3),
        ([5, 70, 16, 17], 9, 5),
        ([3, 300, 4, 4], 800, 3),
        ([9, 5, 16, 16], 4, 1),
    ] {
        let g = Geometry::square(1, kernel / 2);
        let x = normal(1, &xs);
        let dy = normal(2, &[xs[0], cout, xs[2], xs[3]]);
        let grad = |x: &Tensor, dy: &Tensor| {
            conv_weight_grad(x, dy, Convolution::direct(g), [kernel; 2]).unwrap()
        };
        let one = |i: usize| grad(&x.narrow(0, i, 1).unwrap(), &dy.narrow(0, i, 1).unwrap());
        let sum = (1..xs[0]).fold(one(0), |sum, i| (sum + one(i)).unwrap());
        let error = (grad(&x, &dy) - sum).unwrap().abs().unwrap().max_all().unwrap();
        assert!(error.to_scalar::<f64>().unwrap() < 1e-10, "{xs:?}: {error}");
    }
}

#[test]
fn a_transposed_convolution_doubles_the_size_with_kernel_4_stride_2_padding_1() {
    let y = conv_transpose2d(
        &normal(1, &[2, 3, 4, 4]),
        &normal(2, &[3, 5, 4, 4]),
        Geometry::square(2, 1),
    );
    assert_eq!(y.unwrap().dims(), [2, 5, 8, 8]);
}

#[test]
fn direct_f32_stays_within_5e_minus_6_of_f64_relative_to_the_rms() {
    // As it lies, from the output's side, pointwise, groups of images beside channel blocks.
    for (xs, ws, stride, padding) in [
        ([4, 64, 16, 16], [32, 64, 4, 4], 2, 1),
        ([4, 64, 16, 16], [3, 64, 3, 3], 1, 1),
        ([4, 64, 16, 16], [32, 64, 1, 1], 1, 0),
        ([9, 70, 16, 17], [24, 70, 5, 5], 1, 2),
    ] {
        let g = Convolution::direct(Geometry::square(stride, padding));
        let all = |x: &Tensor, w: &Tensor, dy: Option<&Tensor>| {
            let y = conv2d(x, w, g).unwrap();
            let dy = dy.unwrap_or(&y);
            let dx = conv_input_grad(dy, w, g, [xs[2], xs[3]]).unwrap();
            let dw = conv_weight_grad(x, dy, g, [ws[2], ws[3]]).unwrap();
            [y, dx, dw]
        };
        let (x, w) = (normal(1, &xs), normal(2, &ws));
        let exact = all(&x, &w, None);
        let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
        let fast = all(&single(&x), &single(&w), Some(&single(&exact[0])));
        for (fast, exact) in fast.iter().zip(&exact) {
            let error = (fast.to_dtype(DType::F64).unwrap() - exact).unwrap().abs().unwrap();
            let worst = error.max_all().unwrap().to_scalar::<f64>().unwrap();
            let square = exact.sqr().unwrap().mean_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(worst / square.sqrt() < 5e-6, "{xs:?} {ws:?}: {}", worst / square.sqrt());
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (x, w) = (normal(1, &[32, 16, 8, 8]), normal(2, &[32, 16, 4, 4]));
    let (x, w) = (x.to_dtype(DType::F32).unwrap(), w.to_dtype(DType::F32).unwrap());
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let g = Geometry::square(2, 1);
            let y = conv2d(&x, &w, g).unwrap();
            let dx = conv_input_grad(&y, &w, g.into(), [8, 8]).unwrap();
            let dw = conv_weight_grad(&x, &y, g.into(), [4, 4]).unwrap();
            [y, dx, dw].map(|t| t.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(4));
}

#[test]
fn the_fused_op_equals_its_composed_twin_and_has_its_gradients() {
    let g = Geometry::square(2, 1);
    for act in [Activation::None, Activation::Relu, Activation::LeakyRelu(0.1), Activation::Tanh] {
        let close = |a: &Tensor, b: &Tensor| {
            let error = (a - b).unwrap().abs().unwrap().max_all().unwrap();
            assert!(error.to_scalar::<f64>().unwrap() < 1e-12, "{act:?}");
        };
        let v = [normal(1, &[3, 4, 6, 6]), normal(2, &[5, 4, 4, 4]), normal(3, &[5])];
        let fused = |v: &[Tensor]| conv2d_activate(&v[0], &v[1], &v[2], act, g);
        close(
            &fused(&v).unwrap(),
            &bias_activate(&conv2d(&v[0], &v[1], g).unwrap(), &v[2], act).unwrap(),
        );
        check(&v, fused);
        let v = [normal(1, &[3, 4, 3, 3]), normal(2, &[4, 5, 4, 4]), normal(3, &[5])];
        let fused = |v: &[Tensor]| conv_transpose2d_activate(&v[0], &v[1], &v[2], act, g);
        close(
            &fused(&v).unwrap(),
            &bias_activate(&conv_transpose2d(&v[0], &v[1], g).unwrap(), &v[2], act).unwrap(),
        );
        check(&v, fused);
    }
}

#[test]
fn a_fused_bias_is_added_on_every_path() {
    // Direct with one image a chunk and with several, mirrored, pointwise, and both ways of
    // Winograd.
    let single = |t: Tensor| t.to_dtype(DType::F32).unwrap();
    for (xs, ws, stride, padding) in [
        ([2, 3, 17, 17], [4, 3, 3, 3], 1, 1),
        ([5, 3, 4, 4], [4, 3, 3, 3], 1, 1),
        ([3, 9, 6, 8], [2, 9, 3, 3], 1, 1),
        ([3, 6, 20, 20], [7, 6, 1, 1], 1, 0),
        ([3, 20, 9, 8], [18, 20, 3, 3], 1, 1),
        ([2, 250, 5, 5], [280, 250, 3, 3], 1, 1),
    ] {
        let g = Geometry::square(stride, padding);
        let act = Activation::LeakyRelu(0.1);
        let twice = |t: &dyn Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>, bias: usize| {
            let (x, w, b) = (normal(1, &xs), normal(2, &ws), normal(3, &[bias]));
            let exact = t(&x, &w, &b).unwrap();
            let fast = t(&single(x), &single(w), &single(b)).unwrap().to_dtype(DType::F64).unwrap();
            let error = (fast - exact).unwrap().abs().unwrap().max_all().unwrap();
            assert!(error.to_scalar::<f64>().unwrap() < 2e-3, "{xs:?} {ws:?} {error}");
        };
        twice(&|x, w, b| conv2d_activate(x, w, b, act, g), ws[0]);
        let turned = |w: &Tensor| w.transpose(0, 1).unwrap().contiguous();
        twice(&|x, w, b| conv_transpose2d_activate(x, &turned(w)?, b, act, g), ws[0]);
    }
}

#[test]
fn an_empty_convolution_is_refused_and_an_empty_batch_is_not() {
    let zeros = |shape: (usize, usize, usize, usize)| {
        Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
    };
    let g = Geometry::square(1, 1);
    let error = conv2d(&zeros((2, 0, 4, 4)), &zeros((5, 0, 3, 3)), g).unwrap_err().to_string();
    assert!(error.contains("needs channels and pixels, got an input of 0x4x4"), "{error}");
    let y = conv2d(&zeros((0, 16, 4, 4)), &zeros((16, 16, 3, 3)), g).unwrap();
    assert_eq!(y.dims(), [0, 16, 4, 4]);
}

#[test]
fn a_kernel_that_does_not_fit_is_refused() {
    let x = Tensor::zeros((1, 1, 2, 2), DType::F32, &Device::Cpu).unwrap();
    let w = Tensor::zeros((1, 1, 5, 5), DType::F32, &Device::Cpu).unwrap();
    let error = conv2d(&x, &w, Geometry::square(1, 0)).unwrap_err().to_string();
    assert!(error.contains("kernel of 5 does not fit an input of 2"), "{error}");
}
