//! tests-data/vit_golden.json: what `transformers` 5.23.0 (torch 2.9.0, pillow 12.3.0) makes of
//! made images with made weights in small networks, and the names in its files; made by
//! vit_golden.py beside it.

use std::collections::BTreeMap;

use candle_core::Device;
use ganbench_data::images::{ImageSize, ImageView};
use serde::Deserialize;

use super::*;
use crate::extractor::entry;
use crate::weights::Weights;
use crate::weights::made::made_weights;

#[derive(Deserialize)]
struct Golden {
    sizes: Vec<[usize; 3]>,
    dinov2: Reference,
    clip: Reference,
}

#[derive(Deserialize)]
struct Reference {
    keys: BTreeMap<String, Vec<usize>>,
    features: Vec<Vec<f32>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests-data/vit_golden.json")).unwrap()
}

fn small_dinov2() -> Config {
    Config::dinov2(24, 2, 3)
}

fn small_clip() -> Config {
    let sizes = Config { side: 56, position_grid: 4, features: 10, ..small_dinov2() };
    Config { family: Family::Clip, ..sizes }
}

/// As the script makes them: eightfold, so that attention has something to choose between.
fn weights(config: &Config) -> Weights {
    let mut weights = made_weights(&config.tensor_specs(), 0);
    let tensors = weights.tensors.values_mut();
    tensors.flat_map(|tensor| &mut tensor.values).for_each(|v| *v *= 8.0);
    weights
}

fn extractor(config: Config) -> VisionTransformer {
    let network = Network::new(&mut weights(&config), config, &Device::Cpu).unwrap();
    let (name, sha256) = ("small", "made:0".to_owned());
    VisionTransformer { name, config, network, device: Device::Cpu, sha256, batch: 2 }
}

fn pixels(size: ImageSize) -> Vec<u8> {
    let byte = |i: usize| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..size.bytes()).map(byte).collect()
}

fn compare(config: Config, sizes: &[[usize; 3]], expected: &Reference) {
    let sizes: Vec<ImageSize> = sizes.iter().map(|&[h, w, c]| ImageSize::new(h, w, c)).collect();
    let all: Vec<Vec<u8>> = sizes.iter().map(|&size| pixels(size)).collect();
    let images: Vec<ImageView<'_>> =
        sizes.iter().zip(&all).map(|(&size, pixels)| ImageView { size, pixels }).collect();
    let extractor = extractor(config);
    let together = extractor.extract_batch(&images).unwrap();
    assert_eq!((together.len(), together.dim()), (4, expected.features[0].len()));
    let ours = together.pool().chunks_exact(together.dim());
    for ((image, ours), expected) in images.iter().zip(ours).zip(&expected.features) {
        for (a, b) in ours.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{:?} {}: {a} {b}", config.family, image.size);
        }
        let alone = extractor.extract_batch(&[*image]).unwrap();
        assert_eq!(alone.pool(), ours, "alone and in a batch, to the bit");
    }
}

#[test]
fn dinov2_agrees_with_transformers_on_images_of_any_size() {
    let golden = golden();
    compare(small_dinov2(), &golden.sizes, &golden.dinov2);
}

#[test]
fn clip_agrees_with_transformers_on_images_of_any_size() {
    let golden = golden();
    compare(small_clip(), &golden.sizes, &golden.clip);
}

#[test]
fn names_and_shapes_are_those_of_transformers_files() {
    let golden = golden();
    for (config, expected) in [(small_dinov2(), golden.dinov2), (small_clip(), golden.clip)] {
        let specs = config.tensor_specs();
        let ours: BTreeMap<_, _> = specs.into_iter().map(|spec| (spec.name, spec.shape)).collect();
        assert_eq!(ours, expected.keys);
    }
}

#[test]
fn the_published_networks_have_their_published_numbers_of_parameters() {
    let parameters = |published: &Published| -> usize {
        published.config.tensor_specs().iter().map(|s| s.shape.iter().product::<usize>()).sum()
    };
    // The hub's pages: 304 M and 86.6 M. The files are four bytes a parameter and a header:
    // dinov2-large has 1,217,522,888 bytes.
    assert_eq!(parameters(&DINOV2_L), 304_368_640);
    assert_eq!(parameters(&DINOV2_B), 86_580_480);
    assert_eq!(parameters(&CLIP_L_336), 304_293_888);
}

#[test]
fn the_entries_of_the_table_are_the_networks() {
    for (published, known) in [&DINOV2_L, &DINOV2_B, &CLIP_L_336].into_iter().zip(ENTRIES) {
        let found = entry(published.name).unwrap();
        assert_eq!((found.name, found.feature_dim), (known.name, published.config.features));
        assert_eq!((found.classes, known.feature_dim), (0, published.config.features));
    }
}

#[test]
fn images_of_two_channels_are_refused_and_none_give_no_features() {
    let network = extractor(small_clip());
    let size = ImageSize::new(2, 2, 2);
    let error = network.extract_batch(&[ImageView { size, pixels: &[0; 8] }]).unwrap_err();
    assert_eq!(error.to_string(), "small cannot take 2x2x2 images; expected 1 or 3 channels");
    assert!(network.extract_batch(&[]).unwrap().is_empty());
}

#[test]
fn features_are_the_same_to_the_bit_for_any_number_of_threads() {
    let size = ImageSize::new(40, 30, 3);
    let pixels = pixels(size);
    let images = [ImageView { size, pixels: &pixels }; 2];
    let network = extractor(small_dinov2());
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| network.extract_batch(&images).unwrap())
    };
    let one = with(1);
    assert_eq!(one, with(3));
    assert_eq!(one, with(8));
}
