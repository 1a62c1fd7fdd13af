//! `ganbench extractor verify`: the reference packages' own check values, on the machine at hand.

mod cifar10;

use anyhow::{Result, bail};
use cifar10::Cifar10;
use clap::Args;
use ganbench_data::Split;
use ganbench_metrics::fid::{FewSamples, fid_of_rows};
use ganbench_metrics::kid::{self, KidInput, kid};
use ganbench_metrics::{Features, inception_score};
use serde::Serialize;

use super::extraction::ExtractorArgs;
use crate::machine::UsageError;
use crate::progress::Progress;

/// Computes the values that torch-fidelity publishes for subsets of CIFAR-10 and prints them beside
/// their targets. Exit code 1 if one is missed. DIR of --data holds cifar10/ as the hub has it, or
/// the binary files of the original archive. There are no targets for other weights or other
/// images.
#[derive(Debug, Args)]
pub struct VerifyExtractorArgs {
    /// inception
    pub name: String,
    /// Leave out the 5000 against 5000 images, which take most of the time
    #[arg(long)]
    pub quick: bool,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// A value to be met.
#[derive(Clone, Copy, Debug, Serialize)]
struct Target {
    value: f64,
    tolerance: f64,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    value: f64,
    target: Option<Target>,
    ok: Option<bool>,
}

/// The values of torch-fidelity 0.4.0 with the published weights: `tests/tf1/numerical_precision`,
/// `.circleci/smoke_tests.py`, `tests/tf1/test_versions.py`.
const PUBLISHED: &[(&str, f64, f64)] = &[
    ("is_100", 4.510_897_845_872_68, 1e-4),
    ("is_256", 6.675_409_920_681_458, 1e-3),
    ("is_256_std", 0.939_966_836_838_117_4, 1e-3),
    ("fid_256", 110.280_826_172_024_43, 1e-2),
    ("kid_256", -0.000_679_252_185_518_790_5, 1e-4),
    ("kid_256_std", 0.001_777_823_158_829_437_9, 1e-4),
    ("is_5000", 10.750_51, 1e-3),
    ("is_5000_std", 0.577_872_3, 1e-3),
    ("fid_5000", 10.323_327_4, 1e-4),
    ("kid_5000", -2.907_863e-5, 1e-7),
    ("kid_5000_std", 1.023_118e-4, 1e-6),
];

const WEIGHTS: &str = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2";

/// Hashes of the copy of CIFAR-10 that [`MADE_0`] was computed on: re-encoded and shuffled.
const MADE_0_DATA: [&str; 2] = [
    "02951df861d2574df67f110db22d91bf375a9cd6c985a9e08fd7208851eb82e9",
    "5b34f919601f79a493b032d94a1367595c2dca64fa77a29e3131b57fa46b4f40",
];

/// This program's own values with made weights, seed 0, on that copy. torch-fidelity gives
/// 1.046275, 1.054188, 0.013912, 0.509400, -0.000746, 0.006053
/// (metrics/tests-data/verify_golden.py).
const MADE_0: &[(&str, f64, f64)] = &[
    ("is_100", 1.046_275_083_854_578, 1e-5),
    ("is_256", 1.054_187_894_479_006, 1e-5),
    ("is_256_std", 0.013_911_767_218_724_372, 1e-5),
    ("fid_256", 0.509_472_977_874_253_3, 1e-5),
    ("kid_256", -0.000_745_939_967_827_338_2, 1e-6),
    ("kid_256_std", 0.006_053_492_259_832_731, 1e-6),
];

/// # Errors
/// If the data or the weights cannot be had, or a value misses its target.
pub fn run(args: &VerifyExtractorArgs) -> Result<()> {
    if args.name != "inception" {
        let text =
            format!("there are no published check values for \"{}\"; known: inception", args.name);
        return Err(UsageError::new(text).into());
    }
    let ready = args.extractor.ready(&args.name)?;
    let extractor = ready.extractor.as_ref();
    let cifar10 = Cifar10::load(args.extractor.data.clone())?;
    let targets = targets(&cifar10, extractor.weights_sha256()).unwrap_or_else(|why| {
        tell!("note: {why}; there are no targets");
        &[]
    });
    let (mut missed, mut done) = (0, 0);
    let mut tell = |name: &'static str, value: f64| -> Result<()> {
        let target = targets.iter().find(|(of, ..)| *of == name);
        let target = target.map(|&(_, value, tolerance)| Target { value, tolerance });
        let ok = target.map(|t| (value - t.value).abs() <= t.tolerance);
        missed += usize::from(ok == Some(false));
        done += usize::from(ok.is_some());
        let check = Check { check: name, value, target, ok };
        if args.json {
            crate::cli::tell::json(&check)?;
        } else {
            let target = target.map_or("no target".to_string(), |t| {
                format!("target {} within {:e}", t.value, t.tolerance)
            });
            let verdict = match ok {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            };
            say!("{name:<14} {value:<24} {target:<44} {verdict}");
        }
        Ok(())
    };
    let features = |split: Split, n: usize| -> Result<Features> {
        let images = cifar10.chosen(split, n)?;
        let label = format!("{n} images of {split}");
        let mut bar = Progress::new(label, n as f64, args.extractor.quiet);
        let features = extractor.extract(&images, &mut |done, n| {
            bar.set(done as f64, &format!("{done}/{n}"));
        })?;
        bar.finish("done");
        Ok(features)
    };

