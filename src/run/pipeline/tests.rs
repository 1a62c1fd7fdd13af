use std::path::Path;

use candle_core::Device;
use ganbench_data::images::ImageView;
use ganbench_metrics::{Extractor, ExtractorError, Features};

use super::*;
use crate::plan::recipe::Recipe;
use crate::plan::{assignment, merge};
use crate::run::reals::RealImages;
use crate::run::session::{Surroundings, load_dataset, load_extractor, real_reference};

/// An extractor whose work ends in a panic of one of its threads after so many images.
struct Panics {
    sound: Box<dyn Extractor>,
    images: std::sync::atomic::AtomicUsize,
    sound_images: usize,
}

impl Extractor for Panics {
    fn name(&self) -> &str {
        self.sound.name()
    }

    fn weights_sha256(&self) -> &str {
        self.sound.weights_sha256()
    }

    fn feature_dim(&self) -> usize {
        self.sound.feature_dim()
    }

    fn classes(&self) -> usize {
        self.sound.classes()
    }

    fn recognises(&self) -> bool {
        self.sound.recognises()
    }

    fn batch(&self) -> usize {
        self.sound.batch()
    }

    fn extract_batch(&self, images: &[ImageView<'_>]) -> Result<Features, ExtractorError> {
        let before = self.images.fetch_add(images.len(), std::sync::atomic::Ordering::SeqCst);
        if before + images.len() > self.sound_images {
            rayon::join(|| (), || panic!("a planted defect"));
        }
        self.sound.extract_batch(images)
    }
}

fn rows(folder: &RunFolder) -> Vec<(String, String, Option<f64>)> {
    let rows = folder.scores().unwrap().into_iter();
    rows.map(|row| (row.checkpoint, row.metric, row.value)).collect()
}

#[test]
fn a_panic_of_a_worker_is_an_error_and_the_run_goes_on_from_its_checkpoint() {
    let mut recipe = Recipe::by_name("table1").unwrap();
    for text in [
        "dataset.limit=200",
        "train.batch=16",
        "train.network.width=4",
        "train.budget.unit=g_steps",
        "train.budget.amount=6",
        "evaluation.n_fake=30",
        "evaluation.n_fake_curve=30",
        "evaluation.curve_points=3",
    ] {
        merge(&mut recipe.plan, &assignment(text).unwrap());
    }
    let mut plan = recipe.plan("gan", 0).unwrap();
    let at = Surroundings { data: None, weights: None, device: Device::Cpu, quiet: true };
    let dataset = load_dataset(&mut plan.dataset, &at).unwrap();
    let mut extractor = || load_extractor(&mut plan.evaluation, "shapes", &at).unwrap();
    let (sound, planted) = (extractor(), extractor());
    // The reals and two points of the curve go well.
    let planted = Panics { sound: planted, images: 0.into(), sound_images: 260 };
    let real = RealImages::new(&plan, &dataset, None).unwrap();
    let sound = real_reference(&plan, sound, &real, true).unwrap();
    let planted = real_reference(&plan, Box::new(planted), &real, true).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let provenance = Provenance {
        version: String::new(),
        commit: String::new(),
        command: String::new(),
        os: String::new(),
        arch: String::new(),
        cpu: String::new(),
        simd: String::new(),
        threads: 1,
        device: "cpu".into(),
        started_unix_s: 0,
        uneven_classes: None,
        trained_further_from: None,
    };
    let go = |evaluator: &Evaluator, to: &Path| {
        let folder = RunFolder::at(to);
        let input = RunInput {
            plan: &plan,
            dataset: &dataset,
            test: None,
            evaluator,
            device: &Device::Cpu,
            folder: &folder,
            provenance: &provenance,
            interrupt: &Interrupt::default(),
            quiet: true,
        };
        run(&input).map(|()| rows(&folder))
    };
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    let expected = go(&sound, &whole).unwrap();
    let error = go(&planted, &cut).unwrap_err();
    assert!(error.is::<Panicked>());
    assert!(error.to_string().starts_with("ganbench itself failed (a planted defect)"), "{error}");
    let kept = rows(&RunFolder::at(&cut));
    assert!(!kept.is_empty() && expected[..kept.len()] == kept, "{kept:?}");
    assert_eq!(go(&sound, &cut).unwrap(), expected);
}
