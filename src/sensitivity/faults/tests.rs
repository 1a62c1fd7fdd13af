use std::collections::{BTreeMap, BTreeSet, HashSet};

use ganbench_data::shapes::{FACTORS, KIND_COUNTS, ShapeFactors};
use ganbench_data::{DatasetRequest, Split, load};

use super::*;

const N: usize = 200;

/// Reference and others of `shapes`.
fn shapes() -> (ImageBatch, ImageBatch) {
    let mut request = DatasetRequest::new("shapes", Split::Train);
    request.limit = Some(300 + 15 * N);
    let images = load(&request, &mut |_| {}).unwrap().images;
    let rows = |rows: std::ops::Range<usize>| images.select(&rows.collect::<Vec<_>>());
    (rows(0..300), rows(300..images.len()))
}

fn made(name: &str, level: f64) -> ImageBatch {
    let (reference, others) = shapes();
    let reals = Reals { reference: &reference, others: &others };
    Fault::by_name(name, "shapes").unwrap().images(reals, N, level)
}

fn each(images: &ImageBatch) -> impl Iterator<Item = &[u8]> {
    (0..images.len()).map(|i| images.image(i))
}

fn factors(images: &ImageBatch) -> Vec<ShapeFactors> {
    let values = &images.factors.as_ref().unwrap().values;
    let rows = values.chunks_exact(FACTORS.len());
    rows.map(|row| ShapeFactors::from_values(row.try_into().unwrap())).collect()
}

fn kinds(images: &ImageBatch, factor: usize) -> BTreeSet<usize> {
    factors(images).iter().map(|f| f.kinds()[factor]).collect()
}

fn class_counts(images: &ImageBatch) -> Vec<usize> {
    let mut counts = vec![0; 10];
    images.labels.as_ref().unwrap().iter().for_each(|&label| counts[label as usize] += 1);
    counts.sort_unstable();
    counts
}

#[test]
fn every_level_of_every_fault_changes_the_images_and_holds_no_real_one_but_as_a_copy() {
    let (reference, others) = shapes();
    let reals = Reals { reference: &reference, others: &others };
    let known: HashSet<&[u8]> = each(&reference).collect();
    for fault in FAULTS {
        let sets: Vec<ImageBatch> =
            fault.levels_for(N).into_iter().map(|l| fault.images(reals, N, l)).collect();
        for pair in sets.windows(2) {
            assert!(pair[0].pixels != pair[1].pixels, "{}", fault.name);
        }
        let copies = sets.iter().flat_map(each).filter(|image| known.contains(*image)).count();
        assert_eq!(copies > 0, fault.name == "copies", "{}: {copies}", fault.name);
        let again = fault.images(reals, N, fault.levels_for(N)[0]);
        assert_eq!(again, sets[0], "{}", fault.name);
    }
}

#[test]
fn names_and_levels_are_unlike_and_unknown_names_are_told_the_known_ones() {
    let names: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.name).collect();
    assert_eq!(names.len(), FAULTS.len());
    for fault in FAULTS {
        let texts: BTreeSet<String> = fault.levels.iter().map(|l| fault.level_text(*l)).collect();
        assert_eq!(texts.len(), fault.levels.len(), "{}", fault.name);
    }
    let error = Fault::by_name("hues", "cifar10").err().unwrap().to_string();
    assert!(error.starts_with("unknown fault \"hues\" of cifar10; known: none, noise"), "{error}");
    assert!(!error.contains("hue_tied"), "{error}");
    let of = |name: &str| Fault::by_name(name, "shapes").unwrap();
    assert_eq!(of("noise_images").range_text(of("noise_images").levels), "1 … 100 %");
    assert_eq!(of("blur").range_text(of("blur").levels), "0.3 … 4 px");
    assert_eq!(of("square").level_text(0.0625), "6.25 %");
}

#[test]
fn as_many_unique_images_as_there_are_images_are_no_fault() {
    let levels = Fault::by_name("unique", "shapes").unwrap().levels_for(500);
    assert_eq!(levels, [200.0, 100.0, 50.0, 10.0, 1.0]);
    for (level, expected) in [(50.0, 50), (1.0, 1)] {
        assert_eq!(each(&made("unique", level)).collect::<HashSet<_>>().len(), expected);
    }
}

