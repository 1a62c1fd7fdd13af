use std::path::PathBuf;

use ganbench_data::{DatasetRequest, load as load_data};

use super::*;

fn shapes(n: usize) -> Dataset {
    let request = DatasetRequest { limit: Some(n), ..DatasetRequest::new("shapes", Split::Train) };
    load_data(&request, &mut |_| {}).unwrap()
}

#[test]
fn the_last_images_are_held_out_with_their_labels_and_the_others_are_trained_on() {
    let all = shapes(30);
    let (train, held_out) = held_out(all.clone(), 10).unwrap();
    assert_eq!(train.images, all.images.take(20));
    assert_eq!(held_out.images, all.images.select(&(20..30).collect::<Vec<_>>()));
    assert_eq!(held_out.images.labels.as_ref().map(Vec::len), Some(10));
    assert_eq!(train.class_names, all.class_names);
}

#[test]
fn all_or_no_images_cannot_be_held_out() {
    for n in [0, 30, 31] {
        assert_eq!(
            held_out(shapes(30), n).unwrap_err().to_string(),
            format!("--hold-out is {n}, expected 1 to 29 of the 30 training images")
        );
    }
}

#[test]
fn flags_change_the_recipe_of_the_embedded_extractor() {
    let args = |epochs, batch, lr, max_shift| TrainExtractorArgs {
        dataset: "cifar10".into(),
        data: None,
        epochs,
        batch,
        lr,
        max_shift,
        hold_out: None,
        seed: 3,
        threads: None,
        quiet: true,
        out: PathBuf::from("out"),
    };
    let own = Recipe { seed: 3, ..Recipe::for_dataset("cifar10") };
    assert_eq!(recipe(&args(None, None, None, None)), own);
    let mut changed = Recipe { epochs: 2, batch: 128, lr: 6e-3, ..own };
    changed.augmentation.max_shift = 4;
    assert_eq!(recipe(&args(Some(2), Some(128), Some(6e-3), Some(4))), changed);
}
