use candle_core::Device;
use ganbench_nn::kernels::finite_difference::{check, normal};

use super::*;
use crate::losses::softplus;

fn logits(real: &[f64], fake: &[f64]) -> Logits {
    let tensor = |x: &[f64]| Tensor::new(x, &Device::Cpu).unwrap();
    Logits { real: tensor(real), fake: tensor(fake) }
}

fn value(t: Result<Tensor>) -> f64 {
    t.unwrap().to_scalar().unwrap()
}

#[test]
fn the_losses_of_a_case_solved_on_paper() {
    let hinge = Hinge::default();
    // Hinge: mean([1−2]₊, [1−0]₊) + mean([1+(−3)]₊, [1+1]₊) = 0.5 + 1.
    let l = logits(&[2.0, 0.0], &[-3.0, 1.0]);
    assert_eq!(value(hinge.discriminator(&l)), 1.5);
    assert_eq!(value(hinge.generator(&l.fake)), 1.0);
    // Non-saturating at zero logits: 2 log 2 and log 2.
    let (l, loss) = (logits(&[0.0], &[0.0]), NonSaturating::default());
    let log2 = std::f64::consts::LN_2;
    assert!((value(loss.discriminator(&l)) - 2.0 * log2).abs() < 1e-15);
    assert!((value(loss.generator(&l.fake)) - log2).abs() < 1e-15);
    // Least squares: ½mean(1, 1) + ½mean(9, 1) = 3, and ½mean(16, 0) = 4.
    let (l, loss) = (logits(&[2.0, 0.0], &[-3.0, 1.0]), LeastSquares::default());
    assert_eq!(value(loss.discriminator(&l)), 3.0);
    assert_eq!(value(loss.generator(&l.fake)), 4.0);
    // Wasserstein: −1 − 1, and 1.
    assert_eq!(value(Wasserstein::default().discriminator(&l)), -2.0);
    assert_eq!(value(Wasserstein::default().generator(&l.fake)), 1.0);
}

/// The gradients of D's loss at one real and of G's at one fake vanish at `best`.
fn is_best(loss: &impl LogitLoss, best: f64) {
    let real = candle_core::Var::new(&[best], &Device::Cpu).unwrap();
    let fake = Tensor::new(&[0.3f64], &Device::Cpu).unwrap();
    let l = Logits { real: real.as_tensor().clone(), fake };
    let grads = loss.discriminator(&l).unwrap().backward().unwrap();
    assert!(grads.get(&real).unwrap().to_vec1::<f64>().unwrap()[0].abs() < 1e-15);
    let fake = candle_core::Var::new(&[best], &Device::Cpu).unwrap();
    let grads = loss.generator(&fake).unwrap().backward().unwrap();
    assert!(grads.get(&fake).unwrap().to_vec1::<f64>().unwrap()[0].abs() < 1e-15);
}

#[test]
fn with_smoothing_s_the_best_output_on_reals_is_the_target_1_minus_s() {
    // Non-saturating: σ(d) = 0.9 at d = log 9; least squares: d = 0.9.
    let (label_smoothing, g_label_smoothing) = (0.1, 0.1);
    let loss = NonSaturating { label_smoothing, g_label_smoothing, ..NonSaturating::default() };
    is_best(&loss, 9f64.ln());
    is_best(&LeastSquares { label_smoothing, g_label_smoothing, ..LeastSquares::default() }, 0.9);
    // A loss without targets has no such field.
    let smoothed = "head = \"linear\"\nlabel_smoothing = 0.1";
    let error = toml::from_str::<Hinge>(smoothed).unwrap_err().to_string();
    assert!(error.contains("unknown field `label_smoothing`"), "{error}");
    let error = toml::from_str::<Wasserstein>(smoothed).unwrap_err().to_string();
    assert!(error.contains("unknown field `label_smoothing`"), "{error}");
}

#[test]
fn softplus_is_finite_where_the_exponential_is_not() {
    let x = Tensor::new(&[-1000.0f32, 1000.0], &Device::Cpu).unwrap();
    assert_eq!(softplus(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 1000.0]);
}

fn check_gradients(loss: &impl LogitLoss) {
    check(&[normal(1, &[6]), normal(2, &[5])], |v| {
        loss.discriminator(&Logits { real: v[0].clone(), fake: v[1].clone() })
    });
    check(&[normal(1, &[6])], |v| loss.generator(&v[0]));
}

#[test]
fn the_gradients_are_those_of_finite_differences() {
    check_gradients(&Hinge::default());
    check_gradients(&NonSaturating::default());
    check_gradients(&LeastSquares::default());
    check_gradients(&Wasserstein::default());
    let g_label_smoothing = 0.625;
    check_gradients(&NonSaturating { g_label_smoothing, ..NonSaturating::default() });
    check_gradients(&LeastSquares { g_label_smoothing, ..LeastSquares::default() });
}

#[test]
fn softplus_has_gradient_one_half_at_0() {
    let x = candle_core::Var::new(&[0.0f64], &Device::Cpu).unwrap();
    let grads = softplus(x.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(grads.get(&x).unwrap().to_vec1::<f64>().unwrap(), [0.5]);
}