#[test]
fn noise_has_its_deviation_and_salt_and_pepper_their_share() {
    let (reference, _) = shapes();
    let size = reference.size;
    let grey = ImageBatch::new(size, vec![128; N * size.bytes()], None, None).unwrap();
    let reals = Reals { reference: &reference, others: &grey };
    let spoilt = |name: &str, level| {
        let images = Fault::by_name(name, "shapes").unwrap().images(reals, N, level);
        images.pixels.iter().map(|&v| f64::from(v) - 128.0).collect::<Vec<f64>>()
    };
    let noise = spoilt("noise", 16.0);
    let mean_square = noise.iter().map(|v| v * v).sum::<f64>() / noise.len() as f64;
    // Rounding adds 1/12.
    assert!((mean_square - 256.0 - 1.0 / 12.0).abs() < 2.0, "{mean_square}");
    let salt = spoilt("salt_and_pepper", 0.1);
    let share =
        |value: f64| salt.iter().filter(|&&v| v == value).count() as f64 / salt.len() as f64;
    assert!((share(127.0) - 0.05).abs() < 0.002 && (share(-128.0) - 0.05).abs() < 0.002);
    // What is the same throughout cannot be blurred, and has neither colour nor contrast to lose.
    for (name, level) in [("blur", 2.0), ("saturation", 0.0), ("contrast", 0.1)] {
        assert!(spoilt(name, level).iter().all(|v| v.abs() <= 1.0), "{name}");
    }
}

#[test]
fn a_blur_spreads_a_dot_as_a_gaussian_and_keeps_its_light() {
    let (reference, _) = shapes();
    let mut pixels = vec![0; N * reference.size.bytes()];
    // A bar of full rows 12 to 19 in each image: light enough to survive rounding.
    let line = 32 * 3;
    for image in pixels.chunks_exact_mut(32 * line) {
        image[12 * line..20 * line].fill(240);
    }
    let bars = ImageBatch::new(reference.size, pixels, None, None).unwrap();
    let reals = Reals { reference: &reference, others: &bars };
    let image = Fault::by_name("blur", "shapes").unwrap().images(reals, N, 1.0);
    let column: Vec<f64> = (0..32).map(|y| f64::from(image.image(0)[y * line + 45])).collect();
    // Φ of half a pixel beside the edge: 0.309 and 0.691 of 240.
    assert!((column[11] - 74.0).abs() <= 2.0 && (column[12] - 166.0).abs() <= 2.0, "{column:?}");
    assert!((column.iter().sum::<f64>() - 8.0 * 240.0).abs() < 8.0, "{column:?}");
}

#[test]
fn an_image_without_saturation_is_grey_and_contrast_shrinks_around_the_mean() {
    let grey = made("saturation", 0.0);
    assert!(grey.pixels.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    let range = |images: &ImageBatch| {
        let spans = each(images).map(|image| {
            let (low, high) = (image.iter().min().unwrap(), image.iter().max().unwrap());
            f64::from(high - low)
        });
        spans.sum::<f64>() / images.len() as f64
    };
    let ratio = range(&made("contrast", 0.25)) / range(&made("contrast", 1.0));
    assert!((ratio - 0.25).abs() < 0.01, "{ratio}");
}

#[test]
fn a_black_square_has_its_side() {
    let images = made("square", 0.5);
    let black = |image: &[u8]| image.chunks_exact(3).filter(|p| *p == [0, 0, 0]).count();
    // No other pixel of the set is black.
    assert!(each(&images).all(|image| black(image) == 16 * 16));
}

#[test]
fn strangers_have_their_share() {
    let grey = made("grey_image", 0.1);
    let is_grey = |image: &&[u8]| image.iter().all(|&v| v == 128);
    assert_eq!(each(&grey).filter(is_grey).count(), N / 10);
    let noise = made("noise_images", 0.05);
    let (_, others) = shapes();
    let known: HashSet<&[u8]> = each(&others).collect();
    assert_eq!(each(&noise).filter(|image| !known.contains(image)).count(), N / 20);
    assert!(grey.labels.is_none() && grey.factors.is_none());
}

#[test]
fn copies_are_images_of_the_reference_to_the_byte_and_each_comes_once() {
    let (reference, _) = shapes();
    let known: HashSet<&[u8]> = each(&reference).collect();
    for (level, expected) in [(0.05, 10), (0.5, 100), (1.0, 200)] {
        let images = made("copies", level);
        let copies: Vec<&[u8]> = each(&images).filter(|image| known.contains(image)).collect();
        assert_eq!(copies.len(), expected);
        assert_eq!(copies.into_iter().collect::<HashSet<_>>().len(), expected);
    }
    let mut mirrored = made("flipped_copies", 1.0);
    mirrored.flip(|_| true);
    assert!(each(&mirrored).all(|image| known.contains(image)));
}

#[test]
fn noisy_copies_lie_near_images_of_the_reference() {
    let (reference, _) = shapes();
    let images = made("noisy_copies", 1.0);
    let rmse = |a: &[u8], b: &[u8]| {
        let squares = a.iter().zip(b).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2));
        (squares.sum::<f64>() / a.len() as f64).sqrt()
    };
    for image in each(&images).take(20) {
        let nearest = each(&reference).map(|real| rmse(image, real)).fold(f64::INFINITY, f64::min);
        assert!((3.5..4.5).contains(&nearest), "{nearest}");
    }
}

