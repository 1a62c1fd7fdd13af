//! Every architecture trains, and every option that a plan can ask for.

use candle_core::Device;
use ganbench_data::images::{ImageBatch, ImageSize};

use super::same_start_tests::plan;
use super::{NetworkPlan, TrainPlan, Trainer};
use crate::methods::method;
use crate::networks::{ARCHITECTURES, BatchNormIn, Initialisation};

fn of(method_name: &str, change: impl FnOnce(&mut NetworkPlan)) -> TrainPlan {
    let mut plan = plan(method(method_name).unwrap());
    plan.network.z_dim = 20;
    change(&mut plan.network);
    plan
}

/// Four grey images of two classes.
fn images(side: usize) -> ImageBatch {
    let pixels = (0..4u8).flat_map(|i| vec![60 * i; side * side * 3]).collect();
    ImageBatch::new(ImageSize::new(side, side, 3), pixels, Some(vec![0, 1, 0, 1]), None).unwrap()
}

fn two_steps(plan: &TrainPlan, side: usize) {
    let images = images(side);
    let mut trainer = Trainer::new(plan, &images, 2, &Device::Cpu).unwrap();
    for _ in 0..2 {
        let step = trainer.step().unwrap();
        assert!(step.is_ok(), "{:?}: {step:?}", plan.network);
    }
}

#[test]
fn every_architecture_trains_with_and_without_classes() {
    for a in ARCHITECTURES {
        for &side in a.image_sizes {
            for method in ["gan", "reacgan"] {
                two_steps(&of(method, |network| network.architecture = a.name.into()), side);
            }
        }
    }
}

#[test]
fn networks_without_batch_norm_and_with_other_initial_weights_train() {
    for architecture in ["sndcgan", "dcgan", "snresnet18", "resnet"] {
        for batch_norm in [BatchNormIn::DOnly, BatchNormIn::None] {
            let change = |network: &mut NetworkPlan| {
                network.architecture = architecture.into();
                network.batch_norm = batch_norm;
                network.init = Initialisation::Orthogonal;
            };
            two_steps(&of("supcon", change), 32);
        }
    }
}

fn refusal(plan: &TrainPlan) -> String {
    Trainer::new(plan, &images(32), 2, &Device::Cpu).err().unwrap().to_string()
}

#[test]
fn an_option_that_an_architecture_cannot_follow_is_an_error_before_any_work() {
    let error = refusal(&of("gan", |network| network.attention = Some(true)));
    assert_eq!(
        error,
        "architecture sndcgan cannot have network.attention = true; it can follow init, \
         spectral_norm_g, spectral_norm_d, batch_norm"
    );
    let error = refusal(&of("reacgan", |network| network.batch_norm = BatchNormIn::None));
    assert_eq!(
        error,
        "the method is conditional, and with network.batch_norm = none its classes cannot enter the \
         generator; leave network.batch_norm out, or the method out of --methods"
    );
}

#[test]
fn options_at_their_defaults_are_no_part_of_a_plan() {
    let json = |plan: &TrainPlan| serde_json::to_value(&plan.network).unwrap();
    let plain = json(&of("gan", |_| ()));
    let keys: Vec<_> = plain.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["architecture", "head_hidden", "width", "z_dim", "z_prior"]);
    let set = json(&of("gan", |network| {
        network.batch_norm = BatchNormIn::DOnly;
        network.spectral_norm_g = Some(true);
        network.init = Initialisation::Xavier;
    }));
    assert_eq!(set["batch_norm"], "d-only");
    assert_eq!(set["spectral_norm_g"], true);
    assert_eq!(set["init"], "xavier");
    let back: NetworkPlan = serde_json::from_value(set).unwrap();
    assert_eq!(back.batch_norm, BatchNormIn::DOnly);
}
