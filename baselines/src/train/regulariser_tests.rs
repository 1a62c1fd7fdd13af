//! Regularisers in a trainer, the ones with gradients of gradients in a process of their own:
//! candle reads its switch once.

use candle_core::Device;
use ganbench_nn::kernels::SWITCH;

use super::same_start_tests::{images, plan};
use super::{RunMark, TrainPlan, Trainer};
use crate::augment::{Ada, AdaRule, Augmentation, FlipShift};
use crate::losses::consistency::Consistency;
use crate::losses::gradient_penalty::{GradientPenalty, Penalty};
use crate::losses::kdd::AnchorSets;
use crate::losses::kdd_jacobian::KddJacobian;
use crate::losses::latent_consistency::LatentConsistency;
use crate::losses::lecam::LeCam;
use crate::losses::weight_clipping::WeightClipping;
use crate::methods::{AdversarialPart, First, Parts, RegulariserPart, method};

const CHILD: &str = "GANBENCH_TEST_SECOND_ORDER";

/// Runs the test of this name again with candle's switch set; true in that second process.
fn in_child(name: &str) -> bool {
    if std::env::var(CHILD).is_ok() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("train::regulariser_tests::{name}")])
        .envs([(CHILD, "1"), (SWITCH, "1")])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    false
}

fn with(regularisers: Vec<RegulariserPart>) -> TrainPlan {
    let mut plan = plan(method("gan").unwrap());
    plan.parts.regularisers = regularisers;
    plan
}

fn penalty(penalty: Penalty, interval: u64) -> RegulariserPart {
    GradientPenalty { penalty, lambda: 10.0, interval }.into()
}

fn consistency(lambda_fake: f64) -> RegulariserPart {
    let augmentation = Augmentation::FlipShift(FlipShift { max_shift: 4 });
    Consistency { lambda_real: 10.0, lambda_fake, augmentation }.into()
}

/// The logged terms of so many steps.
fn terms(plan: &TrainPlan, steps: usize) -> Vec<std::collections::BTreeMap<String, f64>> {
    let images = images(None);
    let mut trainer = Trainer::new(plan, &images, 2, &Device::Cpu).unwrap();
    (0..steps).map(|_| trainer.step().unwrap().unwrap().losses).collect()
}

#[test]
fn a_penalty_without_candles_switch_is_refused_with_what_to_do() {
    if std::env::var(CHILD).is_ok() {
        return;
    }
    let (plan, images) = (with(vec![penalty(Penalty::R1, 1)]), images(None));
    let error = Trainer::new(&plan, &images, 2, &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("set it and start again"), "{error}");
}

#[test]
fn penalties_are_terms_of_their_steps_and_move_the_discriminator() {
    if !in_child("penalties_are_terms_of_their_steps_and_move_the_discriminator") {
        return;
    }
    let plain = terms(&with(Vec::new()), 3);
    for (kind, name) in
        [(Penalty::R1, "d_r1"), (Penalty::Gp, "d_gp"), (Penalty::Dragan, "d_dragan")]
    {
        let found = terms(&with(vec![penalty(kind, 2)]), 3);
        let has: Vec<bool> = found.iter().map(|step| step.contains_key(name)).collect();
        assert_eq!(has, [true, false, true], "{name}");
        assert!(found[0][name] > 0.0 && found[0][name].is_finite(), "{name}: {found:?}");
        // The first step starts alike; after its update the discriminators differ.
        assert_eq!(found[0]["d_adv"], plain[0]["d_adv"]);
        assert_ne!(found[2]["d_adv"], plain[2]["d_adv"]);
    }
}

#[test]
fn consistency_terms_are_those_of_their_sides_and_count_what_goes_through() {
    let images = images(None);
    let forwards = |regularisers| {
        let plan = with(regularisers);
        let mut trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
        let losses = trainer.step().unwrap().unwrap().losses;
        let has = ["d_cr", "d_cr_fake", "d_zcr", "g_zcr"].map(|name| losses.contains_key(name));
        let spent = trainer.spent();
        (has, spent.d_image_forwards, spent.g_image_forwards)
    };
    let zcr = LatentConsistency { radius: 0.05, lambda_d: 20.0, lambda_g: 0.5 }.into();
    // Batches of 2: reals and fakes; one more set each for CR, two for bCR, one and a batch in each
    // of G's turns for zCR.
    assert_eq!(forwards(Vec::new()), ([false; 4], 4, 4));
    assert_eq!(forwards(vec![consistency(0.0)]), ([true, false, false, false], 6, 4));
    assert_eq!(forwards(vec![consistency(10.0)]), ([true, true, false, false], 8, 4));
    assert_eq!(forwards(vec![zcr]), ([false, false, true, true], 6, 8));
}

