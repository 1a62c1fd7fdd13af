use rayon::prelude::*;

use super::*;
use crate::evaluate::evaluate;
use crate::extractor::ExtractorId;
use crate::features::{Features, Logits};
use crate::inception_score;
use crate::recognition::recognitions_of_the_truth;
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

/// Gaussian sets of `n` rows of 4 dimensions, the fakes shifted and narrower, with logits of 5
/// classes.
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

fn of_intervals(found: Vec<(String, Interval)>) -> Vec<Interval> {
    found.into_iter().map(|(_, interval)| interval).collect()
}

const fn request(reals: Reals) -> Bootstrap {
    Bootstrap { replicates: 60, seed: 0, reals }
}

#[test]
fn shares_have_wilsons_interval_at_the_effective_number_of_images() {
    // statsmodels.stats.proportion.proportion_confint(8, 10, method="wilson")
    let got = Interval::wilson(0.8, 10.0);
    let expected = Interval { low: 0.490_162_471_536_642_6, high: 0.943_317_848_545_631_9 };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(got.low, expected.low) && near(got.high, expected.high), "{got:?}");
    // A variance as of 10 independent images among 1,000.
    let precision = crate::metric("precision").unwrap();
    let value = |value| {
        let metric = "precision".into();
        MetricValue { metric, value, std: None, n_real: 1000, n_fake: 500 }
    };
    let got = Interval::of_value(precision, &value(0.8), 0.8 * 0.2 / 10.0);
    assert!(near(got.low, expected.low) && near(got.high, expected.high), "{got:?}");
    // All of the fewer side's 500: z²/(500 + z²) below 1.
    let got = Interval::of_value(precision, &value(1.0), 0.0);
    assert!(near(got.low, 500.0 / (500.0 + NORMAL_975 * NORMAL_975)) && got.high == 1.0, "{got:?}");
}

/// How many of the intervals hold the mean of the values, and the told over the true standard
/// deviation.
fn rates(found: &[(f64, Interval)]) -> (f64, f64) {
    let n = found.len() as f64;
    let mean = found.iter().map(|(value, _)| value).sum::<f64>() / n;
    let held = found.iter().filter(|(_, i)| i.low <= mean && mean <= i.high).count() as f64;
    let told = found.iter().map(|(_, i)| ((i.high - i.low) / 2.0 / NORMAL_975).powi(2));
    let truth = found.iter().map(|(value, _)| (value - mean).powi(2)).sum::<f64>();
    (100.0 * held / n, (told.sum::<f64>() / truth).sqrt())
}

/// 95 % of 150 with a standard error of 1.8; standard deviations of 150 to 6 %, and those told of
/// so few images to 10 %.
fn check_rates(what: &str, found: &[(f64, Interval)]) {
    let (held, told) = rates(found);
    assert!((89.5..=99.4).contains(&held), "{what}: {held} % hold the mean");
    // Wilson's intervals of shares are wider by design near 0 and 1.
    assert!((0.8..=1.27).contains(&told), "{what}: {told} of the true standard deviation");
}

#[test]
fn intervals_hold_the_mean_over_data_sets() {
    let (sets, n) = (150, 200);
    for reals in [Reals::Drawn, Reals::Held] {
        let runs: Vec<(Vec<MetricValue>, Vec<Interval>)> = (0..sets)
            .into_par_iter()
            .map(|seed| {
                let real = if reals == Reals::Held { 0 } else { seed };
                let case = Case { real: case(real, n).real, fake: case(1000 + seed, n).fake };
                let input = input(&case, &NAMES);
                let values = evaluate(input).unwrap();
                let found = of_intervals(intervals(&input, &values, request(reals)).unwrap());
                (values, found)
            })
            .collect();
        for (i, name) in NAMES.iter().enumerate() {
            let found: Vec<_> =
                runs.iter().map(|(values, found)| (values[i].value, found[i])).collect();
            check_rates(&format!("{name}, {reals:?}"), &found);
        }
    }
}

