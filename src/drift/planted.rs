//! Faults, each planted in one piece of the probe, against the probe of the shipped pieces. Slow:
//! `make test-slow`.

use std::sync::OnceLock;

use candle_core::Device;
use ganbench_baselines::methods::METHODS;
use ganbench_baselines::networks::{Generator, Latent};
use ganbench_baselines::train::{SampleRequest, TrainPlan, Trainer};
use ganbench_data::Dataset;
use ganbench_data::images::ImageView;
use ganbench_metrics::fid::Divisor;
use ganbench_metrics::{Extractor, ExtractorError, Features, RESIZES, Resize, Settings};
use ganbench_nn::layers::Pass;

use super::compare::{Comparison, Sides, compare};
use super::line::Verdict;
use super::probe::parts::{PROBED, Probed, end, metrics, resizes, runs, trace};
use super::probe::{FixedImages, Measured, Pieces, TracedRun, Weights};
use super::show::{Shown, text};
use super::value::GuardedValue;
use crate::run::session::Surroundings;

fn here() -> Surroundings {
    Surroundings { data: None, weights: None, device: Device::Cpu, quiet: true }
}

fn shapes() -> &'static FixedImages {
    static SHAPES: OnceLock<FixedImages> = OnceLock::new();
    SHAPES.get_or_init(|| FixedImages::for_dataset("shapes", &here()).unwrap())
}

fn probed(extractor: &str) -> Probed {
    *PROBED.iter().find(|p| p.extractor == extractor).unwrap()
}

fn measured(pieces: &Pieces, extractor: &str) -> Vec<GuardedValue> {
    metrics(pieces, shapes(), &[probed(extractor)]).unwrap()
}

type Look = fn(&Pieces, &TracedRun, &Dataset) -> anyhow::Result<Vec<GuardedValue>>;

fn traced(pieces: &Pieces, methods: &[&str]) -> Vec<GuardedValue> {
    looked_at(pieces, methods, trace)
}

/// The first steps, or the end of a short run.
fn looked_at(pieces: &Pieces, methods: &[&str], look: Look) -> Vec<GuardedValue> {
    static RUNS: OnceLock<(Vec<TracedRun>, Dataset)> = OnceLock::new();
    let (runs, dataset) = RUNS.get_or_init(|| runs(&here()).unwrap());
    let wanted = runs.iter().filter(|run| methods.contains(&run.method.as_str()));
    wanted.flat_map(|run| look(pieces, run, dataset).unwrap()).collect()
}

/// What the guard says of a faulty piece beside the shipped ones, which it must call identical to
/// themselves.
fn answer(faulty: &Pieces, look: impl Fn(&Pieces) -> Vec<GuardedValue>) -> Comparison {
    let baseline = look(&Pieces::default());
    let unchanged = look(&Pieces::default());
    let same = compare(Sides { baseline: &baseline, candidate: &unchanged });
    assert_eq!(same.verdict, Verdict::Identical, "{}", text(&same, &baseline, Shown::Moved));
    let comparison = compare(Sides { baseline: &baseline, candidate: &look(faulty) });
    println!("{}", text(&comparison, &baseline, Shown::Moved));
    comparison
}

fn drifted(comparison: &Comparison) -> Vec<&str> {
    let drifted = comparison.rows.iter().filter(|line| line.verdict == Verdict::Drift);
    drifted.map(|line| line.name.as_str()).collect()
}

#[test]
#[ignore = "slow: make test-slow"]
fn swapped_real_and_fake_turn_the_guard_red() {
    let shipped = Pieces::default().measure;
    let swapped = move |m: &Measured<'_>| shipped(&Measured { real: m.fake, fake: m.real, ..*m });
    let faulty = Pieces { measure: Box::new(swapped), ..Pieces::default() };
    let comparison = answer(&faulty, |pieces| measured(pieces, "small-shapes"));
    assert_eq!(comparison.verdict.exit_code(), 3);
    let drifted = drifted(&comparison);
    assert!(drifted.contains(&"precision@small-shapes"), "{drifted:?}");
    // Symmetric, and still where it was.
    assert!(!drifted.contains(&"fid@small-shapes"), "{drifted:?}");
}

