//! R1 through the whole trunk, in a process of its own: candle reads its switch for gradients of
//! gradients once.

use candle_core::{DType, Device, Tensor, Var};
use ganbench_nn::kernels::finite_difference::{check_parameters, normal};
use ganbench_nn::kernels::{SWITCH, TwiceDifferentiable};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::ParamStore;

use super::super::{Architecture, NetworkSizes, Trunk};
use super::{ARCHITECTURE, STUDIOGAN};

const CHILD: &str = "GANBENCH_TEST_SECOND_ORDER";
const NAME: &str = "networks::stylegan2::second_order_tests::the_r1_penalty_has_the_gradients_of_finite_differences";

/// Σ‖∂ Σ f² / ∂x‖² of the features f of fixed images.
fn penalty(trunk: &dyn Trunk, x: &Tensor) -> Tensor {
    let _twice = TwiceDifferentiable::enter().unwrap();
    let x = Var::from_tensor(x).unwrap();
    let f = trunk.features(x.as_tensor(), Pass::Train).unwrap();
    let grads = f.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    grads.get(&x).unwrap().sqr().unwrap().sum_all().unwrap()
}

fn check(a: &Architecture) {
    let sizes = NetworkSizes {
        width: 4,
        image_size: 32,
        channels: 1,
        z_dim: 4,
        classes: None,
        options: Default::default(),
    };
    let store = ParamStore::new("discriminator", 0, &Device::Cpu).with_dtype(DType::F64);
    let trunk = (a.trunk)(&store.root(), sizes).unwrap();
    let x = normal(1, &[4, 1, 32, 32]);
    // So small a step that no activation changes its sign, where the penalty would jump.
    check_parameters(&store, 1e-6, || Ok(penalty(trunk.as_ref(), &x)));
}

#[test]
fn the_r1_penalty_has_the_gradients_of_finite_differences() {
    if std::env::var(CHILD).is_ok() {
        check(&ARCHITECTURE);
        return check(&STUDIOGAN);
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .envs([(CHILD, "1"), (SWITCH, "1")])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
}
