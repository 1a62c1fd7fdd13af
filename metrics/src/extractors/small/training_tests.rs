//! Training on a few shapes.

use ganbench_data::{Dataset, DatasetRequest, Split, load};

use super::super::card::{Card, CardSet, TrainedOn};
use super::*;

fn shapes(split: Split, n: usize) -> Dataset {
    let request = DatasetRequest { limit: Some(n), ..DatasetRequest::new("shapes", split) };
    load(&request, &mut |_| {}).unwrap()
}

fn short() -> Recipe {
    Recipe { epochs: 2, batch: 50, ..Recipe::for_dataset("shapes") }
}

fn error_of(train_set: &ImageBatch, recipe: Recipe) -> String {
    let test = shapes(Split::Test, 1).images;
    let input =
        TrainingInput { train: train_set, test: &test, classes: 10, recipe, factors: false };
    train(input, &mut |_| {}).unwrap_err().to_string()
}

#[test]
fn the_learning_rate_rises_in_a_line_and_falls_along_a_cosine() {
    let recipe = Recipe { warm_up: 0.2, ..short() };
    let expected = [(0.0, 0.04), (0.1, 0.52), (0.2, 1.0), (0.6, 0.5), (1.0, 0.0)];
    for (done, scale) in expected {
        assert!((recipe.lr_scale(done) - scale).abs() < 1e-12, "{done}");
    }
}

#[test]
fn two_epochs_lower_the_loss_and_repeat_to_the_bit() {
    let (train_set, test) = (shapes(Split::Train, 300), shapes(Split::Test, 50));
    let run = || {
        let mut steps = Vec::new();
        let recipe = short();
        let input = TrainingInput {
            train: &train_set.images,
            test: &test.images,
            classes: 10,
            recipe,
            factors: false,
        };
        let trained = train(input, &mut |p| steps.push((p.step, p.steps))).unwrap();
        (trained, steps)
    };
    let ((first, steps), (second, _)) = (run(), run());
    assert_eq!(steps, (1..=12).map(|step| (step, 12)).collect::<Vec<_>>());
    assert!(first.train_loss[1] < first.train_loss[0], "{:?}", first.train_loss);
    assert_eq!(first.weights, second.weights);

    // The file of both is the same, and gives back the card.
    let set = |set: &Dataset| CardSet { images: set.images.len(), sha256: set.sha256.clone() };
    let on = TrainedOn {
        dataset: "shapes".into(),
        train: set(&train_set),
        test: set(&test),
        held_out: None,
        recipe: short(),
    };
    let card = Card::new(&first, on);
    let file = card.file(&first).unwrap();
    assert_eq!(file, card.file(&second).unwrap());
    assert_eq!(Card::read(&file).unwrap(), card);
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let good = shapes(Split::Train, 50).images;
    let bare = ImageBatch { labels: None, ..good.clone() };
    assert_eq!(
        error_of(&bare, short()),
        "the train images have no labels; a classifier cannot be trained without"
    );
    let mut strange = good.clone();
    strange.labels.as_mut().unwrap()[7] = 10;
    assert_eq!(
        error_of(&strange, short()),
        "the label of train image 7 is 10, expected less than 10"
    );
    assert_eq!(
        error_of(&good.take(49), short()),
        "there are 49 train images, expected at least 50"
    );
    let small = ImageBatch::new(ImageSize::new(16, 16, 3), vec![0; 768], Some(vec![0]), None);
    assert_eq!(
        error_of(&small.unwrap(), short()),
        "the train images are 16x16x3, expected 32x32 with 1 or 3 channels"
    );
    let input =
        TrainingInput { train: &good, test: &good, classes: 3, recipe: short(), factors: false };
    assert_eq!(
        train(input, &mut |_| {}).unwrap_err().to_string(),
        "a small extractor tells 10 classes apart, the dataset has 3"
    );
}

#[test]
fn factors_are_learnt_and_their_errors_stand_in_the_card() {
    let (train_set, test) = (shapes(Split::Train, 300).images, shapes(Split::Test, 100).images);
    let with_factors = |train_set| TrainingInput {
        train: train_set,
        test: &test,
        classes: 10,
        recipe: short(),
        factors: true,
    };
    let trained = train(with_factors(&train_set), &mut |_| {}).unwrap();
    let card = trained.factors.unwrap();
    assert!(card.accuracy[2] > 0.4, "background by chance 0.25: {:?}", card.accuracy);
    assert_eq!(card.confusion.iter().map(Vec::len).collect::<Vec<_>>(), [10, 6, 4, 3]);
    assert!(trained.weights.contains_key("factors.weight"));

    let bare = ImageBatch { factors: None, ..train_set.clone() };
    assert_eq!(
        train(with_factors(&bare), &mut |_| {}).unwrap_err().to_string(),
        "the train images do not hold the factors of shapes"
    );
}

#[test]
fn recipes_that_make_no_sense_are_refused() {
    let images = shapes(Split::Train, 50).images;
    let wide = Augmentation { max_shift: 32, ..short().augmentation };
    for (recipe, message) in [
        (Recipe { epochs: 0, ..short() }, "a recipe's epochs is 0, expected at least 1"),
        (Recipe { batch: 0, ..short() }, "a recipe's batch is 0, expected at least 1"),
        (Recipe { lr: -1.0, ..short() }, "a recipe's lr is -1, expected a finite number above 0"),
        (
            Recipe { warm_up: 1.0, ..short() },
            "a recipe's warm_up is 1, expected a number between 0 and 1",
        ),
        (
            Recipe { augmentation: wide, ..short() },
            "a recipe's max_shift is 32, expected less than the image's side of 32",
        ),
    ] {
        assert_eq!(error_of(&images, recipe), message);
    }
}

#[test]
fn a_loss_that_is_no_number_ends_the_training() {
    let images = shapes(Split::Train, 150).images;
    let recipe = Recipe { lr: 1e38, epochs: 4, ..short() };
    let message = error_of(&images, recipe);
    assert!(message.starts_with("training diverged: the loss of step "), "{message}");
    assert!(message.ends_with("; try a smaller learning rate"), "{message}");
}