#[test]
fn kdds_anchors_stale_reals_and_jacobian_send_through_d_what_they_need() {
    let images = images(None);
    let forwards = |change: &dyn Fn(&mut Parts)| {
        let mut plan = plan(method("kdd").unwrap());
        change(&mut plan.parts);
        let mut trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
        let losses = trainer.step().unwrap().unwrap().losses;
        assert!(losses["d_kdd"].is_finite() && losses["g_kdd"].is_finite());
        let has = losses.contains_key("g_jacobian");
        (trainer.spent().d_image_forwards, trainer.spent().d_image_forwards_g_step, has)
    };
    let jacobian = |generator| KddJacobian { lambda: 1e-5, delta: 1e-3, generator }.into();
    // Batches of 2. D: reals and fakes. G: fakes, and reals as anchors.
    assert_eq!(forwards(&|_| {}), (4, 4, false));
    let augmentation = Augmentation::FlipShift(FlipShift { max_shift: 4 });
    let anchors = |parts: &mut Parts| {
        let AdversarialPart::Kdd(kdd) = &mut parts.adversarial else { panic!() };
        kdd.anchors = Some(AnchorSets { sets: 3, augmentation });
    };
    assert_eq!(forwards(&anchors), (4 + 12, 4 + 12, false));
    let stale = |parts: &mut Parts| {
        let AdversarialPart::Kdd(kdd) = &mut parts.adversarial else { panic!() };
        kdd.stale_reals = true;
    };
    assert_eq!(forwards(&stale), (4, 2, false));
    // All images and their moved copies again.
    assert_eq!(forwards(&|parts| parts.regularisers.push(jacobian(false))), (4 + 8, 4, false));
    assert_eq!(forwards(&|parts| parts.regularisers.push(jacobian(true))), (4 + 8, 4 + 8, true));
    let refused = |change: &dyn Fn(&mut Parts)| {
        let mut plan = plan(method("kdd").unwrap());
        change(&mut plan.parts);
        Trainer::new(&plan, &images, 2, &Device::Cpu).err().unwrap().to_string()
    };
    let both = refused(&|parts| {
        anchors(parts);
        stale(parts);
    });
    assert!(both.contains("parts.adversarial.anchors must be left out with stale_reals"), "{both}");
    let first = refused(&|parts| {
        stale(parts);
        parts.first = First::Generator;
    });
    assert!(first.contains("parts.first must be discriminator with stale_reals"), "{first}");
    let interval = refused(&|parts| parts.regularisers.push(penalty(Penalty::R1, 0)));
    assert!(
        interval.contains("parts.regularisers.interval must be 1 or more, got 0"),
        "{interval}"
    );
}

#[test]
fn clipped_weights_stay_within_their_bound() {
    let (plan, images) = (with(vec![WeightClipping { bound: 0.01 }.into()]), images(None));
    let mut trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
    trainer.step().unwrap().unwrap();
    for (name, var) in trainer.discriminator.store.params() {
        let most = var.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(most <= 0.01, "{name}: {most}");
    }
}

#[test]
fn a_generator_that_learns_first_shares_its_fakes_with_the_first_update_of_d() {
    let images = images(None);
    let forwards = |first, n_dis| {
        let mut plan = with(Vec::new());
        (plan.parts.first, plan.n_dis) = (first, n_dis);
        let mut trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
        trainer.step().unwrap().unwrap();
        (trainer.spent().g_image_forwards, trainer.spent().real_images, trainer.spent().d_steps)
    };
    assert_eq!(forwards(First::Discriminator, 2), (6, 4, 2));
    assert_eq!(forwards(First::Generator, 2), (4, 4, 2));
}

#[test]
fn adas_probability_moves_with_the_run_and_goes_on_from_a_checkpoint() {
    let mut plan = with(Vec::new());
    plan.parts.augmentation = Augmentation::Ada(Ada { p: 0.0 });
    // So fast that every second step moves p by much.
    plan.parts.ada = Some(AdaRule { p: 0.5, target: 0.6, interval: 2, kimg: 0.04 });
    let images = images(None);
    let trainer = || Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
    let step = |trainer: &mut Trainer<'_>| trainer.step().unwrap().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut whole = trainer();
    let p: Vec<f64> = (0..3).map(|_| step(&mut whole).ada_p.unwrap()).collect();
    assert_eq!((p[0], (p[1] - 0.5).abs() > 0.05, p[2]), (0.5, true, p[1]));
    whole.save(dir.path(), RunMark::default()).unwrap();
    let mut again = trainer();
    again.load_newest(dir.path()).unwrap().unwrap();
    for _ in 0..2 {
        assert_eq!(step(&mut whole), step(&mut again));
    }
    plan.parts.augmentation = Augmentation::None;
    let error = Trainer::new(&plan, &images, 2, &Device::Cpu).err().unwrap().to_string();
    assert!(
        error.contains("parts.ada must be left out where the augmentation is not ada"),
        "{error}"
    );
}

#[test]
fn what_a_part_remembers_goes_on_from_a_checkpoint_to_the_same_bits() {
    let part = LeCam { lambda: 0.3, decay: 0.9, start_d_step: 1, ..LeCam::default() }.into();
    let (plan, images) = (with(vec![part, consistency(10.0)]), images(None));
    let trainer = || Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut whole = trainer();
    let step = |trainer: &mut Trainer<'_>| trainer.step().unwrap().unwrap();
    (0..3).for_each(|_| drop(step(&mut whole)));
    whole.save(dir.path(), RunMark::default()).unwrap();
    let mut again = trainer();
    again.load_newest(dir.path()).unwrap().unwrap();
    for _ in 0..2 {
        let (a, b) = (step(&mut whole), step(&mut again));
        assert!(a.losses.contains_key("d_lecam"));
        assert_eq!(a, b);
    }
}
