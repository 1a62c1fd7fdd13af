//! The embedded extractors, and the network that they share.

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::shapes::{KIND_COUNTS, ShapeFactors};
use ganbench_data::{Dataset, DatasetRequest, Split, load as load_data};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::ParamStore;

use super::network::Classifier;
use super::*;
use crate::families::fid::{FidInput, fid};
use crate::numerics::statistics::Statistics;
use crate::weights::WeightTensor;
use crate::{ExtractorOptions, ExtractorRequest, load_with};

/// What `table1` evaluates with: nothing of the environment.
fn embedded() -> WeightsSource {
    WeightsSource::Published { file: None, variable: None, download: false }
}

fn extractor(name: &str, batch: usize) -> Box<dyn Extractor> {
    let options = ExtractorOptions { batch, ..ExtractorOptions::default() };
    load_with(name, &embedded(), &options).unwrap()
}

fn split(dataset: &str, n: usize) -> Dataset {
    let limit = Some(n);
    let request = DatasetRequest { limit, ..DatasetRequest::new(dataset, Split::Test) };
    load_data(&request, &mut |_| {}).unwrap()
}

fn features(extractor: &dyn Extractor, images: &ImageBatch) -> Features {
    extractor.extract(images, &mut |_, _| {}).unwrap()
}

#[test]
fn the_folded_network_is_the_trained_one_up_to_rounding() {
    let device = Device::Cpu;
    let store = ParamStore::new("extractor", 5, &device);
    let network = Classifier::new(&store, Heads::Factors).unwrap();
    let images = split("shapes", 32).images;
    let x = Tensor::from_vec(scaled(&images.views(0..32)), (32, 3, SIDE, SIDE), &device).unwrap();
    // Moves the running statistics off their initial 0 and 1.
    for _ in 0..3 {
        network.forward(&x, Pass::Train).unwrap();
    }
    let trained = network.forward(&x, Pass::Eval).unwrap();
    let [logits, factors] = [Some(trained.logits), trained.factors]
        .map(|scores| scores.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap());
    let tensors = store.state().unwrap().into_iter().map(|(name, t)| {
        let (shape, values) = (t.dims().to_vec(), t.flatten_all().unwrap().to_vec1().unwrap());
        (name, WeightTensor { shape, values })
    });
    let folded = Folded::new(&tensors.collect(), &device).unwrap();
    let folded = folded.forward(scaled(&images.views(0..32))).unwrap();
    for (folded, trained) in [(folded.logits, logits), (folded.factors.unwrap(), factors)] {
        let largest = trained.iter().fold(0f32, |a, b| a.max(b.abs()));
        assert_eq!(folded.len(), trained.len());
        for (a, b) in folded.iter().zip(&trained) {
            // Sums of up to 864 products in f32, four layers deep.
            assert!((a - b).abs() < 1e-5 * largest, "{a} {b}");
        }
    }
}

#[test]
fn features_are_the_same_to_the_bit_for_any_batch_size_and_number_of_images() {
    let images = split("shapes", 37).images;
    let all = features(&*extractor("small-shapes", 100), &images);
    for batch in [1, 16, 33] {
        assert_eq!(features(&*extractor("small-shapes", batch), &images), all);
    }
    let last = features(&*extractor("small-shapes", 100), &images.select(&[36]));
    assert_eq!(last.pool(), &all.pool()[36 * DIM..]);
    assert!(features(&*extractor("small-shapes", 100), &images.take(0)).is_empty());
}

#[test]
fn a_grey_image_counts_as_its_colour_image() {
    let grey: Vec<u8> = (0..32 * 32).map(|i| (i % 251) as u8).collect();
    let colour = grey.iter().flat_map(|&v| [v; 3]).collect();
    let batch = |channels, pixels| {
        ImageBatch::new(ImageSize::new(32, 32, channels), pixels, None, None).unwrap()
    };
    let mnist = extractor("small-mnist", 16);
    assert_eq!(features(&*mnist, &batch(1, grey)), features(&*mnist, &batch(3, colour)));
}

#[test]
fn progress_counts_the_images_from_0_to_all() {
    let mut seen = Vec::new();
    let images = split("shapes", 40).images;
    let extractor = extractor("small-shapes", 16);
    extractor.extract(&images, &mut |done, all| seen.push((done, all))).unwrap();
    assert_eq!(seen, [(0, 40), (16, 40), (32, 40), (40, 40)]);
}

