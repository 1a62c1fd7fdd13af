use super::super::finite_difference::{check, normal};
use super::*;
use candle_core::{DType, Device, Var};

/// Shape and factor.
const CASES: [([usize; 4], usize); 4] =
    [([2, 3, 6, 4], 2), ([1, 2, 3, 9], 3), ([2, 1, 4, 4], 4), ([1, 2, 3, 5], 1)];

#[test]
fn upsampling_repeats_every_pixel_and_pooling_takes_the_mean_of_every_square() {
    let x = Tensor::new(&[1.0f64, 2.0, 3.0, 5.0], &Device::Cpu).unwrap();
    let x = x.reshape((1, 1, 1, 4)).unwrap();
    let y = upsample_nearest(&x, 2).unwrap();
    assert_eq!(y.dims(), [1, 1, 2, 8]);
    let row = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0];
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), [row, row].concat());
    // Squares of the rows (1, 2, 3, 5) and (1, 2, 3, 5): 2·(1 + 2)/4 and 2·(3 + 5)/4.
    let twice = Tensor::cat(&[&x, &x], 2).unwrap();
    let y = avg_pool(&twice, 2).unwrap();
    assert_eq!(y.dims(), [1, 1, 1, 2]);
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), [1.5, 4.0]);
}

#[test]
fn pooling_undoes_upsampling() {
    for factor in [1, 2, 3, 4] {
        // Sums of more than two equal values are rounded.
        let x = normal(1, &[2, 3, 3, 5]);
        let y = avg_pool(&upsample_nearest(&x, factor).unwrap(), factor).unwrap();
        let error = (y - x).unwrap().abs().unwrap().max_all().unwrap();
        assert!(error.to_scalar::<f64>().unwrap() < 1e-14);
    }
}

#[test]
fn both_equal_their_composed_twins_and_have_the_gradients_of_finite_differences() {
    let close = |a: Tensor, b: Tensor| {
        assert_eq!(a.dims(), b.dims());
        let error = (a - b).unwrap().abs().unwrap().max_all().unwrap();
        assert!(error.to_scalar::<f64>().unwrap() < 1e-14);
    };
    for (shape, factor) in CASES {
        let x = normal(1, &shape);
        let large = Sizes::grown(x.dims4().unwrap(), factor).unwrap();
        close(upsample_nearest(&x, factor).unwrap(), composed_upsample(&x, &large).unwrap());
        check(&[x], |v| upsample_nearest(&v[0], factor));
        let x = normal(1, large.large().dims());
        close(avg_pool(&x, factor).unwrap(), composed_pool(&x, &large).unwrap());
        check(std::slice::from_ref(&x), |v| avg_pool(&v[0], factor));
        check(std::slice::from_ref(&x), |v| composed_pool(&v[0], &large));
        check(&[normal(1, &shape)], |v| composed_upsample(&v[0], &large));
    }
}

#[test]
fn max_pooling_takes_the_first_of_the_largest_and_has_the_gradient_of_finite_differences() {
    let x = Tensor::new(&[1.0f64, 7.0, 3.0, 5.0, 7.0, 2.0, 5.0, 5.0], &Device::Cpu).unwrap();
    let x = Var::from_tensor(&x.reshape((1, 1, 2, 4)).unwrap()).unwrap();
    let y = max_pool(&x, 2).unwrap();
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), [7.0, 5.0]);
    let dx = y.sum_all().unwrap().backward().unwrap().get(&x).unwrap().flatten_all().unwrap();
    assert_eq!(dx.to_vec1::<f64>().unwrap(), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    for (shape, factor) in CASES {
        let large = Sizes::grown((shape[0], shape[1], shape[2], shape[3]), factor).unwrap().large();
        check(&[normal(1, large.dims())], |v| max_pool(&v[0], factor));
    }
    let error = max_pool(&normal(1, &[1, 1, 5, 4]), 2).unwrap_err().to_string();
    assert!(error.contains("an image of 5x4 cannot be pooled by 2"), "{error}");
}

#[test]
fn an_input_that_feeds_two_branches_gets_both_gradients() {
    // y = Σ up(x) + Σ 3x: every pixel is counted four times and three times.
    let x = Var::from_tensor(&normal(1, &[1, 2, 3, 3])).unwrap();
    let y = upsample_nearest(&x, 2).unwrap().sum_all().unwrap();
    let y = (y + (x.as_tensor() * 3.0).unwrap().sum_all().unwrap()).unwrap();
    let dx = y.backward().unwrap().get(&x).unwrap().flatten_all().unwrap();
    assert_eq!(dx.to_vec1::<f64>().unwrap(), [7.0; 18]);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    // More than one piece, the last one smaller.
    let x = normal(1, &[7, 5, 30, 30]).to_dtype(DType::F32).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            [upsample_nearest(&x, 2), avg_pool(&x, 2), avg_pool(&x, 3)]
                .map(|y| y.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap())
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(4));
}

#[test]
fn sizes_that_the_factor_does_not_divide_are_refused() {
    let error = avg_pool(&normal(1, &[1, 1, 5, 4]), 2).unwrap_err().to_string();
    assert!(error.contains("an image of 5x4 cannot be pooled by 2"), "{error}");
    let error = avg_pool(&normal(1, &[1, 1, 4, 5]), 2).unwrap_err().to_string();
    assert!(error.contains("an image of 4x5 cannot be pooled by 2"), "{error}");
}

#[test]
fn a_factor_of_0_is_refused() {
    for resample in [avg_pool, upsample_nearest] {
        let error = resample(&normal(1, &[1, 1, 4, 4]), 0).unwrap_err().to_string();
        assert!(error.contains("cannot be resampled by a factor of 0"), "{error}");
    }
}

#[test]
fn an_empty_batch_stays_empty() {
    let x = Tensor::zeros((0, 3, 4, 4), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(upsample_nearest(&x, 2).unwrap().dims(), [0, 3, 8, 8]);
    assert_eq!(avg_pool(&x, 2).unwrap().dims(), [0, 3, 2, 2]);
}
