use super::*;
use crate::extractor::ExtractorId;
use crate::features::{Features, Logits};
use crate::kid;
use crate::metric::evaluate;
use crate::reference::RealReference;
use crate::settings::Settings;

const NAMES: [&str; 9] = [
    "fid",
    "is",
    "precision",
    "recall",
    "density",
    "coverage",
    "kid",
    "ipr_precision",
    "ipr_recall",
];

struct Case {
    real: RealReference,
    fake: Features,
}

/// Gaussian sets of `n` rows of 4 dimensions, the fakes shifted and narrower, with logits of 5 classes.
fn case(seed: u64, n: usize) -> Case {
    let mut stream = Stream::new(seed, "bootstrap test");
    let real = stream.normal(n * 4);
    let fake: Vec<f32> = stream.normal(n * 4).iter().map(|v| 0.8 * v + 0.4).collect();
    let values = stream.normal(n * 5).iter().map(|v| 2.0 * v).collect();
    let fake = Features::new(4, fake, Some(Logits { classes: 5, values })).unwrap();
    let real = RealReference::new(&Features::new(4, real, None).unwrap(), n).unwrap();
    Case { real, fake }
}

fn input<'a>(case: &'a Case, metrics: &'a [&'a str]) -> EvaluationInput<'a> {
    let settings = Settings {
        // One subset of all images, so that no draw of subsets is in the value.
        kid: kid::Options { subset: case.fake.len(), subsets: 1, seed: 2020 },
        inception_score: inception_score::Options {
            splits: inception_score::Splits::Equal(2),
            shuffle_seed: None,
        },
        ..Settings::default()
    };
    let (real, fake) = (&case.real, &case.fake);
    let extractor = ExtractorId { name: "pixels", weights_sha256: "none" };
    EvaluationInput { real, fake, extractor, metrics: Some(metrics), settings, labels: None }
}

#[test]
fn the_points_of_a_ladder_are_numpys() {
    // np.percentile(np.arange(41.0) ** 2, [2.5, 97.5]) is 1, 1521; of np.arange(60.0) 1.475, 57.525.
    let got = percentiles((0..41).rev().map(|i| f64::from(i * i)).collect());
    assert!((got.low - 1.0).abs() < 1e-12 && (got.high - 1521.0).abs() < 1e-9, "{got:?}");
    let got = percentiles((0..60).map(f64::from).collect());
    assert!((got.low - 1.475).abs() < 1e-12 && (got.high - 57.525).abs() < 1e-12, "{got:?}");
    // About a value of 100: the mean 29.5 is taken off.
    let got = about(100.0, (0..60).map(f64::from).collect());
    assert!((got.low - 71.975).abs() < 1e-12 && (got.high - 128.025).abs() < 1e-12, "{got:?}");
}

#[test]
fn a_mean_has_the_interval_of_its_standard_error() {
    // Half of 400 flags: standard error √(0.25 / 400) = 0.025, 95 % are 1.96 of them.
    let flags: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
    let request = Bootstrap { replicates: 4000, seed: 0 };
    let got = percentiles(replicates("test", request, |stream| redrawn(&flags, 400, stream)));
    assert!((got.low - 0.451).abs() < 0.003 && (got.high - 0.549).abs() < 0.003, "{got:?}");
}

#[test]
fn intervals_hold_the_mean_over_data_sets() {
    let (sets, n) = (150, 200);
    let request = Bootstrap { replicates: 200, seed: 0 };
    let runs: Vec<_> = (0..sets)
        .map(|seed| {
            let case = case(seed, n);
            let input = input(&case, &NAMES);
            let values = evaluate(input).unwrap();
            let intervals = intervals(&input, &values, request).unwrap();
            (values, intervals)
        })
        .collect();
    for (index, name) in NAMES.iter().enumerate() {
        let mean = runs.iter().map(|(values, _)| values[index].value).sum::<f64>() / sets as f64;
        let held = runs.iter().filter(|(values, intervals)| {
            let (reported, interval) = &intervals[index];
            assert_eq!(*reported, values[index].metric);
            assert!(interval.low <= interval.high, "{name} {interval:?}");
            interval.low <= mean && mean <= interval.high
        });
        let share = 100.0 * held.count() as f64 / sets as f64;
        // Shares when written: fid 96.7, is 90, precision 98, recall 96, density 100, coverage 98.7, kid 96.7,
        // ipr_precision 98.7, ipr_recall 97.3; their own standard error is about 2.
        let allowed = if *name == "density" { 97.0..=100.0 } else { 85.0..=99.4 };
        assert!(allowed.contains(&share), "{name} {share}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let case = case(3, 60);
    let input = input(&case, &NAMES);
    let values = evaluate(input).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let request = Bootstrap { replicates: 40, seed: 1 };
        pool.install(|| intervals(&input, &values, request).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn only_what_was_evaluated_has_intervals() {
    let case = case(0, 60);
    let request = Bootstrap { replicates: 40, seed: 0 };
    let input = input(&case, &["coverage", "vendi"]);
    let values = evaluate(input).unwrap();
    let got = intervals(&input, &values, request).unwrap();
    assert_eq!(got.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["coverage@pixels"]);
    assert_eq!(
        intervals(&input, &values, Bootstrap { replicates: 39, seed: 0 }).unwrap_err().to_string(),
        "a 95 % interval needs at least 40 bootstrap replicates, got 39"
    );
}

#[test]
fn intervals_end_where_the_cards_say_that_the_metrics_do() {
    let wide = Interval { low: -0.5, high: 1.5 };
    let within = |name: &str| wide.within(crate::metric(name).unwrap().range);
    assert_eq!(within("precision"), Interval { low: 0.0, high: 1.0 });
    assert_eq!(within("fid"), Interval { low: 0.0, high: 1.5 });
    assert_eq!(within("is"), Interval { low: 1.0, high: 1.5 });
    assert_eq!(within("kid"), wide);
    // Where the fakes are the real images the replicates lie at the end of the range.
    let real = Features::new(1, (0..60).map(|i| i as f32).collect(), None).unwrap();
    let fake = real.clone();
    let real = RealReference::new(&real, 60).unwrap();
    let case = Case { real, fake };
    let input = input(&case, &["precision", "recall", "density"]);
    let values = evaluate(input).unwrap();
    let request = Bootstrap { replicates: 40, seed: 0 };
    for (name, interval) in intervals(&input, &values, request).unwrap() {
        let range = crate::metric(&name).unwrap().range;
        assert!(range.contains(interval.low) && range.contains(interval.high), "{name}");
    }
}

#[test]
fn exactly_the_metrics_whose_cards_say_so_have_intervals() {
    let case = case(2, 60);
    let all: Vec<&str> = crate::metrics().map(|m| m.name).collect();
    let labels: Vec<u32> = (0..60).map(|i| i % 2).collect();
    let labels = crate::metric::Labels { real: &labels, fake: &labels };
    let input = EvaluationInput { labels: Some(labels), ..input(&case, &all) };
    let values = evaluate(input).unwrap();
    let found = intervals(&input, &values, Bootstrap { replicates: 40, seed: 0 }).unwrap();
    let found: Vec<&str> = found.iter().map(|(name, _)| crate::bare_name(name)).collect();
    let cards: Vec<&str> = crate::metrics().filter(|m| m.has_intervals()).map(|m| m.name).collect();
    assert_eq!(found, cards);
    assert_eq!(found, NAMES);
}