#[test]
fn no_feature_is_dead_and_noise_moves_them_further_than_another_sample() {
    let images = split("shapes", 1200).images;
    let rows = |range: std::ops::Range<usize>| images.select(&range.collect::<Vec<_>>());
    let extractor = extractor("small-shapes", 96);
    let real = Statistics::from_rows(features(&*extractor, &rows(0..600)).pool_rows()).unwrap();
    let variances: Vec<f64> = (0..DIM).map(|i| real.covariance()[i * DIM + i]).collect();
    let (least, most) = variances
        .iter()
        .fold((f64::INFINITY, 0f64), |(least, most), &v| (least.min(v), most.max(v)));
    // Deviations within a factor of 30 of one another.
    assert!(least > most / 900.0, "variances {least:e} to {most:e}");

    let distance = |images: &ImageBatch| {
        let fake = Statistics::from_rows(features(&*extractor, images).pool_rows()).unwrap();
        fid(FidInput { real: &real, fake: &fake }).unwrap()
    };
    let mut stream = ganbench_data::rng::Stream::new(0, "test");
    let mut noisy = rows(600..1200);
    for pixel in noisy.pixels.iter_mut() {
        *pixel = (f64::from(*pixel) + stream.range(-40.0, 40.0)).clamp(0.0, 255.0) as u8;
    }
    let (sample, noisy) = (distance(&rows(600..1200)), distance(&noisy));
    assert!(noisy > 3.0 * sample, "sample {sample}, noisy {noisy}");
}

/// 500 test images are as well told apart as the card says of all, less 3 points: two standard
/// deviations of a binomial share at 0.87, more above.
fn agrees_with_its_card(dataset: &str, name: &str) {
    let data = split(dataset, 500);
    let features = features(&*extractor(name, 100), &data.images);
    let labels = data.images.labels.unwrap();
    let right = features
        .logit_rows()
        .unwrap()
        .values()
        .chunks_exact(CLASSES)
        .zip(&labels)
        .filter(|(row, label)| row.iter().all(|v| *v <= row[**label as usize]));
    let share = right.count() as f64 / 500.0;
    let card = card(&format!("small-{dataset}"), Some(extractor(name, 16).weights_sha256()))
        .unwrap()
        .unwrap();
    assert!(share >= card.test_accuracy - 0.03, "{share}, card {}", card.test_accuracy);
    assert_eq!(card.dataset, dataset);
}

#[test]
fn small_shapes_is_as_accurate_as_its_card_says() {
    agrees_with_its_card("shapes", "small-shapes");
}

#[test]
fn small_cifar10_and_small_mnist_are_as_accurate_as_their_cards_say() {
    let Some(root) = std::env::var_os("GANBENCH_DATA").map(PathBuf::from) else {
        eprintln!("skipped: $GANBENCH_DATA, which holds cifar10/ and mnist/, is not set");
        return;
    };
    for (dataset, name) in [
        ("cifar10", "small-cifar10"),
        ("cifar10", "small-cifar10:17381cf3"),
        ("mnist", "small-mnist"),
    ] {
        if root.join(dataset).is_dir() {
            agrees_with_its_card(dataset, name);
        } else {
            eprintln!("skipped: $GANBENCH_DATA holds no {dataset}/");
        }
    }
}

#[test]
fn every_embedded_file_is_under_1_mb_and_in_the_model_card_by_its_hash() {
    let cards = include_str!("../../../weights/README.md");
    for entry in ENTRIES {
        let newest = extractor(entry.name, 16);
        assert_eq!((newest.name(), newest.classes()), (entry.name, entry.classes));
        assert_eq!(newest.feature_dim(), entry.feature_dim);
        for sha256 in entry.versions() {
            let version = extractor(&format!("{}:{sha256}", entry.name), 16);
            assert_eq!(version.weights_sha256(), sha256);
            assert!(cards.contains(&sha256), "{}: {sha256}", entry.name);
            let card = card(entry.name, Some(sha256.as_str())).unwrap().unwrap();
            assert!(cards.contains(&card.train.sha256), "{}: train split", entry.name);
            let accuracy = format!("{:.2} %", 100.0 * card.test_accuracy);
            assert!(cards.contains(&accuracy), "{}: {accuracy}", entry.name);
            // An accuracy on images that a recipe was chosen by says less.
            assert_eq!(card.held_out, None, "{}: {sha256}", entry.name);
        }
        assert_eq!(entry.versions()[0], newest.weights_sha256());
    }
    assert!(EMBEDDED.iter().flat_map(|e| e.files).all(|file| file.len() < 1_000_000));
    assert!(card("inception", None).unwrap().is_none());
}

/// Two files as the versions of one extractor.
const TWO: Embedded =
    Embedded { name: "small-cifar10", files: &[MNIST.files[0], CIFAR10.files[0]] };

#[test]
fn of_several_files_the_first_is_the_newest_and_a_pin_gives_the_one_of_its_hash() {
    let hashes = TWO.hashes();
    let loaded = |pin: Option<&str>| {
        let asked = ExtractorRequest { name: TWO.name, pin: pin.map(str::to_string) };
        let options = ExtractorOptions::default();
        load(&TWO, LoadRequest { source: &embedded(), asked: &asked, options: &options })
    };
    for (pin, sha256) in [
        (None, &hashes[0]),
        (Some(&hashes[0][..8]), &hashes[0]),
        (Some("17381cf3"), &hashes[1]),
        (Some(hashes[1].as_str()), &hashes[1]),
    ] {
        let version = loaded(pin).unwrap();
        assert_eq!((version.name(), version.weights_sha256()), (TWO.name, sha256.as_str()));
    }
    assert_eq!(
        loaded(Some("deadbeef")).err().unwrap().to_string(),
        format!(
            "small-cifar10 has no version deadbeef; versions: {} (the newest), 17381cf3",
            &hashes[0][..8]
        )
    );
}

