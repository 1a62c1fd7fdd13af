//! Adversarial losses and conditionings in every combination, through the trainer.

use std::collections::BTreeSet;
use std::mem::discriminant;

use candle_core::Device;
use ganbench_nn::optim::Rule;

use super::Trainer;
use super::same_start_tests::{images, plan};
use crate::losses::projection::ProjectionPart;
use crate::methods::{AdversarialPart, ConditioningPart, Parts, method};

fn adversarial(text: &str) -> Parts {
    Parts::plain(toml::from_str::<AdversarialPart>(text).unwrap())
}

fn adversarials() -> Vec<Parts> {
    let on_head = |kind: &str, more: &str| {
        adversarial(&format!("kind = \"{kind}\"\nhead = \"linear\"\nstop_gradient = false\n{more}"))
    };
    let kdd = "kind = \"kdd\"\ntau = 0.5\nleave_one_out = true\ngamma = 1.0\nalpha = 1.0\nhead = \"linear\"";
    let mut all = vec![
        on_head("non_saturating", "label_smoothing = 0.1"),
        on_head("least_squares", "label_smoothing = 0.1"),
        on_head("hinge", ""),
        on_head("wasserstein", ""),
        adversarial(kdd),
        (method("contrad").unwrap().parts)(),
    ];
    // Every further one of the list that has a logit, with its defaults.
    for part in AdversarialPart::all() {
        let is_there = |parts: &Parts| discriminant(&parts.adversarial) == discriminant(&part);
        if part.part().is_some_and(|part| part.has_logit()) && !all.iter().any(is_there) {
            all.push(Parts::plain(part));
        }
    }
    all
}

/// With the terms that each adds.
fn conditionings() -> Vec<(ConditioningPart, BTreeSet<&'static str>)> {
    let acgan = |more: &str| format!("kind = \"acgan\"\nlambda = 1.0\ntau = 1.0\n{more}");
    let plain = "classify_fakes = false\nembedding = false\nnormalise_features = false\nnormalise_proxies = false";
    let all = "classify_fakes = true\nembedding = true\nnormalise_features = true\nnormalise_proxies = true";
    let two_c = "kind = \"2c\"\nlambda = 1.0\ntau = 1.0\nnormalise_features = true\nnormalise_proxies = true";
    let d2dce = "kind = \"d2dce\"\nlambda = 0.5\ntau = 0.5\nmargin_positive = 0.98\nstabilise = \"exact\"\n\
                 normalise_proxies = false";
    let mut all: Vec<(ConditioningPart, BTreeSet<&'static str>)> = [
        (acgan(plain), vec!["d_class", "g_class"]),
        (acgan(all), vec!["d_class", "d_class_fake", "g_class"]),
        ("kind = \"projection\"\nunit_features = true".into(), Vec::new()),
        ("kind = \"projection\"\nunit_features = false".into(), Vec::new()),
        (two_c.into(), vec!["d_2c", "g_2c"]),
        (d2dce.into(), vec!["d_d2dce", "g_d2dce"]),
    ]
    .map(|(text, terms)| (toml::from_str(&text).unwrap(), terms.into_iter().collect()))
    .into();
    for part in ConditioningPart::all().into_iter().filter(|part| part.part().is_some()) {
        if !all.iter().any(|(other, _)| discriminant(other) == discriminant(&part)) {
            all.push((part, BTreeSet::new()));
        }
    }
    all
}

fn learns(name: &str) -> bool {
    name.ends_with(".weight") || name.ends_with(".weight_orig")
}

#[test]
fn every_conditioning_trains_all_weights_under_every_adversarial_loss() {
    let images = images(None);
    let mut plan = plan(method("gan").unwrap());
    // Two classes among two samples leave 2C and D2D-CE nothing to compare.
    plan.batch = 8;
    plan.optimizer_d = Rule::Adam { lr: 1e-3, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
    for parts in adversarials() {
        for (conditioning, expected) in conditionings() {
            plan.parts = Parts { conditioning, ..parts.clone() };
            let label = format!("{:?}", plan.parts);
            let mut trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
            let before = trainer.discriminator.store.state().unwrap();
            let record = trainer.step().unwrap().unwrap();
            let terms: BTreeSet<&str> = record.losses.keys().map(String::as_str).collect();
            assert!(terms.is_superset(&expected), "{label}: {terms:?}");
            assert!(record.g_grad_norm > 0.0, "{label}");
            // A bias that moves reals and fakes alike has no gradient in hinge and Wasserstein.
            let weights = trainer.discriminator.store.state().unwrap();
            for (name, now) in weights.into_iter().filter(|(name, _)| learns(name)) {
                let list =
                    |t: &candle_core::Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(list(&now) != list(&before[&name]), "{name} did not learn: {label}");
            }
        }
    }
}

#[test]
fn a_projection_without_a_logit_is_refused_before_any_work() {
    let mut plan = plan(method("supcon").unwrap());
    plan.parts.conditioning = ProjectionPart { unit_features: true }.into();
    let error = Trainer::new(&plan, &images(None), 2, &Device::Cpu).err().unwrap().to_string();
    assert!(
        error.starts_with("parts.conditioning.kind must be another than projection"),
        "{error}"
    );
}
