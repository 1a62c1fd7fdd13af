//! Gradients of gradients through the layers, in a process of its own: candle reads its switch
//! once.

use candle_core::{Result, Tensor, Var};

use super::TwiceDifferentiable;
use super::activation::{Activation, activate};
use super::batch_norm::{GainBias, batch_norm};
use super::conv::{
    Algorithm, Geometry, conv_transpose2d_activate, conv_transpose2d_per_sample, conv2d,
    conv2d_activate, conv2d_per_sample,
};
use super::finite_difference::{check, normal};
use super::modulation::{Modulated, add_noise, modulated_conv2d, modulated_pixels};
use super::resample::{avg_pool, max_pool, upsample_nearest};
use super::softmax::{log_sum_exp_rows, softmax_rows};
use super::spectral::{SingularVectors, spectral_normalise};
use super::upfirdn::{UpFirDn, upfirdn2d};
use crate::layers::attention::{Maps, seen};
use crate::layers::minibatch_std::minibatch_std;

const CHILD: &str = "GANBENCH_TEST_SECOND_ORDER";

/// Runs the test of this name again with candle's switch set; true in that second process.
fn in_child(name: &str) -> bool {
    if std::env::var(CHILD).is_ok() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .envs([(CHILD, "1"), ("CANDLE_GRAD_DO_NOT_DETACH", "1")])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    false
}