#[test]
#[ignore = "slow: make test-slow"]
fn a_resize_off_by_half_a_pixel_turns_the_guard_red() {
    // TensorFlow 1's is torch's without the half pixel.
    let torch = RESIZES.iter().find(|r| r.name == "torch-bilinear").unwrap().planes;
    let shifted = RESIZES.iter().map(|resize| match resize.name {
        "tensorflow1-bilinear" => Resize { planes: torch, ..*resize },
        _ => *resize,
    });
    let faulty = Pieces { resizes: shifted.collect(), ..Pieces::default() };
    let comparison = answer(&faulty, |pieces| resizes(pieces, shapes()));
    assert_eq!(comparison.verdict.exit_code(), 3);
    assert!(drifted(&comparison).iter().all(|name| name.starts_with("resize tensorflow1")));
}

/// An extractor under the name of another.
struct Renamed {
    inner: Box<dyn Extractor>,
    name: &'static str,
    /// Adds the classifier's bias to the logits.
    biased: bool,
}

impl Extractor for Renamed {
    fn name(&self) -> &str {
        self.name
    }
    fn weights_sha256(&self) -> &str {
        self.inner.weights_sha256()
    }
    fn feature_dim(&self) -> usize {
        self.inner.feature_dim()
    }
    fn classes(&self) -> usize {
        self.inner.classes()
    }
    fn logit_bias(&self) -> Option<&[f32]> {
        self.inner.logit_bias()
    }
    fn batch(&self) -> usize {
        self.inner.batch()
    }
    fn extract_batch(&self, images: &[ImageView<'_>]) -> Result<Features, ExtractorError> {
        let mut features = self.inner.extract_batch(images)?;
        if let Some(bias) = self.inner.logit_bias().filter(|_| self.biased) {
            features.add_to_logits(bias)?;
        }
        Ok(features)
    }
}

/// The shipped pieces with `inner` where `inception` is asked for.
fn in_place_of_inception(inner: &'static str, biased: bool) -> Pieces {
    let shipped = Pieces::default().extractor;
    let renamed = move |name: &str| -> anyhow::Result<Box<dyn Extractor>> {
        assert_eq!(name, "inception");
        Ok(Box::new(Renamed { inner: shipped(inner)?, name: "inception", biased }))
    };
    Pieces { extractor: Box::new(renamed), ..Pieces::default() }
}

#[test]
#[ignore = "slow: make test-slow"]
fn an_inception_with_the_half_pixel_resize_turns_the_guard_red() {
    let faulty = in_place_of_inception("inception-pytorch-fid", false);
    let comparison = answer(&faulty, |pieces| measured(pieces, "inception"));
    assert_eq!(comparison.verdict.exit_code(), 3);
    assert!(drifted(&comparison).contains(&"fid@made:0"));
}

#[test]
#[ignore = "slow: make test-slow"]
fn an_inception_score_of_biased_logits_turns_the_guard_red() {
    let faulty = in_place_of_inception("inception", true);
    let comparison = answer(&faulty, |pieces| measured(pieces, "inception"));
    assert_eq!(comparison.verdict.exit_code(), 3);
    let drifted = drifted(&comparison);
    let found = |name: &str| drifted.contains(&name);
    assert!(found("is@made:0") && !found("fid@made:0"), "{drifted:?}");
}

#[test]
#[ignore = "slow: make test-slow"]
fn a_covariance_divided_by_n_turns_the_guard_red() {
    let shipped = Pieces::default().measure;
    let ddof_0 = move |m: &Measured<'_>| {
        shipped(&Measured { settings: Settings { fid_divisor: Divisor::N, ..m.settings }, ..*m })
    };
    let faulty = Pieces { measure: Box::new(ddof_0), ..Pieces::default() };
    let comparison = answer(&faulty, |pieces| measured(pieces, "small-shapes"));
    assert_eq!(comparison.verdict.exit_code(), 3);
    assert_eq!(drifted(&comparison), ["fid@small-shapes"]);
}