#[test]
fn the_recipe_of_a_data_set_is_that_of_its_newest_extractor() {
    for dataset in ["shapes", "cifar10", "mnist"] {
        let card = card(&format!("small-{dataset}"), None).unwrap().unwrap();
        assert_eq!(card.recipe, Recipe::for_dataset(dataset), "{dataset}");
    }
}

#[test]
fn images_of_another_size_are_refused_with_the_way_out() {
    let of = |size: ImageSize| ImageBatch::new(size, vec![0; size.bytes()], None, None).unwrap();
    let refused = |size| {
        let extractor = extractor("small-shapes", 16);
        extractor.extract(&of(size), &mut |_, _| {}).unwrap_err().to_string()
    };
    assert_eq!(
        refused(ImageSize::new(64, 64, 3)),
        "small-shapes takes 32x32 images, got 64x64x3; use the extractor inception for other sizes"
    );
    assert_eq!(
        refused(ImageSize::new(32, 32, 4)),
        "small-shapes cannot take 32x32x4 images; expected 1 or 3 channels"
    );
}

#[test]
fn a_file_takes_the_place_of_the_embedded_weights_and_made_weights_do_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    std::fs::write(&path, MNIST.files[0]).unwrap();
    let file = |path: &PathBuf| WeightsSource::Published {
        file: Some(path.clone()),
        variable: None,
        download: false,
    };
    let own = crate::load("small-cifar10", &file(&path)).unwrap();
    assert_eq!(own.weights_sha256(), extractor("small-mnist", 16).weights_sha256());
    assert!(!own.recognises());
    // A network of shapes tells more than classes.
    assert!(crate::load("small-shapes", &file(&path)).is_err());
    std::fs::write(&path, SHAPES.files[0]).unwrap();
    assert!(crate::load("small-shapes", &file(&path)).unwrap().recognises());

    std::fs::write(&path, &SHAPES.files[0][..1000]).unwrap();
    let error = crate::load("small-shapes", &file(&path)).err().unwrap().to_string();
    assert!(error.contains("own.safetensors are no valid safetensors file"), "{error}");

    let error = crate::load("small-shapes", &WeightsSource::Made { seed: 0 }).err().unwrap();
    assert_eq!(
        error.to_string(),
        "extractor \"small-shapes\" has no made weights; they exist for inception, dinov2 and clip only"
    );
}

#[test]
fn real_images_of_shapes_are_recognised_as_what_they_were_drawn_from() {
    let data = split("shapes", 500);
    let features = features(&*extractor("small-shapes", 64), &data.images);
    let truth = data.images.factors.unwrap();
    let (truth, _) = truth.values.as_chunks();
    let found = features.recognitions().unwrap();
    let recognised = found.iter().filter(|r| r.is_recognised()).count();
    // 99 % even of those that are not refined.
    assert!(recognised >= 495, "{recognised}");
    // 99 % by the definition of the threshold, within three standard deviations of the share.
    let faithful = found.iter().filter(|r| r.is_faithful()).count();
    assert!((488..500).contains(&faithful), "{faithful}");
    for (recognition, values) in found.iter().zip(truth) {
        let truth = ShapeFactors::from_values(values);
        if recognition.is_faithful() {
            assert_eq!(recognition.factors.mode(), truth.mode());
            assert!((recognition.factors.x - truth.x).abs() < 0.03);
        }
    }
}

#[test]
fn of_10_000_recognised_test_images_two_at_most_were_taken_for_another_kind() {
    let card = card("small-shapes", None).unwrap().unwrap().factors.unwrap();
    assert!(card.mode_accuracy > 0.999, "{}", card.mode_accuracy);
    for (table, count) in card.confusion.iter().zip(KIND_COUNTS) {
        assert_eq!(table.len(), count);
        let diagonal: u32 = (0..count).map(|kind| table[kind][kind]).sum();
        let all: u32 = table.iter().flatten().sum();
        assert!(all >= 9_990 && all - diagonal <= 2, "{diagonal} of {all}");
    }
}

#[test]
fn noise_and_other_pictures_are_not_recognised() {
    let mut noisy = split("shapes", 100).images;
    let mut stream = ganbench_data::rng::Stream::new(0, "test");
    let noise = stream.normal(noisy.pixels.len());
    for (pixel, noise) in noisy.pixels.iter_mut().zip(noise) {
        *pixel = (f32::from(*pixel) + 60.0 * noise).clamp(0.0, 255.0) as u8;
    }
    let grey = ImageBatch::new(ImageSize::new(32, 32, 1), vec![128; 1024], None, None).unwrap();
    for images in [noisy, grey] {
        let features = features(&*extractor("small-shapes", 64), &images);
        assert!(features.recognitions().unwrap().iter().all(|r| !r.is_recognised()));
    }
}
