use super::super::conv::{Algorithm, Convolution, Finish, Geometry, conv_transpose2d, conv2d};
use super::super::finite_difference::normal;
use super::super::simd::{Isa, with_isa};
use super::*;
use candle_core::{DType, Result, Tensor, Var};

/// 1×1 images, one channel, three channels, odd sizes, batch 1, sizes that no tile divides, more
/// channels than a panel has columns.
const SHAPES: [([usize; 4], [usize; 4], usize, usize); 16] = [
    ([2, 16, 8, 8], [16, 16, 3, 3], 1, 1),
    ([3, 3, 7, 5], [5, 3, 3, 3], 1, 1),
    ([1, 1, 1, 1], [1, 1, 3, 3], 1, 1),
    ([2, 17, 9, 4], [33, 17, 3, 3], 1, 1),
    ([2, 16, 6, 6], [16, 16, 3, 3], 1, 0),
    ([2, 16, 6, 7], [16, 16, 3, 3], 1, 2),
    ([5, 48, 2, 2], [70, 48, 3, 3], 1, 1),
    ([3, 16, 8, 8], [32, 16, 4, 4], 2, 1),
    ([1, 3, 9, 7], [20, 3, 4, 4], 2, 1),
    ([2, 18, 4, 5], [7, 18, 4, 4], 2, 0),
    ([2, 20, 11, 2], [40, 20, 4, 4], 2, 3),
    ([40, 32, 4, 4], [64, 32, 4, 4], 2, 1),
    // Filters so large that they are made panel by panel.
    ([3, 250, 5, 5], [280, 250, 3, 3], 1, 1),
    ([2, 150, 4, 6], [180, 150, 4, 4], 2, 1),
    // As many channels as SNDCGAN has.
    ([4, 512, 4, 4], [512, 512, 3, 3], 1, 1),
    ([4, 256, 8, 8], [512, 256, 4, 4], 2, 1),
];

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Value and both gradients of Σ f(x, w) ⊙ g.
fn all(x: &Tensor, w: &Tensor, f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Vec<Vec<f64>> {
    let (x, w) = (Var::from_tensor(x).unwrap(), Var::from_tensor(w).unwrap());
    let y = f(x.as_tensor(), w.as_tensor()).unwrap();
    let g = normal(3, y.dims()).to_dtype(y.dtype()).unwrap();
    let grads = (&y * g).unwrap().sum_all().unwrap().backward().unwrap();
    vec![values(&y), values(grads.get(&x).unwrap()), values(grads.get(&w).unwrap())]
}

/// Largest difference over the exact values' root mean square.
fn error(fast: &[f64], exact: &[f64]) -> f64 {
    assert_eq!(fast.len(), exact.len());
    let rms = (exact.iter().map(|v| v * v).sum::<f64>() / exact.len() as f64).sqrt();
    fast.iter().zip(exact).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / rms.max(1e-30)
}

#[test]
fn values_and_gradients_stay_within_4e_minus_5_of_f64_on_every_instruction_set() {
    // One thread: the forced instruction set is that thread's.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for (isa, shape) in Isa::available().into_iter().flat_map(|i| SHAPES.map(|s| (i, s))) {
        let (xs, ws, stride, padding) = shape;
        let geometry = Geometry::square(stride, padding);
        let conv = Convolution { geometry, algorithm: Algorithm::Winograd };
        let (x, w) = (normal(1, &xs), normal(2, &ws));
        let exact = all(&x, &w, |x, w| conv2d(x, w, conv));
        let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
        let (x, w) = (single(&x), single(&w));
        let fast = pool.install(|| with_isa(isa, || all(&x, &w, |x, w| conv2d(x, w, conv))));
        for (what, (a, b)) in ["y", "dx", "dw"].iter().zip(fast.iter().zip(&exact)) {
            let e = error(a, b);
            assert!(e < 4e-5, "{what} of {xs:?} {ws:?} on {}: {e}", isa.name());
        }
    }
}

#[test]
fn f23_is_as_exact_as_direct() {
    let p = Problem {
        n: 2,
        cin: 64,
        cout: 32,
        size_in: [9, 8],
        size_out: [9, 8],
        kernel: [3, 3],
        geometry: Geometry::square(1, 1),
    };
    let t = Tiling::with(&p, Variant::F23);
    let (x, w) = (normal(1, &[2, 64, 9, 8]), normal(2, &[32, 64, 3, 3]));
    let single = |t: &Tensor| -> Vec<f32> {
        t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let conv = Convolution { geometry: p.geometry, algorithm: Algorithm::Direct };
    let exact = all(&x, &w, |x, w| conv2d(x, w, conv));
    let g = normal(3, &[2, 32, 9, 8]);
    let fast = [
        forward(&single(&x), &single(&w), &t, Finish::NOTHING),
        input_grad(&single(&g), &single(&w), &t, Finish::NOTHING),
        weight_grad(&single(&x), &single(&g), &t),
    ];
    for (a, b) in fast.iter().zip(&exact) {
        let a: Vec<f64> = a.iter().map(|&v| f64::from(v)).collect();
        assert!(error(&a, b) < 5e-6, "{}", error(&a, b));
    }
}

#[test]
fn a_transposed_convolution_takes_the_same_path() {
    let conv = Convolution { geometry: Geometry::square(2, 1), algorithm: Algorithm::Winograd };
    let (x, w) = (normal(1, &[3, 32, 4, 4]), normal(2, &[32, 16, 4, 4]));
    let exact = all(&x, &w, |x, w| conv_transpose2d(x, w, conv));
    let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    let fast = all(&single(&x), &single(&w), |x, w| conv_transpose2d(x, w, conv));
    for (a, b) in fast.iter().zip(&exact) {
        assert!(error(a, b) < 4e-5, "{}", error(a, b));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    let (x, w) = (single(&normal(1, &[37, 20, 8, 8])), single(&normal(2, &[40, 20, 4, 4])));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let conv = Convolution { geometry: Geometry::square(2, 1), algorithm: Algorithm::Winograd };
        pool.install(|| all(&x, &w, |x, w| conv2d(x, w, conv)))
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4));
}

#[test]
fn the_fewest_multiplications_win() {
    let problem = |size: usize| Problem {
        n: 1,
        cin: 16,
        cout: 16,
        size_in: [size; 2],
        size_out: [size; 2],
        kernel: [3, 3],
        geometry: Geometry::square(1, 1),
    };
    // 4×4: 36 points against 4 tiles of 16; 2×2: 36 against 16.
    assert_eq!(Tiling::for_problem(&problem(4)).unwrap().variant, Variant::F43);
    assert_eq!(Tiling::for_problem(&problem(2)).unwrap().variant, Variant::F23);
}
