use std::collections::BTreeMap;
use std::io::Cursor;

use ganbench_data::images::{ImageBatch, ImageSize};

use super::*;
use crate::extractor::{ExtractorOptions, load_with};
use crate::weights::source::WeightsSource;

fn inception(batch: usize) -> Box<dyn Extractor> {
    made(NAME, batch)
}

fn made(name: &str, batch: usize) -> Box<dyn Extractor> {
    let options = ExtractorOptions { batch, ..ExtractorOptions::default() };
    load_with(name, &WeightsSource::Made { seed: 0 }, &options).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn names_and_shapes_are_those_of_the_published_file() {
    // tests-data/inception_fid_keys.json: the keys of pt_inception-2015-12-05-6726825d.pth without
    // num_batches_tracked, as the state dictionary of torch-fidelity 0.4.0 lists them.
    let json = include_str!("../../../tests-data/inception_fid_keys.json");
    let published: BTreeMap<String, Vec<usize>> = serde_json::from_str(json).unwrap();
    let specs = tensor_specs();
    assert_eq!((specs.len(), layout::convolutions().len()), (472, 94));
    let ours: BTreeMap<_, _> = specs.into_iter().map(|spec| (spec.name, spec.shape)).collect();
    assert_eq!(ours, published);
}

/// tests-data/inception_golden.npz: four made 32x32 images (`arr_0`: two waves, a noisy wave,
/// noise) and what torch-fidelity 0.4.0 (torch 2.9.0) makes of them with the weights of
/// `weights::made`, seed 0:
///   python inception.py weights --seed 0 --out made0.pth
/// python inception.py features --weights made0.pth --images images.npz --out features.npz where
/// inception.py builds `FeatureExtractorInceptionV3("inception-v3-compat", ["2048",
/// "logits_unbiased"], feature_extractor_weights_path="made0.pth")`, runs it on the images as uint8
/// and saves both features; `arr_0`, `pool` and `logits` were then put into one file.
struct Golden {
    images: ImageBatch,
    pool: Vec<f32>,
    logits: Vec<f32>,
}

fn golden() -> Golden {
    let bytes = include_bytes!("../../../tests-data/inception_golden.npz");
    let mut archive = npyz::npz::NpzArchive::new(Cursor::new(bytes)).unwrap();
    let pixels = archive.by_name("arr_0").unwrap().unwrap().into_vec().unwrap();
    let images = ImageBatch::new(ImageSize::new(32, 32, 3), pixels, None, None).unwrap();
    let mut array = |name: &str| archive.by_name(name).unwrap().unwrap().into_vec::<f32>().unwrap();
    Golden { images, pool: array("pool"), logits: array("logits") }
}

#[test]
fn features_agree_with_torch_fidelity_for_any_batch_size() {
    let golden = golden();
    let mut calls = Vec::new();
    let a = inception(3).extract(&golden.images, &mut |done, n| calls.push((done, n))).unwrap();
    assert_eq!(calls, [(0, 4), (3, 4), (4, 4)]);
    let logits = &a.logits().unwrap().values;
    // The package's own tests hold the network to 1e-4 absolute against the TensorFlow graph.
    let (pool_gap, logit_gap) =
        (largest_difference(a.pool(), &golden.pool), largest_difference(logits, &golden.logits));
    assert!(pool_gap < 1e-4 && logit_gap < 1e-4, "{pool_gap} {logit_gap}");

    let b = inception(16).extract(&golden.images, &mut |_, _| {}).unwrap();
    // Not bits: the matrix products of another number of columns may be rounded otherwise.
    let gap = largest_difference(a.pool(), b.pool());
    assert!(gap < 1e-5, "{gap}");
}

// tests-data/inception_modes_golden.npz: every fourth feature of the same images and weights, with
// the preprocessing of pytorch-fid, StudioGAN and clean-fid; made by inception_modes_golden.py
// beside it.
#[test]
fn each_preprocessing_agrees_with_its_reference_and_differs_from_torch_fidelitys() {
    let bytes = include_bytes!("../../../tests-data/inception_modes_golden.npz");
    let mut archive = npyz::npz::NpzArchive::new(Cursor::new(bytes)).unwrap();
    let golden = golden();
    for (name, key) in
        [(PYTORCH_FID, "pytorch_fid"), (STUDIOGAN, "studiogan"), (CLEAN, "clean_fid")]
    {
        let expected: Vec<f32> = archive.by_name(key).unwrap().unwrap().into_vec().unwrap();
        let features = made(name, 4).extract(&golden.images, &mut |_, _| {}).unwrap();
        let every_fourth = |pool: &[f32]| pool.iter().step_by(4).copied().collect::<Vec<_>>();
        let gap = largest_difference(&every_fourth(features.pool()), &expected);
        assert!(gap < 1e-4, "{name} {gap}");
        let apart = largest_difference(features.pool(), &golden.pool);
        assert!(apart > 1e-2, "{name} {apart}");
    }
}

#[test]
fn the_bias_that_the_logits_leave_out_is_the_files() {
    let source = WeightsSource::Made { seed: 0 };
    let weights = source.weights(PUBLISHED_WEIGHTS, &tensor_specs()).unwrap();
    let bias = &weights.tensors["fc.bias"].values;
    assert_eq!(inception(1).logit_bias(), Some(bias.as_slice()));
    assert_eq!(bias.len(), CLASSES);
}

#[test]
fn grey_images_are_their_plane_three_times_and_other_channels_are_refused() {
    let network = inception(2);
    let grey: Vec<u8> = golden().images.image(3)[..28 * 28].to_vec();
    let rgb: Vec<u8> = grey.iter().flat_map(|&v| [v; 3]).collect();
    let batch = |channels: usize, pixels: Vec<u8>| {
        ImageBatch::new(ImageSize::new(28, 28, channels), pixels, None, None).unwrap()
    };
    let mut quiet = |_, _| {};
    let a = network.extract(&batch(1, grey.clone()), &mut quiet).unwrap();
    let b = network.extract(&batch(3, rgb), &mut quiet).unwrap();
    assert_eq!(a, b);
    let error = network.extract(&batch(2, [grey.clone(), grey].concat()), &mut quiet).unwrap_err();
    assert_eq!(error.to_string(), "inception cannot take 28x28x2 images; expected 1 or 3 channels");
    let none = network.extract(&batch(3, Vec::new()), &mut quiet).unwrap();
    assert!(none.is_empty());
}

#[test]
fn the_network_in_nhwc_agrees_with_the_layers_one_by_one() {
    let golden = golden();
    let weights = crate::weights::made::made_weights(&tensor_specs(), 0);
    let x = Preprocessing::TorchFidelity.input(&golden.images.views(0..2));
    let device = candle_core::Device::Cpu;
    let (pool, logits) =
        TensorNetwork::new(&weights, &device).unwrap().forward_planes(x.clone()).unwrap();
    for exact in [true, false] {
        let (a, b) = CpuNetwork::new(&weights, exact).unwrap().forward(&x);
        let gaps = (largest_difference(&a, &pool), largest_difference(&b, &logits));
        assert!(gaps.0 < 1e-5 && gaps.1 < 3e-5, "exact {exact}: {gaps:?}");
    }
}

#[test]
fn the_features_of_each_dims_are_those_of_pytorch_fid() {
    let bytes = include_bytes!("../../../tests-data/inception_modes_golden.npz");
    let mut archive = npyz::npz::NpzArchive::new(Cursor::new(bytes)).unwrap();
    let images = golden().images;
    for dims in [64, 192, 768] {
        let member = archive.by_name(&format!("pytorch_fid_{dims}")).unwrap().unwrap();
        let expected: Vec<f32> = member.into_vec().unwrap();
        let extractor = made(of_pytorch_fid_dims(dims).unwrap(), 4);
        let features = extractor.extract(&images, &mut |_, _| {}).unwrap();
        let gap = largest_difference(features.pool(), &expected);
        assert!(gap < 1e-4, "{dims}: {gap}");
    }
}

// pytorch-fid 0.3.0, inception.py: the outputs of blocks 0 to 3 have 64, 192, 768 and 2048
// channels, and `get_activations` takes their means over the plane.
#[test]
fn the_taps_of_pytorch_fid_are_the_means_of_its_blocks_on_both_paths() {
    let golden = golden();
    let weights = crate::weights::made::made_weights(&tensor_specs(), 0);
    let x = Preprocessing::PytorchFid.input(&golden.images.views(0..2));
    let tensors = TensorNetwork::new(&weights, &candle_core::Device::Cpu).unwrap();
    let fast = CpuNetwork::new(&weights, true).unwrap();
    for (tap, dim) in
        [(Tap::FirstPool, 64), (Tap::SecondPool, 192), (Tap::Mixed6e, 768), (Tap::Last, 2048)]
    {
        let (a, b) = (fast.tapped(&x, tap), tensors.tapped_planes(x.clone(), tap).unwrap());
        assert_eq!((tap.dim(), a.len()), (dim, 2 * dim));
        let largest = b.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let gap = largest_difference(&a, &b);
        assert!(gap < 1e-5 * largest.max(1.0) && largest > 0.0, "{tap:?} {gap} {largest}");
        let name = of_pytorch_fid_dims(dim).unwrap();
        let extractor = made(name, 2);
        let features = extractor.extract(&golden.images, &mut |_, _| {}).unwrap();
        assert_eq!((features.len(), features.dim(), extractor.feature_dim()), (4, dim, dim));
        assert_eq!(features.logits().is_some(), tap == Tap::Last, "{name}");
        let two = &features.pool()[..2 * dim];
        assert!(largest_difference(two, &a) < 1e-4 * largest.max(1.0), "{name}");
    }
    // The classifier's features are those of the last tap.
    assert_eq!(fast.tapped(&x, Tap::Last), fast.forward(&x).0);
    assert_eq!(of_pytorch_fid_dims(100), None);
}