/// The shipped pieces with a change of what a run trains by, under the plan's old id.
fn trained_by(change: impl Fn(&mut TrainPlan) + 'static) -> Pieces {
    let plan = move |run: &TracedRun| {
        let mut plan = run.train.clone();
        change(&mut plan);
        plan
    };
    Pieces { plan: Box::new(plan), ..Pieces::default() }
}

#[test]
#[ignore = "slow: make test-slow"]
fn a_dropped_loss_term_turns_the_guard_red() {
    // Computed and not added; and not computed at all.
    let unweighted = trained_by(|plan| {
        if let Some(contrastive) = &mut plan.parts.contrastive {
            contrastive.lambda_fake = 0.0;
        }
    });
    let absent = trained_by(|plan| plan.parts.contrastive = None);
    for faulty in [unweighted, absent] {
        let comparison = answer(&faulty, |pieces| traced(pieces, &["contrad"]));
        assert_eq!(comparison.verdict.exit_code(), 3);
        assert!(drifted(&comparison).contains(&"d_loss"));
    }
}

#[test]
#[ignore = "slow: make test-slow"]
fn an_average_that_is_not_applied_turns_the_guard_red_for_every_method() {
    let shipped = Pieces::default().outputs;
    let live = move |trainer: &Trainer<'_>, _: Weights| shipped(trainer, Weights::Live);
    let faulty = Pieces { outputs: Box::new(live), ..Pieces::default() };
    red_for_every_method(&faulty, "averaged generator rms");
}

#[test]
#[ignore = "slow: make test-slow"]
fn a_planted_fault_that_acts_after_the_second_step_turns_the_guard_red_at_the_end_of_a_short_run() {
    type Change = fn(&mut TrainPlan);
    let averaged = "averaged generator";
    let faults: [(&str, Change, &str); 5] = [
        ("no ramp of the average's half-life", |plan| plan.ema.ramp_up = 1e3, averaged),
        ("no bound of the half-life", |plan| plan.ema.half_life_kimg = 1e3, averaged),
        ("an average that starts too late", |plan| plan.ema.start_kimg = 0.15, averaged),
        (
            "no warm-up of the learning rates",
            |plan| plan.parts.lr_warmup_share = 0.0,
            "generator moved rms",
        ),
        ("a step too few", |plan| plan.budget.amount -= 1.0, "d_grad_norm"),
    ];
    for (what, change, name) in faults {
        let comparison =
            answer(&trained_by(change), |pieces| looked_at(pieces, &["gan", "kdd"], end));
        assert_eq!(comparison.verdict.exit_code(), 3, "{what}");
        for method in ["gan", "kdd"] {
            let of_name = comparison.rows.iter().filter(|line| line.name.starts_with(name));
            let mut of_method = of_name.filter(|line| line.method == method);
            assert!(of_method.any(|line| line.verdict == Verdict::Drift), "{what}, {method}");
        }
    }
}

/// Batch statistics where running ones are wanted.
struct WrongMode<'a>(&'a dyn Generator);

impl Generator for WrongMode<'_> {
    fn forward(&self, latent: &Latent, pass: Pass) -> candle_core::Result<candle_core::Tensor> {
        let pass = if pass == Pass::Eval { Pass::Train } else { pass };
        self.0.forward(latent, pass)
    }
}

#[test]
#[ignore = "slow: make test-slow"]
fn batch_norm_in_the_wrong_mode_turns_the_guard_red_for_every_method() {
    let faulty = Pieces {
        outputs: Box::new(|trainer, weights| {
            let sampler = trainer.sampler(weights == Weights::Live);
            let wrong = WrongMode(sampler.generator());
            sampler.through(&wrong).outputs(SampleRequest { n: 32, seed: 0, class: None })
        }),
        ..Pieces::default()
    };
    red_for_every_method(&faulty, "averaged generator rms");
}

fn red_for_every_method(faulty: &Pieces, name: &str) {
    let all: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
    let comparison = answer(faulty, |pieces| traced(pieces, &all));
    assert_eq!(comparison.verdict.exit_code(), 3);
    for method in all {
        let line = comparison.rows.iter().find(|l| l.method == method && l.name == name).unwrap();
        assert_eq!(line.verdict, Verdict::Drift, "{method}");
    }
}