#[test]
fn intervals_of_differences_know_that_both_sides_met_the_same_reals() {
    let (sets, n) = (150, 200);
    for reals in [Reals::Drawn, Reals::Held] {
        let runs: Vec<Vec<(f64, Interval)>> = (0..sets)
            .into_par_iter()
            .map(|seed| {
                let real = if reals == Reals::Held { 0 } else { seed };
                let a = Case { real: case(real, n).real, fake: case(1000 + seed, n).fake };
                let b = Case { real: case(real, n).real, fake: case(2000 + seed, n).fake };
                let inputs = [input(&a, &NAMES), input(&b, &NAMES)];
                let values = inputs.map(|input| evaluate(input).unwrap());
                let found = difference_intervals(
                    [&inputs[0], &inputs[1]],
                    [&values[0], &values[1]],
                    request(reals),
                );
                let differences = values[0].iter().zip(&values[1]).map(|(a, b)| a.value - b.value);
                differences.zip(of_intervals(found.unwrap())).collect()
            })
            .collect();
        for (i, name) in NAMES.iter().enumerate() {
            let found: Vec<_> = runs.iter().map(|run| run[i]).collect();
            check_rates(&format!("{name}, {reals:?}"), &found);
        }
    }
}

#[test]
fn sets_of_other_numbers_of_fakes_have_no_interval_of_their_difference() {
    let (a, b) = (case(0, 60), case(1, 80));
    let inputs = [input(&a, &["fid"]), input(&b, &["fid"])];
    let error = difference_intervals([&inputs[0], &inputs[1]], [&[], &[]], request(Reals::Drawn));
    assert_eq!(
        error.unwrap_err().to_string(),
        "60 fakes on one side and 80 on the other, expected as many; values of other counts differ by that alone"
    );
}

#[test]
fn a_set_against_itself_differs_by_0_within_its_interval() {
    let case = case(0, 80);
    let input = input(&case, &NAMES);
    let values = evaluate(input).unwrap();
    let found =
        difference_intervals([&input, &input], [&values, &values], request(Reals::Drawn)).unwrap();
    assert_eq!(found.len(), NAMES.len());
    for (name, interval) in found {
        assert!(interval.low < 0.0 && (interval.low + interval.high).abs() < 1e-12, "{name}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let case = case(3, 60);
    let input = input(&case, &NAMES);
    let values = evaluate(input).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let request = Bootstrap { replicates: 40, seed: 1, reals: Reals::Drawn };
        pool.install(|| intervals(&input, &values, request).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn only_what_was_evaluated_has_intervals() {
    let case = case(0, 60);
    let request = Bootstrap { replicates: 40, seed: 0, reals: Reals::Drawn };
    let input = input(&case, &["coverage", "vendi"]);
    let values = evaluate(input).unwrap();
    let got = intervals(&input, &values, request).unwrap();
    assert_eq!(got.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["coverage@pixels"]);
    assert_eq!(
        intervals(&input, &values, Bootstrap { replicates: 39, seed: 0, reals: Reals::Drawn })
            .unwrap_err()
            .to_string(),
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
    let request = Bootstrap { replicates: 40, seed: 0, reals: Reals::Drawn };
    for (name, interval) in intervals(&input, &values, request).unwrap() {
        let range = crate::metric(&name).unwrap().range;
        assert!(range.contains(interval.low) && range.contains(interval.high), "{name}");
    }
}

#[test]
fn exactly_the_metrics_whose_cards_say_so_have_intervals() {
    let mut case = case(2, 60);
    let shown = recognitions_of_the_truth("fake", case.fake.len());
    case.fake = case.fake.with_recognitions(shown).unwrap();
    let all: Vec<&str> = crate::metrics().map(|m| m.name).collect();
    let labels: Vec<u32> = (0..60).map(|i| i % 2).collect();
    let labels = crate::metric::Labels { real: &labels, fake: &labels };
    let input = EvaluationInput { labels: Some(labels), ..input(&case, &all) };
    let values = evaluate(input).unwrap();
    let found =
        intervals(&input, &values, Bootstrap { replicates: 40, seed: 0, reals: Reals::Drawn })
            .unwrap();
    let found: Vec<&str> = found.iter().map(|(name, _)| crate::bare_name(name)).collect();
    let cards: Vec<&str> = crate::metrics().filter(|m| m.has_intervals()).map(|m| m.name).collect();
    assert_eq!(found, cards);
    assert_eq!(found[..NAMES.len()], NAMES);
    let of_truth = crate::families::modes::FAMILY.metrics.iter().map(|metric| metric.name);
    assert!(found[NAMES.len()..].iter().copied().eq(of_truth));
}
