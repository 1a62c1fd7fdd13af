use ganbench_data::rng::Stream;

use super::*;
use crate::settings::NearestReal;

fn features(n: usize) -> Features {
    Features::new(4, Stream::new(0, "reference test").normal(n * 4), None).unwrap()
}

/// 90 images of three classes, sorted by class.
fn labels() -> Vec<u32> {
    (0..90).map(|i| i / 30).collect()
}

const DRAWN: Settings = Settings {
    inception_score: crate::families::inception_score::Options {
        splits: crate::families::inception_score::Splits::Equal(10),
        shuffle_seed: None,
    },
    nearest_k: 5,
    ipr_nearest_k: 3,
    nearest_real: NearestReal::AsManyAsFakes,
    nearest_fake: None,
    subset: Subset::Drawn { seed: 0 },
    fid_divisor: crate::families::fid::Divisor::NMinus1,
    kid: crate::families::kid::Options { subset: 10, subsets: 2, seed: 0 },
    fid_infinity: crate::families::fid::infinity::Options { counts: 3, seed: 0 },
};

#[test]
fn a_drawn_part_shows_every_class_of_a_sorted_set_and_the_first_images_do_not() {
    let all = RealReference::whole(features(90), Some(labels())).unwrap();
    let classes = |settings: &Settings| -> Vec<usize> {
        let chosen = all.nearest_rows(settings, 12).unwrap();
        let place = |row: &[f32]| (0..90).find(|&i| all.held().row(i) == row).unwrap();
        let rows = chosen.rows();
        let mut counts = vec![0; 3];
        (0..rows.len()).for_each(|i| counts[labels()[place(rows.row(i))] as usize] += 1);
        counts
    };
    assert_eq!(classes(&DRAWN), [4, 4, 4]);
    assert_eq!(classes(&Settings { subset: Subset::First, ..DRAWN }), [12, 0, 0]);
}

#[test]
fn pieces_give_what_the_whole_set_gives() {
    let features = features(90);
    let whole = RealReference::whole(features.clone(), Some(labels())).unwrap();
    for subset in [Subset::First, Subset::Drawn { seed: 3 }] {
        let keep = Keep { n: 20, subset };
        let mut builder = ReferenceBuilder::new(4, 90, Some(labels()), keep);
        let rows = features.pool_rows();
        for first in (0..90).step_by(25) {
            let end = (first + 25).min(90);
            builder.push(Rows::new(&rows.values()[first * 4..end * 4], 4).unwrap()).unwrap();
        }
        let part = builder.finish();
        assert_eq!(part.held().len(), 20);
        assert_eq!(part.statistics(), whole.statistics());
        let settings = Settings { subset, ..DRAWN };
        for n_fake in [7, 20] {
            let (a, b) = (
                part.nearest_rows(&settings, n_fake).unwrap(),
                whole.nearest_rows(&settings, n_fake).unwrap(),
            );
            assert_eq!(a.rows().values(), b.rows().values());
            assert_eq!(*part.squared_radii(&a, 3), *whole.squared_radii(&b, 3));
        }
        assert!(part.all_rows().is_none());
        assert_eq!(
            part.nearest_rows(&settings, 21).unwrap_err().to_string(),
            "the real reference keeps 20 of 90 feature rows but 21 are needed; build it with as many rows \
             as the largest fake set, or with all for the metrics of all real images"
        );
        let other = Settings { subset: Subset::Drawn { seed: 4 }, ..settings };
        assert!(part.nearest_rows(&other, 7).is_err(), "rows of another draw are not at hand");
    }
}

#[test]
fn fewer_images_than_dimensions_are_all_kept() {
    let features = Features::new(4, vec![1.0, 0.0, 0.0, 2.0, 0.0, 1.0, 3.0, 0.0], None).unwrap();
    let keep = Keep { n: 0, subset: Subset::Drawn { seed: 0 } };
    let mut builder = ReferenceBuilder::new(4, 2, None, keep);
    builder.push(features.pool_rows()).unwrap();
    assert_eq!(builder.finish().all_rows().unwrap().values(), features.pool());
}

#[test]
fn a_number_of_reals_and_of_fakes_may_be_fixed() {
    let settings =
        Settings { nearest_real: NearestReal::AtMost(10), nearest_fake: Some(8), ..DRAWN };
    assert_eq!((settings.n_nearest_real(90, 50), settings.n_nearest_fake(50)), (10, 8));
    assert_eq!((settings.n_nearest_real(5, 50), settings.n_nearest_fake(3)), (5, 3));
    let settings = Settings { nearest_fake: Some(8), ..DRAWN };
    assert_eq!(settings.n_nearest_real(90, 50), 8);
}
