use super::super::finite_difference::{check, normal};
use super::*;
use candle_core::{DType, Device, Var};

const INF: f64 = f64::INFINITY;

fn rows(values: &[&[f64]]) -> Tensor {
    let shape = (values.len(), values[0].len());
    Tensor::from_vec(values.concat(), shape, &Device::Cpu).unwrap()
}

fn list(x: Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// NaN equals NaN, and an infinity itself.
fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        let same = a == b || (a.is_nan() && b.is_nan());
        assert!(same || (a - b).abs() <= tolerance, "{a} against {b}");
    }
}

/// Value and gradient of Σ f(x) weighted with `normal`.
fn with_gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> [Vec<f64>; 2] {
    let x = Var::from_tensor(x).unwrap();
    let y = f(&x).unwrap();
    let weights = normal(99, y.dims()).to_dtype(y.dtype()).unwrap();
    // Where a value is infinite this may be no number; only its gradient is looked at.
    let sum = y.broadcast_mul(&weights).unwrap().sum_all().unwrap();
    let dx = sum.backward().unwrap().get(&x).unwrap().clone();
    [list(y), list(dx)]
}

#[test]
fn softmax_of_logarithms_is_their_share() {
    // Sums 1 + 2 + 3 = 6 and 4 + 4 + 2 = 10; a common shift leaves the shares and adds to the
    // logarithm.
    let x = rows(&[&[1.0, 2.0, 3.0], &[4.0, 4.0, 2.0]]).log().unwrap();
    let shares = [1.0 / 6.0, 1.0 / 3.0, 0.5, 0.4, 0.4, 0.2];
    for shift in [0.0, 500.0, -2000.0] {
        let x = (&x + shift).unwrap();
        close(&list(softmax_rows(&x).unwrap()), &shares, 1e-12);
        let expected = [6f64.ln() + shift, 10f64.ln() + shift];
        close(&list(log_sum_exp_rows(&x).unwrap()), &expected, 1e-12);
    }
}

#[test]
fn both_equal_their_composed_twins_and_have_the_gradients_of_finite_differences() {
    for shape in [[1, 1], [3, 4], [5, 16], [2, 37]] {
        let x = (normal(1, &shape) * 5.0).unwrap();
        for (fused, twin) in [
            (with_gradient(&x, log_sum_exp_rows), with_gradient(&x, composed_log_sum_exp)),
            (with_gradient(&x, softmax_rows), with_gradient(&x, composed_softmax)),
        ] {
            (0..2).for_each(|i| close(&fused[i], &twin[i], 1e-13));
        }
    }
    check(&[normal(1, &[3, 4])], |v| log_sum_exp_rows(&v[0]));
    check(&[normal(1, &[3, 19])], |v| softmax_rows(&v[0]));
}

#[test]
fn entries_of_minus_infinity_add_nothing_and_a_row_of_them_has_no_gradient() {
    let x = rows(&[&[-INF, 1.0, -1e9], &[-INF, -INF, -INF], &[-1e9, -1e9, -INF]]);
    for f in [log_sum_exp_rows, composed_log_sum_exp] {
        let [y, dx] = with_gradient(&x, f);
        close(&y, &[1.0, -INF, -1e9 + 2f64.ln()], 0.0);
        let g = list(normal(99, &[3]));
        close(&dx, &[0.0, g[0], 0.0, 0.0, 0.0, 0.0, g[2] / 2.0, g[2] / 2.0, 0.0], 1e-15);
    }
    for f in [softmax_rows, composed_softmax] {
        let [y, dx] = with_gradient(&x, f);
        close(&y, &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0], 0.0);
        assert!(dx.iter().all(|v| v.is_finite()) && dx[3..6] == [0.0; 3], "{dx:?}");
    }
}

#[test]
fn nan_is_never_hidden_and_keeps_to_its_row() {
    let x = rows(&[&[f64::NAN, 1.0], &[f64::NAN, -INF], &[f64::NAN, f64::NAN], &[0.0, 0.0]]);
    for f in [log_sum_exp_rows, composed_log_sum_exp] {
        let [y, dx] = with_gradient(&x, f);
        close(&y, &[f64::NAN, f64::NAN, f64::NAN, 2f64.ln()], 1e-15);
        assert!(dx[..6].iter().all(|v| v.is_nan()) && dx[6..].iter().all(|v| v.is_finite()));
    }
    for f in [softmax_rows, composed_softmax] {
        let y = list(f(&x).unwrap());
        assert!(y[..6].iter().all(|v| v.is_nan()) && y[6..] == [0.5, 0.5], "{y:?}");
    }
    assert_eq!(list(log_sum_exp_rows(&rows(&[&[INF, 0.0]])).unwrap()), [INF]);
}

#[test]
fn rows_of_several_pieces_equal_their_composed_twin_and_any_number_of_threads_gives_the_same_bits()
{
    // The last piece is short, and the second is empty: of −∞ alone.
    let columns = 3 * PIECE + 5;
    let mut x = list((normal(1, &[2, columns]) * 20.0).unwrap());
    x[PIECE..2 * PIECE].fill(-INF);
    let x = Tensor::from_vec(x, (2, columns), &Device::Cpu).unwrap();
    for (fused, twin) in [
        (with_gradient(&x, log_sum_exp_rows), with_gradient(&x, composed_log_sum_exp)),
        (with_gradient(&x, softmax_rows), with_gradient(&x, composed_softmax)),
    ] {
        (0..2).for_each(|i| close(&fused[i], &twin[i], 1e-12));
    }
    let x = x.to_dtype(DType::F32).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (with_gradient(&x, log_sum_exp_rows), with_gradient(&x, softmax_rows)))
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4));
}

#[test]
fn large_logits_in_f32_lose_nothing_in_the_gradient() {
    // Shares of exactly a half at a log-sum-exp of 1000.69…, which f32 rounds by up to 3e-5.
    let x = rows(&[&[1000.0, 1000.0]]).to_dtype(DType::F32).unwrap();
    let x = Var::from_tensor(&x).unwrap();
    let grads = log_sum_exp_rows(&x).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(list(grads.get(&x).unwrap().clone()), [0.5, 0.5]);
}

#[test]
fn a_matrix_without_columns_or_of_another_rank_is_refused() {
    for f in [log_sum_exp_rows, softmax_rows] {
        let error = f(&normal(1, &[3, 0])).unwrap_err().to_string();
        assert!(error.contains("at least one column, got shape [3, 0]"), "{error}");
        assert!(f(&normal(1, &[3])).unwrap_err().to_string().contains("rank"));
    }
}
