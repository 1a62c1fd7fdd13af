//! Every contrastive and similarity loss, value and gradients, against an independent
//! implementation in PyTorch: `tests-data/losses.py`, which made `tests-data/losses.json`.

use candle_core::{Device, Result, Tensor, Var};

use super::contrastive::{RealFake, Views, fakes_together, nt_xent};
use super::d2dce::{D2dCe, Stabilise, d2dce};
use super::embedded::Embedded;
use super::kdd::{Features, Kdd, log_ratio};
use super::supcon::{Denominator, Pairs, SupCon, l_out, log_share};

fn rows(phase: f64) -> Var {
    let x: Vec<f64> =
        (0..30).map(|k| (1.7 * f64::from(k / 5) + 0.9 * f64::from(k % 5) + phase).sin()).collect();
    Var::from_tensor(&Tensor::from_vec(x, (6, 5), &Device::Cpu).unwrap()).unwrap()
}

/// Absolute, f64 on both sides.
const TOLERANCE: f64 = 1e-11;

fn agrees(name: &str, loss: impl Fn(Tensor, Tensor) -> Result<Tensor>) {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../tests-data/losses.json")).unwrap();
    let golden = &golden[name];
    let (a, b) = (rows(0.0), rows(0.4));
    let value = loss(a.as_tensor().clone(), b.as_tensor().clone()).unwrap();
    let grads = value.backward().unwrap();
    let expected = golden["value"].as_f64().unwrap();
    assert!(
        (value.to_scalar::<f64>().unwrap() - expected).abs() < TOLERANCE,
        "{name}: {value} against {expected}"
    );
    for (var, key) in [(&a, "grad_first"), (&b, "grad_second")] {
        let grad = grads.get(var).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let expected: Vec<f64> = serde_json::from_value(golden[key].clone()).unwrap();
        let worst = grad.iter().zip(&expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < TOLERANCE, "{name} {key}: {worst}");
    }
}

#[test]
fn contrad_agrees_with_pytorch() {
    agrees("nt_xent", |first, second| nt_xent(&Views { first, second }, 0.1));
    agrees("fakes_together", |real, fake| fakes_together(&RealFake { real, fake }, 0.1));
}

#[test]
fn d2dce_agrees_with_pytorch() {
    for (name, stabilise) in
        [("d2dce_studiogan", Stabilise::Studiogan), ("d2dce_exact", Stabilise::Exact)]
    {
        let c = D2dCe { stabilise, ..D2dCe::default() };
        agrees(name, |samples, proxies| {
            d2dce(&Embedded { samples, proxies, labels: vec![0, 1, 2, 0, 1, 1] }, &c)
        });
    }
}

#[test]
fn kdd_agrees_with_pytorch() {
    for (name, tau, leave_one_out) in [("kdd_loo", 0.5, true), ("kdd_all", 0.05, false)] {
        agrees(name, |real, fake| {
            super::adversarial::hinge(&log_ratio(
                &Features { real, fake },
                &Kdd { tau, leave_one_out, ..Kdd::default() },
            )?)
        });
    }
}

#[test]
fn supcon_agrees_with_pytorch() {
    agrees("l_out", |real, fake| l_out(&Features { real, fake }, 0.1, true));
    for (name, denominator) in [("log_share_a", Denominator::A), ("log_share_p", Denominator::P)] {
        let c = SupCon { denominator, pairs: Pairs::Ordered, ..SupCon::default() };
        agrees(name, |real, fake| log_share(&Features { real, fake }, &c));
    }
}
