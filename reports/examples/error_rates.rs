//! How often the tests of rows over seeds err, and how often they see a difference, on scores like
//! the kept ones.
//!
//! `cargo run --release -p ganbench-reports --example error_rates [REPEATS]` prints a table. Scores
//! are ln FIDs of six rows, normal with the standard deviations of kept experiments; the seed of
//! the draws is fixed.

use ganbench_data::rng::Stream;
use ganbench_reports::statistics::exact::{Outcomes, fisher_p};
use ganbench_reports::statistics::typical::is_collapse_typical;
use ganbench_reports::statistics::{Row, Rows, student_t_exceeds};

/// Standard deviations of ln FID of six rows.
const SPREADS: [(&str, [f64; 6]); 5] = [
    ("all 0.15", [0.15; 6]),
    ("table1, equal images", [0.07, 0.12, 0.15, 0.16, 0.21, 0.37]),
    ("table1, equal time", [0.12, 0.12, 0.18, 0.05, 0.10, 0.08]),
    ("kdd", [0.07, 0.18, 0.17, 0.05, 0.11, 0.22]),
    ("one row of 1.0", [0.15, 0.15, 0.15, 0.15, 0.15, 1.0]),
];

/// ln 4: what a collapse adds.
const FALL: f64 = 1.386;

struct Draws(Stream);

impl Draws {
    fn row(&mut self, mean: f64, spread: f64, n: usize, shared: &[f64]) -> Vec<f64> {
        let z = self.0.normal(n);
        z.iter().zip(shared).map(|(z, shared)| mean + spread * f64::from(*z) + shared).collect()
    }
}

fn row(values: &[f64]) -> Row {
    Row { seeds: (0..values.len() as u64).collect(), values: values.to_vec() }
}

/// Welch's test of two rows alone, which the rule is when there is no third row.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    Rows::new(&[row(a), row(b)]).difference(0, 1).and_then(|d| d.p()).unwrap_or(1.0)
}

fn paired(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    student_t_exceeds(mean / (variance / n).sqrt(), n - 1.0)
}

/// Shares of repeats and pairs of rows that are called a difference: by the rule, by Welch's test,
/// by the paired one; and by the rule for the pair of rows that is worst.
fn called(
    draws: &mut Draws,
    spreads: &[f64; 6],
    (n, effect, shared): (usize, f64, f64),
    repeats: usize,
) -> [f64; 4] {
    let mut calls = [[[0.0f64; 3]; 6]; 6];
    for _ in 0..repeats {
        let seeds: Vec<f64> = draws.0.normal(n).iter().map(|z| shared * f64::from(*z)).collect();
        let values: Vec<Vec<f64>> = spreads
            .iter()
            .enumerate()
            .map(|(i, spread)| draws.row(if i == 0 { effect } else { 0.0 }, *spread, n, &seeds))
            .collect();
        let rows = Rows::new(&values.iter().map(|v| row(v)).collect::<Vec<_>>());
        for i in 0..6 {
            for j in i + 1..6 {
                let p = rows.difference(i, j).and_then(|d| d.p()).unwrap_or(1.0);
                let all = [p, welch(&values[i], &values[j]), paired(&values[i], &values[j])];
                for (call, p) in calls[i][j].iter_mut().zip(all) {
                    *call += f64::from(u8::from(p <= 0.05)) / repeats as f64;
                }
            }
        }
    }
    // With an effect only the first row differs from the others.
    let firsts = if effect == 0.0 { 6 } else { 1 };
    let pairs: Vec<[f64; 3]> = (0..firsts)
        .flat_map(|i| (i + 1..6).map(move |j| (i, j)))
        .map(|(i, j)| calls[i][j])
        .collect();
    let mean = |k: usize| pairs.iter().map(|p| p[k]).sum::<f64>() / pairs.len() as f64;
    [mean(0), mean(1), mean(2), pairs.iter().map(|p| p[0]).fold(0.0, f64::max)]
}

