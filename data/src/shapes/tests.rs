use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use super::dataset::drawn;
use super::*;
use crate::{Dataset, DatasetRequest, Places, Split, fixtures, hex, load_from};

fn draw(seed: u64, split: Split, count: usize) -> Dataset {
    load(&ShapesSpec { world: World::Whole, seed, split, count, size: 32 }, &mut |_| {}).unwrap()
}

#[test]
fn a_mode_counts_texture_fastest_and_shape_slowest() {
    // ((9·6 + 2)·4 + 1)·3 + 2 = 677.
    let mut factors = drawn(World::Whole, 0, Split::Train, 0);
    (factors.shape, factors.hue, factors.background, factors.texture) = (9, 0.35, 1, 2);
    assert_eq!(factors.hue_family(), 2);
    assert_eq!(factors.mode(), 677);
    // Just below a whole turn is red again.
    factors.hue = 0.98;
    assert_eq!(factors.hue_family(), 0);
}

#[test]
fn an_image_does_not_depend_on_how_many_are_drawn() {
    let (few, many) = (draw(1, Split::Train, 10), draw(1, Split::Train, 3000));
    assert_eq!(few.images, many.images.take(10));
    assert_ne!(few.sha256, many.sha256);
}

#[test]
fn an_image_is_drawn_again_from_the_factors_that_are_kept_with_it() {
    let set = draw(0, Split::Test, 50);
    let factors = set.images.factors.as_ref().unwrap();
    assert_eq!(factors.names, FACTORS);
    for (i, row) in factors.values.chunks(FACTORS.len()).enumerate() {
        let again = ShapeFactors::from_values(row.try_into().unwrap());
        let mut pixels = vec![0; 32 * 32 * 3];
        again.render(32, &mut pixels);
        assert_eq!(pixels, set.images.image(i), "image {i}");
        assert_eq!(set.images.labels.as_ref().unwrap()[i], again.shape);
    }
}

#[test]
fn splits_and_seeds_share_no_image() {
    let sets = [draw(0, Split::Train, 300), draw(0, Split::Test, 300), draw(1, Split::Train, 300)];
    let images = sets.iter().flat_map(|set| (0..300).map(|i| set.images.image(i)));
    assert_eq!(images.collect::<HashSet<_>>().len(), 900);
}

#[test]
fn all_modes_are_equally_likely() {
    const N: usize = 72_000;
    let mut counts = [0u32; MODES];
    for i in 0..N as u64 {
        counts[drawn(World::Whole, 0, Split::Train, i).mode()] += 1;
    }
    // Chi-square with 719 degrees of freedom: mean 719, standard deviation √(2·719) = 37.9. Five of
    // them: below 909.
    let expected = N as f64 / MODES as f64;
    let chi_square: f64 =
        counts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
    assert!(chi_square < 909.0, "{chi_square}");
}

#[test]
fn no_two_shapes_look_alike_in_the_same_pose() {
    let silhouette = |shape| -> Vec<bool> {
        let factors = ShapeFactors {
            shape,
            hue: 0.0,
            background: 0,
            x: 0.0,
            y: 0.0,
            size: 0.35,
            rotation: 0.0,
            texture: 0,
        };
        let mut pixels = vec![0; 32 * 32 * 3];
        factors.render(32, &mut pixels);
        pixels.chunks(3).map(|rgb| rgb[0] > 128).collect()
    };
    let all: Vec<_> = (0..SHAPES.len() as u32).map(silhouette).collect();
    for (a, name_a) in all.iter().zip(SHAPES) {
        assert!(a.iter().filter(|&&on| on).count() > 60, "{name_a} is hardly to be seen");
        for (b, name_b) in all.iter().zip(SHAPES).filter(|(_, name)| *name != name_a) {
            let both = a.iter().zip(b).filter(|&(&a, &b)| a && b).count();
            let any = a.iter().zip(b).filter(|&(&a, &b)| a || b).count();
            assert!((both as f64) < 0.85 * any as f64, "{name_a} and {name_b}");
        }
    }
}

#[test]
fn the_first_100_images_are_the_same_on_every_machine() {
    // Printed by this test. A change is a change of the dataset: raise SPEC and say so.
    let set = draw(0, Split::Train, 100);
    assert_eq!(hex(Sha256::new_with_prefix(&set.images.pixels)), PINNED_PIXELS);
    assert_eq!(set.sha256, PINNED_CONTENT);
}
const PINNED_PIXELS: &str = "7952c5d7edac0deef7d13092dbd494051bf700de664f47da387391a878a4b757";
const PINNED_CONTENT: &str = "1ea7172a698f9e3681a5f1879b453c4a219c875124a78eab36ad37b1924d4559";

#[test]
fn what_cannot_be_drawn_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: fn(&mut DatasetRequest)| {
        let mut request = DatasetRequest::new("shapes", Split::Train);
        change(&mut request);
        let places: Places = fixtures::no_places(folder.path());
        load_from(&request, &places, &mut |_| {}).unwrap_err().to_string()
    };
    assert_eq!(refused(|r| r.channels = Some(1)), "shapes cannot have 1 channels; known: 3");
    assert_eq!(
        refused(|r| r.size = Some(4)),
        "shapes cannot have images of side 4; known: 8 to 512"
    );
    assert_eq!(refused(|r| r.limit = Some(0)), "0 images of shapes asked for; ask for at least 1");
    let too_many = refused(|r| r.limit = Some(usize::MAX / 2));
    let expected = "9223372036854775807 images of 32x32x3 needs about 16777216 TiB of memory, but ";
    assert!(too_many.starts_with(expected), "{too_many}");
}

#[test]
fn another_size_shows_the_same_picture() {
    // Mean colour of the picture at 64x64 equals that at 32x32 but for the antialiasing.
    let mean = |size| {
        let mut request = DatasetRequest::new("shapes", Split::Train);
        (request.size, request.limit) = (Some(size), Some(1));
        let folder = tempfile::tempdir().unwrap();
        let set = load_from(&request, &fixtures::no_places(folder.path()), &mut |_| {}).unwrap();
        let pixels = &set.images.pixels;
        pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels.len() as f64
    };
    assert!((mean(32) - mean(64)).abs() < 2.0, "{} {}", mean(32), mean(64));
}

#[test]
fn training_images_of_shapes_heldout_lack_72_modes_that_its_test_images_show() {
    let modes = |split| -> HashSet<usize> {
        (0..8_000).map(|i| drawn(World::HeldOut, 0, split, i).mode()).collect()
    };
    let (train, test) = (modes(Split::Train), modes(Split::Test));
    assert_eq!((train.len(), test.len()), (648, 720));
    let request =
        DatasetRequest { limit: Some(20), ..DatasetRequest::new("shapes-heldout", Split::Train) };
    let set = crate::load(&request, &mut |_| {}).unwrap();
    assert_eq!(set.name, "shapes-heldout");
    assert_ne!(set.sha256, draw(0, Split::Train, 20).sha256);
}
