use super::*;
use candle_core::Device;
use ganbench_nn::kernels::finite_difference::{check, normal};

fn features() -> Features {
    let of =
        |rows: &[[f64; 2]]| Tensor::from_vec(rows.concat(), (rows.len(), 2), &Device::Cpu).unwrap();
    Features { real: of(&[[1.0, 0.0], [2.0, 0.0]]), fake: of(&[[0.0, 1.0], [0.0, 3.0]]) }
}

#[test]
fn two_tight_orthogonal_clouds_give_the_ratio_on_paper() {
    // Leave-one-out, τ = 0.5: p_r at a real is e^2, p_g is e^0: ρ = 2; at a fake −2.
    let c = Kdd { tau: 0.5, ..Kdd::default() };
    let rho = log_ratio(&features(), &c).unwrap();
    assert_eq!(rho.real.to_vec1::<f64>().unwrap(), [2.0, 2.0]);
    assert_eq!(rho.fake.to_vec1::<f64>().unwrap(), [-2.0, -2.0]);
}

#[test]
fn at_tau_1_the_ratio_of_signed_features_stays_within_2() {
    for leave_one_out in [true, false] {
        let f = Features { real: normal(1, &[8, 3]), fake: normal(2, &[8, 3]) };
        let rho = log_ratio(&f, &Kdd { leave_one_out, ..Kdd::default() }).unwrap();
        let all = Tensor::cat(&[rho.real, rho.fake], 0).unwrap().abs().unwrap();
        assert!(all.max_all().unwrap().to_scalar::<f64>().unwrap() <= 2.0);
    }
}

#[test]
fn the_gradients_are_those_of_finite_differences_where_the_clip_acts() {
    for leave_one_out in [true, false] {
        let c = Kdd { tau: 0.05, leave_one_out, ..Kdd::default() };
        check(&[normal(1, &[5, 4]), normal(2, &[4, 4])], |v| {
            hinge(&log_ratio(&Features { real: v[0].clone(), fake: v[1].clone() }, &c)?)
        });
    }
}

#[test]
fn further_anchors_give_the_ratio_on_paper() {
    // One augmented copy of each at its point: p_r at a real is (e² + e² + e²)/3 without
    // itself, p_g e⁰. Without leave-one-out the same. A copy of another direction, cosine 0:
    // (e² + 2e⁰)/3.
    let f = features();
    let copies = |real: &Tensor, fake: &Tensor| Anchors {
        real: Some(real.clone()),
        fake: Some(fake.clone()),
    };
    let c = Kdd { tau: 0.5, ..Kdd::default() };
    let rho = log_ratio_among(&f, &copies(&f.real, &f.fake), &c).unwrap();
    let all = |x: &Tensor, expected: f64| {
        x.to_vec1::<f64>().unwrap().iter().all(|v| (v - expected).abs() < 1e-14)
    };
    assert!(all(&rho.real, 2.0) && all(&rho.fake, -2.0));
    let rho = log_ratio_among(&f, &copies(&f.fake, &f.fake), &c).unwrap();
    assert!(all(&rho.real, ((2f64.exp() + 2.0) / 3.0).ln()));
}

#[test]
fn sets_that_repeat_the_points_change_nothing_where_none_is_left_out() {
    let f = Features { real: normal(1, &[5, 3]), fake: normal(2, &[4, 3]) };
    let c = Kdd { tau: 0.2, leave_one_out: false, ..Kdd::default() };
    let plain = log_ratio(&f, &c).unwrap().fake.to_vec1::<f64>().unwrap();
    for n in [1, 3, 7] {
        let times = |x: &Tensor| Tensor::cat(&vec![x; n], 0).unwrap();
        let anchors = Anchors { real: Some(times(&f.real)), fake: Some(times(&f.fake)) };
        let rho = log_ratio_among(&f, &anchors, &c).unwrap().fake.to_vec1::<f64>().unwrap();
        assert!(rho.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-13));
    }
}

#[test]
fn a_single_anchor_cannot_be_left_out() {
    let f = Features { real: normal(1, &[1, 4]), fake: normal(2, &[1, 4]) };
    let error = log_ratio(&f, &Kdd::default()).err().unwrap();
    assert!(error.to_string().contains("at least 2 anchors, got 1"));
}
