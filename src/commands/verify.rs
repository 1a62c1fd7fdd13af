//! `ganbench verify-extractor`: the reference packages' own check values, on the machine at hand.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_baselines::data::{self, DatasetRequest, Split};
use ganbench_metrics::fid::{FewSamples, FidInput, fid, fid_of_few};
use ganbench_metrics::kid::{self, KidInput, kid};
use ganbench_metrics::numpy_random::RandomState;
use ganbench_metrics::{Features, Statistics, inception_score};
use ganbench_nn::images::{ImageBatch, ImageSize};
use serde::Serialize;

use super::eval::ExtractorArgs;
use crate::machine::UsageError;
use crate::progress::Progress;

/// Computes the values that torch-fidelity publishes for subsets of CIFAR-10 and prints them beside their
/// targets. Exit code 1 if one is missed. DIR of --data holds cifar10/ as the hub has it, or the binary files
/// of the original archive. There are no targets for other weights or other images.
#[derive(Debug, Args)]
pub struct VerifyArgs {
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

/// This program's own values with made weights, seed 0, on that copy. torch-fidelity on Pillow's decoding of
/// the same JPEG files, which differs by a grey level here and there, gives 1.046275, 1.054188, 0.013912,
/// 0.509400, -0.000746, 0.006053 (metrics/tests-data/verify_golden.py).
const MADE_0: &[(&str, f64, f64)] = &[
    ("is_100", 1.046_330_545_341_825_7, 1e-5),
    ("is_256", 1.054_228_215_258_75, 1e-5),
    ("is_256_std", 0.013_933_617_132_536_068, 1e-5),
    ("fid_256", 0.508_739_902_266_299_3, 1e-5),
    ("kid_256", -0.000_747_139_348_418_421_9, 1e-6),
    ("kid_256_std", 0.006_039_516_546_052_407, 1e-6),
];

/// First labels of the files of the original archive: data_batch_1 to data_batch_5.
const FIRST_LABELS: [[u32; 10]; 5] = [
    [6, 9, 9, 4, 1, 1, 2, 7, 8, 3],
    [1, 6, 6, 8, 8, 3, 4, 6, 0, 6],
    [8, 5, 0, 6, 9, 2, 8, 3, 6, 2],
    [0, 6, 0, 2, 7, 2, 1, 2, 4, 1],
    [1, 8, 5, 1, 5, 7, 4, 3, 8, 2],
];
/// Images of a file of the original archive, and bytes of an image in it.
const FILE: usize = 10_000;
const RECORD: usize = 1 + 3 * 32 * 32;

/// # Errors
/// If the data or the weights cannot be had, or a value misses its target.
pub fn run(args: &VerifyArgs) -> Result<()> {
    if args.name != "inception" {
        let text =
            format!("there are no published check values for \"{}\"; known: inception", args.name);
        return Err(UsageError::new(text).into());
    }
    let ready = args.extractor.ready(&args.name)?;
    let extractor = ready.extractor.as_ref();
    let cifar10 = Cifar10::load(args.extractor.data.clone())?;
    let targets = cifar10.targets(extractor.weights_sha256()).unwrap_or_else(|why| {
        eprintln!("note: {why}; there are no targets");
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
            println!("{}", serde_json::to_string(&check)?);
        } else {
            let target = target.map_or("no target".to_string(), |t| {
                format!("target {} within {:e}", t.value, t.tolerance)
            });
            let verdict = match ok {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            };
            println!("{name:<14} {value:<24} {target:<44} {verdict}");
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
        let fid = if real.len() < real.dim() && fake.len() < fake.dim() {
            fid_of_few(FewSamples { real, fake })?
        } else {
            let (real, fake) = (Statistics::of(real)?, Statistics::of(fake)?);
            fid(FidInput { real: &real, fake: &fake })?
        };
        let options = kid::Options { subset: kid_subset, ..kid::Options::default() };
        let kid = kid(KidInput { real, fake }, options)?;
        Ok([is.mean, is.std, fid, kid.mean, kid.std])
    }
}

fn scores(features: &Features) -> Result<inception_score::InceptionScore> {
    let Some(logits) = features.logit_rows() else { bail!("the extractor gives no logits") };
    Ok(inception_score::inception_score(logits, inception_score::Options::default())?)
}

/// CIFAR-10, in the order of the original archive where it is that.
struct Cifar10 {
    train: ImageBatch,
    test: ImageBatch,
    /// Row of the training split for each index of the original order; None for a copy that was shuffled.
    order: Option<Vec<usize>>,
    /// Of the data set as the hub has it: training and test split.
    sha256: Option<[String; 2]>,
}

impl Cifar10 {
    /// From the original binary files in `root`, else as any data set.
    fn load(root: Option<PathBuf>) -> Result<Self> {
        for folder in root.iter().flat_map(|root| [root.join("cifar-10-batches-bin"), root.clone()])
        {
            if folder.join("data_batch_1.bin").is_file() {
                return Self::original(&folder);
            }
        }
        let load = |split| {
            let mut request = DatasetRequest::new("cifar10", split);
            request.root = root.clone();
            data::load(&request, &mut |_| {})
        };
        let (train, test) = (load(Split::Train)?, load(Split::Test)?);
        let order = original_order(train.images.labels.as_deref().unwrap_or_default());
        let sha256 = Some([train.sha256, test.sha256]);
        Ok(Self { train: train.images, test: test.images, order, sha256 })
    }

    /// The binary version of <https://www.cs.toronto.edu/~kriz/cifar.html>: a label and 3x32x32 planes an
    /// image.
    fn original(folder: &Path) -> Result<Self> {
        let read = |names: &[String]| -> Result<ImageBatch> {
            let size = ImageSize::new(32, 32, 3);
            let (mut pixels, mut labels) = (Vec::new(), Vec::new());
            for name in names {
                let path = folder.join(name);
                let bytes = std::fs::read(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                if bytes.len() != FILE * RECORD {
                    bail!(
                        "{} has {} bytes, expected {FILE} images of {RECORD}",
                        path.display(),
                        bytes.len()
                    );
                }
                for record in bytes.chunks_exact(RECORD) {
                    labels.push(u32::from(record[0]));
                    let planes = &record[1..];
                    pixels.extend(
                        (0..1024).flat_map(|i| [planes[i], planes[1024 + i], planes[2048 + i]]),
                    );
                }
            }
            Ok(ImageBatch::new(size, pixels, Some(labels), None)?)
        };
        let train = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect::<Vec<_>>();
        let train = read(&train)?;
        let test = read(&["test_batch.bin".to_string()])?;
        let order = original_order(train.labels.as_deref().unwrap_or_default());
        Ok(Self { train, test, order, sha256: None })
    }

    /// The subset that torch-fidelity's `util_dump_dataset_as_images.py` takes.
    fn chosen(&self, split: Split, n: usize) -> Result<ImageBatch> {
        let images = match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        };
        if images.len() < n {
            bail!(
                "{n} images of cifar10 {split} are needed, got {}; use the whole data set",
                images.len()
            );
        }
        let mut rows = RandomState::new(2020).choice(images.len(), n);
        // It writes files named by their indices, which are read back in the order of their names.
        rows.sort_unstable();
        if let (Split::Train, Some(order)) = (split, &self.order) {
            rows.iter_mut().for_each(|row| *row = order[*row]);
        }
        Ok(images.select(&rows))
    }

    /// What is to be met with these weights, and why nothing where it is nothing.
    fn targets(&self, weights: &str) -> Result<&'static [(&'static str, f64, f64)], String> {
        let copy = self.sha256.as_ref().is_some_and(|sha256| *sha256 == MADE_0_DATA);
        match (weights, &self.order) {
            (WEIGHTS, Some(_)) => Ok(PUBLISHED),
            (WEIGHTS, None) => {
                Err("the training images are not those of the original archive".into())
            }
            ("made:0", _) if copy => Ok(MADE_0),
            (other, _) => Err(format!("weights {other} are not the published ones")),
        }
    }
}