/// A row that collapses with this probability against a steady one of the same typical run or of
/// the same mean: shares of repeats in which the steady one is called worse, by means of all runs
/// and by typical runs, and in which the rates of collapse are called different.
fn collapse(draws: &mut Draws, rate: f64, n: usize, same_mean: bool, repeats: usize) -> [f64; 3] {
    let mut calls = [0.0; 3];
    for _ in 0..repeats {
        let steady = if same_mean { rate * FALL } else { 0.0 };
        let none = vec![0.0; n];
        let mut rows: Vec<Vec<f64>> = vec![draws.row(steady, 0.15, n, &none)];
        rows.extend((0..5).map(|_| draws.row(0.0, 0.15, n, &none)));
        let fell: Vec<bool> = (0..n).map(|_| draws.0.chance(rate)).collect();
        let all: Vec<f64> =
            rows[1].iter().zip(&fell).map(|(v, fell)| v + if *fell { FALL } else { 0.0 }).collect();
        let fallen = fell.iter().filter(|f| **f).count();
        let typical: Vec<f64> = match is_collapse_typical(fallen, n) {
            true => all.clone(),
            false => all.iter().zip(&fell).filter(|(_, fell)| !**fell).map(|(v, _)| *v).collect(),
        };
        let worse = |second: &[f64]| {
            let mut of: Vec<Row> = rows.iter().map(|v| row(v)).collect();
            of[1] = row(second);
            let difference = Rows::new(&of).difference(0, 1);
            difference.is_some_and(|d| d.effect > 0.0 && d.p().is_some_and(|p| p <= 0.05))
        };
        let rates = fisher_p(
            Outcomes { with: 0, runs: n as u64 },
            Outcomes { with: fallen as u64, runs: n as u64 },
        );
        let found = [worse(&all), worse(&typical), rates.is_some_and(|p| p <= 0.05)];
        for (call, found) in calls.iter_mut().zip(found) {
            *call += f64::from(u8::from(found)) / repeats as f64;
        }
    }
    calls
}

fn main() {
    let repeats = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2000);
    let mut draws = Draws(Stream::new(0, "statistics/error-rates"));
    let percent = |v: f64| format!("{:.1}", 100.0 * v);
    let line = |name: &str, n: usize, rates: [f64; 4]| {
        let rates = rates.map(percent);
        println!("| {name} | {n} | {} | {} | {} | {} |", rates[0], rates[3], rates[1], rates[2]);
    };
    println!("Called a difference, % of {repeats} repeats\n");
    println!("| deviations of ln FID | seeds | rule | its worst pair | Welch | paired |");
    println!("|:--|--:|--:|--:|--:|--:|");
    for (name, spreads) in &SPREADS {
        for n in [3, 5, 8] {
            line(name, n, called(&mut draws, spreads, (n, 0.0, 0.0), repeats));
        }
    }
    for n in [3, 5] {
        let rates = called(&mut draws, &[0.15; 6], (n, 0.0, 0.3), repeats);
        line("all 0.15, seeds 0.3 in common", n, rates);
    }
    for n in [3, 5] {
        let ratio = 0.7f64.ln();
        line(
            "all 0.15, a ratio of 0.7",
            n,
            called(&mut draws, &[0.15; 6], (n, ratio, 0.0), repeats),
        );
        let rates = called(&mut draws, &[0.15; 6], (n, ratio, 0.3), repeats);
        line("the same, seeds 0.3 in common", n, rates);
    }
    println!(
        "\n| collapse | seeds | steady row has | means: worse | typical: worse | rates differ |"
    );
    println!("|--:|--:|:--|--:|--:|--:|");
    for rate in [0.1, 0.2] {
        for n in [3, 5, 8] {
            for (same_mean, text) in [(true, "the same mean"), (false, "the same typical run")] {
                let rates = collapse(&mut draws, rate, n, same_mean, repeats).map(percent);
                let [means, typical, differ] = rates;
                println!("| {rate} | {n} | {text} | {means} | {typical} | {differ} |");
            }
        }
    }
}