    let few = features(Split::Train, 100)?;
    tell("is_100", scores(&few)?.mean)?;
    let pair = Pair { fake: features(Split::Train, 256)?, real: features(Split::Test, 256)? };
    let names = ["is_256", "is_256_std", "fid_256", "kid_256", "kid_256_std"];
    for (name, value) in names.into_iter().zip(pair.values(64)?) {
        tell(name, value)?;
    }
    if !args.quick {
        let pair = Pair { fake: features(Split::Train, 5000)?, real: features(Split::Test, 5000)? };
        let names = ["is_5000", "is_5000_std", "fid_5000", "kid_5000", "kid_5000_std"];
        for (name, value) in names.into_iter().zip(pair.values(1000)?) {
            tell(name, value)?;
        }
    }
    if missed > 0 {
        bail!(
            "{missed} of {done} values miss their targets: features here are not the reference's"
        );
    }
    Ok(())
}

/// Training images stand for fakes, as in torch-fidelity's tests.
struct Pair {
    real: Features,
    fake: Features,
}

impl Pair {
    /// IS and its deviation, FID, KID and its deviation.
    fn values(&self, kid_subset: usize) -> Result<[f64; 5]> {
        let (real, fake) = (self.real.pool_rows(), self.fake.pool_rows());
        let is = scores(&self.fake)?;
        let fid = fid_of_rows(FewSamples { real, fake })?;
        let options = kid::Options { subset: kid_subset, ..kid::Options::default() };
        let kid = kid(KidInput { real, fake }, options)?;
        Ok([is.mean, is.std, fid, kid.mean, kid.std])
    }
}

fn scores(features: &Features) -> Result<inception_score::InceptionScore> {
    let Some(logits) = features.logit_rows() else { bail!("the extractor gives no logits") };
    Ok(inception_score::inception_score(logits, inception_score::Options::default())?)
}

/// What is to be met with these weights, and why nothing where it is nothing.
fn targets(
    cifar10: &Cifar10,
    weights: &str,
) -> Result<&'static [(&'static str, f64, f64)], String> {
    let copy = cifar10.sha256.as_ref().is_some_and(|sha256| *sha256 == MADE_0_DATA);
    match (weights, &cifar10.order) {
        (WEIGHTS, Some(_)) => Ok(PUBLISHED),
        (WEIGHTS, None) => Err("the training images are not those of the original archive".into()),
        ("made:0", _) if copy => Ok(MADE_0),
        (other, _) => Err(format!("weights {other} are not the published ones")),
    }
}