/// The hub's copy holds the archive's five training files in another order: found by their first labels.
fn original_order(labels: &[u32]) -> Option<Vec<usize>> {
    let files: Vec<&[u32]> = labels.chunks_exact(FILE).collect();
    let mut order = Vec::with_capacity(labels.len());
    for first in FIRST_LABELS.iter().filter(|_| labels.len() == FIRST_LABELS.len() * FILE) {
        let place = files.iter().position(|file| file.starts_with(first))?;
        order.extend(place * FILE..(place + 1) * FILE);
    }
    Some(order).filter(|order| order.len() == labels.len() && !order.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_first_labels_and_others_taken_as_they_lie() {
        let mut labels = vec![0; 5 * FILE];
        // As the hub has them, as far as it is known: data_batch_4 first.
        for (place, number) in [3, 0, 1, 4, 2].into_iter().enumerate() {
            labels[place * FILE..place * FILE + 10].copy_from_slice(&FIRST_LABELS[number]);
        }
        let order = original_order(&labels).unwrap();
        assert_eq!([0, 1, 2, 3, 4].map(|file| order[file * FILE] / FILE), [1, 2, 4, 0, 3]);
        labels[0] = 9;
        assert!(original_order(&labels).is_none());
        assert!(original_order(&labels[..FILE]).is_none());
    }

    #[test]
    fn the_original_binary_files_are_read_pixel_by_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = vec![0u8; FILE * RECORD];
        // Label 6, then red 10, green 20, blue 30 of the first pixel.
        (file[0], file[1], file[1 + 1024], file[1 + 2048]) = (6, 10, 20, 30);
        let names = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]);
        names.for_each(|name: String| std::fs::write(folder.path().join(name), &file).unwrap());
        let cifar10 = Cifar10::load(Some(folder.path().to_owned())).unwrap();
        assert_eq!((cifar10.train.len(), cifar10.test.len()), (50_000, 10_000));
        assert_eq!(cifar10.test.image(0)[..3], [10, 20, 30]);
        assert_eq!(cifar10.train.labels.as_ref().unwrap()[FILE], 6);
        assert_eq!(
            cifar10.targets(WEIGHTS).unwrap_err(),
            "the training images are not those of the original archive"
        );
        std::fs::write(folder.path().join("test_batch.bin"), &file[1..]).unwrap();
        let error = Cifar10::load(Some(folder.path().to_owned())).err().unwrap().to_string();
        assert!(error.ends_with("has 30729999 bytes, expected 10000 images of 3073"), "{error}");
    }
}