#[test]
fn classes_are_left_out_frequent_and_uneven_as_their_level_says() {
    let counts = class_counts(&made("classes", 3.0));
    assert_eq!(counts[..7], [0; 7]);
    assert_eq!(counts[7..], [66, 67, 67]);
    let counts = class_counts(&made("frequent_class", 0.5));
    assert_eq!((counts[9], counts[..9].iter().sum::<usize>()), (100, 100));
    assert!(counts[8] - counts[0] <= 1, "{counts:?}");
    let counts = class_counts(&made("uneven_classes", 8.0));
    let ratio = counts[9] as f64 / counts[0] as f64;
    assert!((ratio - 8.0).abs() < 1.2, "{counts:?}");
}

#[test]
fn one_hue_of_six_leaves_one_hue_family_and_all_other_kinds() {
    for (name, factor, level, count) in [
        ("hues", world::HUE, 1.0, 1),
        ("hues", world::HUE, 5.0, 5),
        ("backgrounds", world::BACKGROUND, 1.0, 1),
        ("textures", world::TEXTURE, 2.0, 2),
    ] {
        let images = made(name, level);
        for other in [world::SHAPE, world::HUE, world::BACKGROUND, world::TEXTURE] {
            let expected = match other == factor {
                true => count,
                false => KIND_COUNTS[other],
            };
            assert_eq!(kinds(&images, other).len(), expected, "{name} {level}: factor {other}");
        }
    }
}

#[test]
fn twenty_modes_are_twenty_of_all() {
    let images = made("modes", 20.0);
    let modes: BTreeSet<usize> = factors(&images).iter().map(ShapeFactors::mode).collect();
    assert_eq!(modes.len(), 20);
    for mode in [0, 1, 3, 12, 72, 719] {
        let factors = ShapeFactors::from_kinds(world::kinds_of_mode(mode), [0.0; 5]);
        assert_eq!(factors.mode(), mode);
    }
}

#[test]
fn positions_keep_to_their_share_of_the_range() {
    for (level, reach) in [(0.5, 0.04), (0.0, 0.0)] {
        let factors = factors(&made("positions", level));
        let farthest = factors.iter().map(|f| f.x.abs().max(f.y.abs())).fold(0.0, f32::max);
        assert!(farthest <= reach + 1e-6 && farthest >= 0.9 * reach, "{level}: {farthest}");
    }
}

#[test]
fn a_tie_leaves_each_factor_uniform() {
    for (name, [a, b], pairs) in [
        ("hue_tied", [world::SHAPE, world::HUE], 14),
        ("texture_tied", [world::BACKGROUND, world::TEXTURE], 6),
    ] {
        let factors = factors(&made(name, 1.0));
        let seen: BTreeSet<[usize; 2]> =
            factors.iter().map(|f| [f.kinds()[a], f.kinds()[b]]).collect();
        assert_eq!(seen.len(), pairs, "{name}");
        for factor in [a, b] {
            let mut counts = BTreeMap::new();
            factors.iter().for_each(|f| *counts.entry(f.kinds()[factor]).or_insert(0.0) += 1.0);
            let mean = N as f64 / KIND_COUNTS[factor] as f64;
            // Five standard deviations of a count, at most.
            let limit = 5.0 * mean.sqrt();
            assert!(counts.values().all(|count: &f64| (count - mean).abs() < limit), "{counts:?}");
        }
    }
}

#[test]
fn impossible_images_lie_outside_of_the_support() {
    let n = |images: &ImageBatch, is: &dyn Fn(&ShapeFactors) -> bool| {
        factors(images).iter().filter(|f| is(f)).count()
    };
    assert_eq!(n(&made("wrong_size", 0.2), &|f| f.size < 0.29), N / 5);
    assert_eq!(n(&made("wrong_hue", 0.2), &|f| f.hue_offset().abs() > 0.08), N / 5);
    assert!(made("blends", 0.2).factors.is_none());
}
