use super::*;
use crate::losses::adversarial::{Hinge, NonSaturating};
use crate::losses::d2dce::D2dCe;
use crate::losses::projection::ProjectionPart;
use crate::networks::HeadKind;

fn toml_of(parts: &Parts) -> String {
    toml::to_string(parts).unwrap()
}

fn conditioning(text: &str) -> ConditioningPart {
    toml::from_str(text).unwrap()
}

#[test]
fn parts_of_earlier_plans_are_written_as_they_were() {
    let text = toml_of(&(method("gan").unwrap().parts)());
    assert!(!text.contains("label_smoothing"), "{text}");
    let text = toml_of(&(method("reacgan").unwrap().parts)());
    assert!(text.contains("stabilise") && !text.contains("normalise"), "{text}");
}

#[test]
fn every_methods_parts_come_back_from_toml() {
    for method in METHODS {
        let parts = (method.parts)();
        assert_eq!(toml::from_str::<Parts>(&toml_of(&parts)).unwrap(), parts, "{}", method.name);
    }
}

#[test]
fn logistic_is_read_as_the_non_saturating_loss() {
    let text = "kind = \"logistic\"\nhead = \"mlp\"\nstop_gradient = false";
    let part: AdversarialPart = toml::from_str(text).unwrap();
    let (head, stop_gradient) = (HeadKind::Mlp, false);
    assert_eq!(part, NonSaturating { head, stop_gradient, ..NonSaturating::default() }.into());
}

/// From ACGAN to ReACGAN, one change after the other (ReACGAN's figure of norms).
#[test]
fn acgan_normalised_acgan_and_d2dce_differ_in_one_thing_each() {
    let acgan = |features: bool, proxies: bool| {
        conditioning(&format!(
            "kind = \"acgan\"\nlambda = 1.0\ntau = 1.0\nclassify_fakes = false\nembedding = true\n\
             normalise_features = {features}\nnormalise_proxies = {proxies}"
        ))
    };
    let d2dce = D2dCe { lambda: 1.0, tau: 1.0, ..D2dCe::default() }.into();
    let heads = |conditioning| {
        let parts = Parts { conditioning, ..Parts::plain(Hinge::default()) };
        parts.losses(16).iter().flat_map(|l| l.heads()).collect::<Vec<_>>()
    };
    let last = heads(d2dce);
    assert_eq!(last.len(), 3);
    for normalised in [(false, false), (true, false), (true, true)] {
        assert_eq!(heads(acgan(normalised.0, normalised.1)), last);
    }
}

#[test]
fn what_no_loss_can_be_made_of_is_named() {
    let mut parts = (method("lsgan").unwrap().parts)();
    assert_eq!(parts.check(), Ok(()));
    if let AdversarialPart::LeastSquares(loss) = &mut parts.adversarial {
        loss.label_smoothing = f64::NAN;
    }
    assert_eq!(
        parts.check().unwrap_err().to_string(),
        "parts.adversarial.label_smoothing must be a number of 0 and above and below 1, got NaN"
    );
    let mut parts = (method("supcon").unwrap().parts)();
    parts.conditioning = ProjectionPart { unit_features: true }.into();
    assert_eq!(
        parts.check().unwrap_err().to_string(),
        "parts.conditioning.kind must be another than projection with the adversarial part sup_con, \
         which has no logit, got projection"
    );
}

/// SimCLR alone (the baseline of ContraD's linear evaluation) is ContraD with λ_fake = 0: its
/// adversarial loss does not reach the trunk.
#[test]
fn contrad_without_its_fakes_term_teaches_the_trunk_simclr_alone() {
    use crate::losses::{
        DiscriminatorBatch, FurtherPasses, Opponents, StepImages, Term, TurnPasses,
    };
    use crate::networks::{Discriminator, Latent, NetworkSizes, architecture};
    use candle_core::{Device, Tensor};
    use ganbench_data::rng::Stream;
    use ganbench_nn::layers::Pass;
    use ganbench_nn::params::ParamStore;

    let mut parts = (method("contrad").unwrap().parts)();
    parts.contrastive.as_mut().unwrap().lambda_fake = 0.0;
    let losses = parts.losses(8);
    let heads: Vec<_> = losses.iter().flat_map(|l| l.heads()).collect();
    let store = ParamStore::new("discriminator", 0, &Device::Cpu);
    let sizes = NetworkSizes {
        width: 8,
        image_size: 32,
        channels: 3,
        z_dim: 4,
        classes: None,
        options: Default::default(),
    };
    let a = architecture("sndcgan").unwrap();
    let d = Discriminator::new(&store.root(), a, sizes, &heads).unwrap();
    let g_store = ParamStore::new("generator", 0, &Device::Cpu);
    let generator = (a.generator)(&g_store.root(), sizes).unwrap();
    let opponents = Opponents {
        discriminator: &d,
        generator: generator.as_ref(),
        adversarial: losses[0].as_ref(),
    };
    let mut stream = Stream::new(0, "test");
    // Nothing here looks at images or latents again.
    let none = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap();
    let (x_real, x_fake) = (none.clone(), none.clone());
    let (seen_real, seen_fake) = (none.clone(), none.clone());
    let scored = |seed| {
        let x = Stream::new(seed, "test").uniforms(4 * 3 * 32 * 32, -1.0, 1.0);
        let x = Tensor::from_vec(x, (4, 3, 32, 32), &Device::Cpu).unwrap();
        d.score(&x, None, Pass::Train).unwrap()
    };
    let batch = DiscriminatorBatch {
        real_views: vec![scored(1), scored(2)],
        fake: scored(3),
        images: StepImages { x_real, x_fake, seen_real, seen_fake },
        latent: Latent { z: none, labels: None, noise: None },
        d_step: 0,
        further: FurtherPasses::new(opponents, TurnPasses::DISCRIMINATOR, &mut stream),
    };
    let terms: Vec<Term> =
        losses.iter().flat_map(|l| l.discriminator(&batch).unwrap().terms).collect();
    let names: Vec<_> = terms.iter().map(|t| t.name).collect();
    assert_eq!(names, ["d_adv", "d_simclr", "d_fakes", "d_simclr_accuracy", "d_fakes_accuracy"]);
    let total = terms.iter().map(|t| (&t.value * t.weight).unwrap());
    let total = total.reduce(|a, b| (a + b).unwrap()).unwrap().backward().unwrap();
    let simclr = terms[1].value.backward().unwrap();
    let mut seen = 0;
    for (name, var) in store.params().iter().filter(|(name, _)| name.starts_with("trunk.")) {
        let of = |grads: &candle_core::backprop::GradStore| {
            grads.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (all, alone) = (of(&total), of(&simclr));
        let largest = alone.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0, "{name}");
        assert!(all.iter().zip(&alone).all(|(a, b)| (a - b).abs() <= 1e-5 * largest), "{name}");
        seen += 1;
    }
    assert!(seen > 10);
}