/// Σ‖∂ Σf / ∂x‖² as a function of all inputs: a gradient penalty.
fn penalty(v: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<Tensor> {
    let mut inputs = v.to_vec();
    if !v[0].track_op() {
        inputs[0] = Var::from_tensor(&v[0])?.as_tensor().clone();
    }
    let _within = TwiceDifferentiable::enter()?;
    let grads = f(&inputs)?.sum_all()?.backward()?;
    match grads.get(&inputs[0]) {
        Some(dx) => dx.sqr()?.sum_all(),
        None => candle_core::bail!("the input got no gradient"),
    }
}

#[test]
fn the_gradient_penalty_has_the_gradients_of_finite_differences() {
    if !in_child(
        "kernels::second_order::the_gradient_penalty_has_the_gradients_of_finite_differences",
    ) {
        return;
    }
    let vectors = SingularVectors {
        u: vec![0.5, 0.5, 0.5, 0.5],
        v: (0..27).map(|i| f64::from(i).sin() / 3.0).collect(),
    };
    // R1 through spectral norm, convolution and leaky ReLU, squared so that it has curvature.
    let d = |v: &[Tensor]| {
        let w = spectral_normalise(&v[1], &vectors)?;
        let act = Activation::LeakyRelu(0.1);
        conv2d_activate(&v[0], &w, &v[2], act, Geometry::square(1, 1))?.sqr()
    };
    let v = [normal(1, &[2, 3, 5, 5]), normal(2, &[4, 3, 3, 3]), normal(3, &[4])];
    check(&v, |v| penalty(v, d));
    // Transposed convolution, tanh and batch norm on the way.
    let g = |v: &[Tensor]| {
        let y = conv_transpose2d_activate(
            &v[0],
            &v[1],
            &v[2],
            Activation::Tanh,
            Geometry::square(2, 1),
        )?;
        let affine = GainBias { gain: &v[3], bias: &v[4] };
        batch_norm(&y, affine, 1e-2, Activation::LeakyRelu(0.2), None)?.0.sqr()
    };
    let v = [
        normal(1, &[3, 2, 3, 3]),
        normal(2, &[2, 3, 4, 4]),
        normal(3, &[3]),
        normal(4, &[1, 3]),
        normal(5, &[1, 3]),
    ];
    check(&v, |v| penalty(v, g));
    check(&[normal(1, &[3, 4])], |v| penalty(v, |v| activate(&v[0], Activation::Tanh)?.sqr()));
}

#[test]
fn the_penalty_through_resampling_has_the_gradients_of_finite_differences() {
    if !in_child(
        "kernels::second_order::the_penalty_through_resampling_has_the_gradients_of_finite_differences",
    ) {
        return;
    }
    for factor in [2, 3] {
        // Cubed, so that the gradient of the gradient is not constant.
        let cubed = |y: Tensor| y.sqr()? * y;
        let x = normal(1, &[2, 2, factor, 2 * factor]);
        check(std::slice::from_ref(&x), |v| {
            penalty(v, |v| cubed(upsample_nearest(&v[0], factor)?))
        });
        check(std::slice::from_ref(&x), |v| penalty(v, |v| cubed(avg_pool(&v[0], factor)?)));
        check(&[x], |v| penalty(v, |v| cubed(max_pool(&v[0], factor)?)));
    }
}

#[test]
fn the_penalty_through_softmax_has_the_gradients_of_finite_differences() {
    if !in_child(
        "kernels::second_order::the_penalty_through_softmax_has_the_gradients_of_finite_differences",
    ) {
        return;
    }
    check(&[normal(1, &[3, 5])], |v| penalty(v, |v| log_sum_exp_rows(&v[0])));
    check(&[normal(1, &[3, 5])], |v| penalty(v, |v| softmax_rows(&v[0])?.sqr()));
}

#[test]
fn the_penalty_through_self_attention_has_the_gradients_of_finite_differences() {
    if !in_child(
        "kernels::second_order::the_penalty_through_self_attention_has_the_gradients_of_finite_differences",
    ) {
        return;
    }
    // Queries, keys and values from one input, as in the layer.
    let f = |v: &[Tensor]| {
        let of = |i: usize| conv2d(&v[0], &v[i], Geometry::square(1, 0));
        seen(&Maps { theta: of(1)?, phi: of(2)?, g: of(3)? })
    };
    let w = |seed, outputs| normal(seed, &[outputs, 3, 1, 1]);
    check(&[normal(1, &[2, 3, 2, 4]), w(2, 2), w(3, 2), w(4, 3)], |v| penalty(v, f));
}

#[test]
fn the_penalty_through_per_sample_convolution_has_the_gradients_of_finite_differences() {
    if !in_child(
        "kernels::second_order::the_penalty_through_per_sample_convolution_has_the_gradients_of_finite_differences",
    ) {
        return;
    }
    // Squared, so that the penalty depends on the input too.
    let along = |v: &[Tensor]| conv2d_per_sample(&v[0], &v[1], Geometry::square(2, 1))?.sqr();
    let v = [normal(1, &[2, 3, 5, 5]), normal(2, &[2, 4, 3, 3, 3])];
    check(&v, |v| penalty(v, along));
    // The penalty on the filters' gradient goes through the third op.
    let turned = |v: &[Tensor]| along(&[v[1].clone(), v[0].clone()]);
    check(&[v[1].clone(), v[0].clone()], |v| penalty(v, turned));
    let back =
        |v: &[Tensor]| conv_transpose2d_per_sample(&v[0], &v[1], Geometry::square(2, 1))?.sqr();
    let v = [normal(1, &[2, 3, 3, 3]), normal(2, &[2, 3, 2, 4, 4])];
    check(&v, |v| penalty(v, back));
    let turned = |v: &[Tensor]| back(&[v[1].clone(), v[0].clone()]);
    check(&[v[1].clone(), v[0].clone()], |v| penalty(v, turned));
}

#[test]
fn the_penalty_through_stylegan2s_ops_has_the_gradients_of_finite_differences() {
    if !in_child(
        "kernels::second_order::the_penalty_through_stylegan2s_ops_has_the_gradients_of_finite_differences",
    ) {
        return;
    }
    let x = normal(1, &[2, 2, 4, 4]);
    let cubed = |y: Tensor| y.sqr()? * y;
    for f in [UpFirDn::upsample(), UpFirDn::downsample(), UpFirDn::before_downsampling()] {
        check(std::slice::from_ref(&x), |v| penalty(v, |v| cubed(upfirdn2d(&v[0], &f)?)));
    }
    check(&[normal(1, &[4, 2, 2, 2])], |v| penalty(v, |v| cubed(minibatch_std(&v[0], 2)?)));
    let (styles, noise) = (normal(2, &[2, 2]), normal(3, &[2, 1, 4, 4]));
    for upsample in [false, true] {
        let m = Modulated { upsample, gain: 1.0, algorithm: Algorithm::Direct };
        check(&[x.clone(), styles.clone(), normal(4, &[2, 2, 3, 3])], |v| {
            penalty(v, |v| modulated_conv2d(&v[0], &v[2], &v[1], m)?.sqr())
        });
        // The penalty on the gradient at the styles, as path length regularisation has it.
        check(&[styles.clone(), x.clone(), normal(4, &[2, 2, 3, 3])], |v| {
            penalty(v, |v| modulated_conv2d(&v[1], &v[2], &v[0], m)?.sqr())
        });
    }
    check(&[x.clone(), styles, normal(4, &[3, 2, 1, 1])], |v| {
        penalty(v, |v| modulated_pixels(&v[0], &v[2], &v[1])?.sqr())
    });
    check(&[x, normal(5, &[1])], |v| penalty(v, |v| cubed(add_noise(&v[0], &noise, &v[1])?)));
}
