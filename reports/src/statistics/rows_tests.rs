use super::*;

fn row(values: &[f64]) -> Row {
    Row { seeds: (0..values.len() as u64).collect(), values: values.to_vec() }
}

#[test]
fn two_rows_are_compared_by_welchs_test() {
    // scipy 1.17.1: ttest_ind([1, 2, 3], [4, 6, 11, 9], equal_var=False): t = -3.31662, df =
    // 3.77688, and the interval of its confidence_interval().
    let rows = Rows::new(&[row(&[1.0, 2.0, 3.0]), row(&[4.0, 6.0, 11.0, 9.0])]);
    let difference = rows.difference(0, 1).unwrap();
    assert_eq!(difference.effect, -5.5);
    assert!((difference.p().unwrap() - WELCH_P).abs() < 1e-9, "{:?}", difference.p());
    let [low, high] = difference.interval().unwrap();
    assert!((low - WELCH[0]).abs() < 1e-8 && (high - WELCH[1]).abs() < 1e-8, "{low} {high}");
}

/// From scipy, see above.
const WELCH_P: f64 = 0.032_115_098_818_373_25;
const WELCH: [f64; 2] = [-10.213_493_029_395_36, -0.786_506_970_604_639_5];

#[test]
fn the_mean_of_one_row_is_the_textbook_one() {
    // 1, 2, 3: mean 2, s = 1, t(2) = 4.302653, half width 4.302653/√3 = 2.484138.
    let mean = Rows::new(&[row(&[1.0, 2.0, 3.0])]).mean(0).unwrap();
    assert_eq!(mean.effect, 2.0);
    assert!((mean.half_width(0.05).unwrap() - 2.4841377118).abs() < 1e-9);
}

#[test]
fn rows_of_a_table_lend_one_another_degrees_of_freedom() {
    let values = [[0.0, 0.15, 0.3], [0.81, 0.5, 0.63], [0.2, 0.37, 0.06], [1.05, 1.18, 0.9]];
    let alone = Rows::new(&[row(&values[0]), row(&values[1])]).difference(0, 1).unwrap();
    let all = Rows::new(&values.map(|v| row(&v)));
    assert!(!all.is_paired());
    let together = all.difference(0, 1).unwrap();
    assert_eq!(alone.effect, together.effect);
    assert!(together.half_width(0.05).unwrap() < 0.9 * alone.half_width(0.05).unwrap());
}

#[test]
fn rows_that_rise_and_fall_together_are_compared_seed_by_seed() {
    let seeds = [0.0, 2.0, -1.0, 3.0];
    let of = |mean: f64, own: [f64; 4]| {
        row(&seeds.iter().zip(own).map(|(seed, own)| mean + seed + own).collect::<Vec<_>>())
    };
    let rows = Rows::new(&[
        of(0.0, [0.02, -0.01, 0.01, 0.0]),
        of(0.3, [-0.02, 0.01, 0.03, -0.01]),
        of(0.1, [0.01, 0.02, -0.03, 0.0]),
    ]);
    assert!(rows.is_paired());
    let half = rows.difference(0, 1).unwrap().half_width(0.05).unwrap();
    assert!(half < 0.1, "{half}");
    // A single row's mean scatters with its seeds all the same.
    assert!(rows.mean(0).unwrap().half_width(0.05).unwrap() > 1.0);
}

#[test]
fn a_contrast_of_a_row_with_itself_has_no_spread() {
    let rows = Rows::new(&[row(&[1.0, 2.0, 3.0]), row(&[2.0, 2.5, 4.0])]);
    let same = rows.contrast(&[(0, 1.0), (0, -1.0)]).unwrap();
    assert_eq!((same.effect, same.p(), same.interval()), (0.0, None, None));
}

#[test]
fn one_value_and_equal_values_have_no_interval() {
    let one = Rows::new(&[row(&[5.0]), row(&[1.0, 2.0])]);
    assert_eq!(one.mean(0).unwrap().interval(), None);
    assert_eq!(one.difference(0, 1).unwrap().p(), None);
    let equal = Rows::new(&[row(&[0.3; 3]), row(&[0.1; 3])]);
    assert_eq!(equal.difference(0, 1).unwrap().p(), None);
    assert_eq!(Rows::new(&[row(&[])]).mean(0), None);
}

/// Of tables of six rows with three seeds each: the share of comparisons with the first row that
/// are called a difference, where that row lies `effect` above the others.
fn called(spreads: [f64; 6], effect: f64, tables: usize) -> f64 {
    let mut stream = ganbench_data::rng::Stream::new(0, "statistics/rows-tests");
    let (mut calls, mut all) = (0, 0);
    for _ in 0..tables {
        let values = spreads.iter().enumerate().map(|(i, spread)| {
            let mean = if i == 0 { effect } else { 0.0 };
            row(&stream.normal(3).iter().map(|z| mean + spread * f64::from(*z)).collect::<Vec<_>>())
        });
        let rows = Rows::new(&values.collect::<Vec<_>>());
        let pairs: Vec<(usize, usize)> = match effect == 0.0 {
            true => (0..6).flat_map(|i| (i + 1..6).map(move |j| (i, j))).collect(),
            false => (1..6).map(|j| (0, j)).collect(),
        };
        for (i, j) in pairs {
            let p = rows.difference(i, j).and_then(|difference| difference.p());
            calls += usize::from(p.is_some_and(|p| p <= 0.05));
            all += 1;
        }
    }
    calls as f64 / all as f64
}

#[test]
fn true_zeros_are_called_in_at_most_one_of_twenty_and_a_ratio_of_0_7_is_seen_with_three_seeds() {
    // Standard deviations of ln FID as those of kept tables; `examples/error_rates.rs` has more.
    for spreads in [[0.15; 6], [0.07, 0.12, 0.15, 0.16, 0.21, 0.37]] {
        let rate = called(spreads, 0.0, 1000);
        assert!((0.025..0.055).contains(&rate), "{spreads:?}: {rate}");
    }
    let power = called([0.15; 6], 0.7f64.ln(), 1000);
    assert!(power > 0.67, "{power}");
}
