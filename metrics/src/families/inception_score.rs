//! Inception score (IS).
//!
//! Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 4: exp
//! E_x KL(p(y|x) ‖ p(y)), the mean over splits. Must agree with torch-fidelity 0.4.0 on the same
//! logits to 1e-9 relative: logits without bias, f64 softmax, the samples shuffled by numpy's
//! `RandomState(2020).permutation`, split `i` holding rows `i·n/splits..(i+1)·n/splits`, standard
//! deviation over the splits with divisor `splits`.

use std::ops::Range;

use ganbench_nn::kernels::Real;
use rayon::prelude::*;

use crate::bootstrap;
use crate::card::{LeastImages, Metric, ProtocolField, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::numpy_random::RandomState;
use crate::numerics::rows::Rows;

const METRIC: &str = "is";

/// IS in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[Metric {
        name: METRIC,
        title: "IS",
        higher_is_better: true,
        decimals: 2,
        scale: Scale::Difference,
        range: ValueRange::AT_LEAST_1,
        axis: ValueAxis::Fitted,
        column: 50,
        is_detail: false,
        least_images: LeastImages::IsSplits,
        fields: &[ProtocolField::IsSplits, ProtocolField::IsShuffle, ProtocolField::IsBias],
        description: "Inception score: confident and varied class predictions, 10 splits",
    }],
    by_default: true,
    needs: Needs::LOGITS,
    compute,
    resample: Some(bootstrap::inception_score),
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let logits = input.fake.logit_rows().ok_or(MetricError::NoLogits { metric: METRIC })?;
    let score = inception_score(logits, input.settings.inception_score)?;
    Ok(vec![Score { value: score.mean, std: Some(score.std), n_real: 0, n_fake: logits.len() }])
}

/// How the samples are shuffled and split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Into how many parts the samples are split, or of which size.
    pub splits: Splits,
    /// Seed of numpy's legacy generator; `None` keeps the order.
    pub shuffle_seed: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { splits: Splits::Equal(10), shuffle_seed: Some(2020) }
    }
}

impl Options {
    /// Where each of the parts of `n` images lies, whose scores are averaged.
    pub(crate) fn parts(&self, n: usize) -> Vec<Range<usize>> {
        match self.splits {
            // In u128, since i·n may not fit for absurd numbers of splits.
            Splits::Equal(splits) => {
                let bound = |i: usize| (i as u128 * n as u128 / splits as u128) as usize;
                (0..splits).map(|i| bound(i)..bound(i + 1)).collect()
            }
            Splits::Chunks(size) => {
                (0..n).step_by(size.max(1)).map(|first| first..(first + size).min(n)).collect()
            }
        }
    }
}

/// Into which parts the images are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splits {
    /// So many parts, whose sizes differ by one image at most.
    Equal(usize),
    /// Parts of so many images, the last one of the rest, as the evaluator of ADM has it.
    Chunks(usize),
}

impl Splits {
    /// Fewest images that can be split so.
    pub fn least_images(self) -> usize {
        match self {
            Self::Equal(splits) => splits,
            Self::Chunks(_) => 1,
        }
    }
}

impl std::fmt::Display for Splits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equal(splits) => write!(f, "{splits}"),
            Self::Chunks(size) => write!(f, "chunks of {size}"),
        }
    }
}

/// Mean and standard deviation (divisor: number of splits) of the splits' scores, each in
/// 1..=classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InceptionScore {
    /// The reported score.
    pub mean: f64,
    /// The spread between the splits, ≥ 0; it is 0 where there is one split.
    pub std: f64,
}

/// Inception score of `logits`, `[n, classes]`, without bias.
///
/// # Errors
/// If there are fewer images than splits, no splits, or a logit is not finite.
pub fn inception_score<T: Real>(
    logits: Rows<'_, T>,
    options: Options,
) -> Result<InceptionScore, MetricError> {
    check(logits, options)?;
    let n = logits.len();
    let order = match options.shuffle_seed {
        Some(seed) => RandomState::new(seed).permutation(n),
        None => (0..n).collect(),
    };
    let scores: Vec<f64> =
        options.parts(n).into_par_iter().map(|part| split_score(logits, &order[part])).collect();
    let parts = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / parts;
    let variance = scores.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / parts;
    Ok(InceptionScore { mean, std: variance.sqrt() })
}

/// What [`inception_score`] refuses.
pub(crate) fn check<T: Real>(logits: Rows<'_, T>, options: Options) -> Result<(), MetricError> {
    if matches!(options.splits, Splits::Equal(0) | Splits::Chunks(0)) {
        return Err(MetricError::Zero { metric: METRIC, name: "splits" });
    }
    let (needed, got) = (options.splits.least_images(), logits.len());
    if got < needed {
        return Err(MetricError::TooFew { metric: METRIC, side: Side::Fake, needed, got });
    }
    logits.check_finite()
}

/// exp of the mean divergence of the rows' class distributions from their mean distribution.
fn split_score<T: Real>(logits: Rows<'_, T>, rows: &[usize]) -> f64 {
    let mut marginal = vec![0.0; logits.dim()];
    let mut log_p = vec![0.0; logits.dim()];
    for &row in rows {
        log_softmax(logits.row(row), &mut log_p);
        marginal.iter_mut().zip(&log_p).for_each(|(q, l)| *q += l.exp());
    }
    let log_marginal: Vec<f64> = marginal.iter().map(|q| (q / rows.len() as f64).ln()).collect();
    let mut divergence = 0.0;
    for &row in rows {
        log_softmax(logits.row(row), &mut log_p);
        divergence += log_p
            .iter()
            .zip(&log_marginal)
            .map(|(&l, &q)| {
                let p = l.exp();
                // p ln p tends to 0; without this a class that underflows everywhere gives 0 · ∞.
                if p == 0.0 { 0.0 } else { p * (l - q) }
            })
            .sum::<f64>();
    }
    (divergence / rows.len() as f64).exp()
}

/// Class distributions of images, computed once for scores of many draws of them. In f32, which
/// moves a score by about 1e-7 of it, to hold 50,000 images of 1008 classes in 200 MB.
pub(crate) struct Distributions {
    classes: usize,
    /// `[n, classes]`
    p: Vec<f32>,
    /// Σ p ln p of each image.
    negative_entropies: Vec<f64>,
}

impl Distributions {
    /// Of logits that [`check`] let pass.
    pub(crate) fn from_logits<T: Real>(logits: Rows<'_, T>) -> Self {
        let classes = logits.dim();
        let mut p = vec![0f32; logits.values().len()];
        let mut negative_entropies = vec![0.0; logits.len()];
        let work = p.par_chunks_mut(classes).zip(&mut negative_entropies).enumerate();
        work.for_each_init(
            || vec![0.0; classes],
            |log_p, (row, (p, negative_entropy))| {
                log_softmax(logits.row(row), log_p);
                for (p, &l) in p.iter_mut().zip(log_p.iter()) {
                    *p = l.exp() as f32;
                    *negative_entropy += if l.exp() == 0.0 { 0.0 } else { l.exp() * l };
                }
            },
        );
        Self { classes, p, negative_entropies }
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.negative_entropies.len()
    }

    /// The score of one split that holds these rows, any of them any number of times.
    pub(crate) fn score(&self, rows: &[usize]) -> f64 {
        let n = rows.len() as f64;
        let mut marginal = vec![0.0; self.classes];
        let mut negative_entropy = 0.0;
        for &row in rows {
            let p = &self.p[row * self.classes..(row + 1) * self.classes];
            marginal.iter_mut().zip(p).for_each(|(q, p)| *q += f64::from(*p));
            negative_entropy += self.negative_entropies[row];
        }
        let of_marginal: f64 =
            marginal.iter().map(|q| q / n).filter(|&q| q > 0.0).map(|q| q * q.ln()).sum();
        (negative_entropy / n - of_marginal).exp()
    }
}

fn log_softmax<T: Real>(logits: &[T], out: &mut [f64]) {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |m, v| m.max(v.f64()));
    let log_sum = logits.iter().map(|v| (v.f64() - largest).exp()).sum::<f64>().ln();
    out.iter_mut().zip(logits).for_each(|(o, v)| *o = v.f64() - largest - log_sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(logits: &[f64], classes: usize, splits: usize) -> Result<InceptionScore, MetricError> {
        let splits = Splits::Equal(splits);
        inception_score(Rows::new(logits, classes)?, Options { splits, shuffle_seed: Some(2020) })
    }

    #[test]
    fn equal_predictions_score_1_and_certain_balanced_ones_the_number_of_classes() {
        // All rows alike: every KL is 0, exp 0 = 1.
        let same = score(&[1.0, 2.0, 3.0].repeat(20), 3, 1).unwrap();
        assert!((same.mean - 1.0).abs() < 1e-12 && same.std == 0.0, "{same:?}");
        // Certain, one of each of 3 classes: KL = ln 3 for each row. The other classes underflow.
        let certain = [[0.0, -1e4, -1e4], [-1e4, 0.0, -1e4], [-1e4, -1e4, 0.0]].concat();
        let certain = score(&certain, 3, 1).unwrap();
        assert!((certain.mean - 3.0).abs() < 1e-12, "{certain:?}");
    }

    #[test]
    fn adding_a_constant_to_a_row_of_logits_changes_nothing() {
        let logits: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 11)).collect();
        let shifted: Vec<f64> =
            logits.iter().enumerate().map(|(i, v)| v + 1000.0 * (i / 10) as f64).collect();
        let (a, b) = (score(&logits, 10, 4).unwrap(), score(&shifted, 10, 4).unwrap());
        assert!((a.mean - b.mean).abs() < 1e-10 && (a.std - b.std).abs() < 1e-10);
    }

    #[test]
    fn score_of_the_tiny_fixture_is_torch_fidelitys() {
        let fixture = crate::tiny_fixture::TinyFixture::read();
        let logits: Vec<f64> = fixture.real.iter().map(|v| 3.0 * v).collect();
        let got = inception_score(Rows::new(&logits, 6).unwrap(), Options::default()).unwrap();
        assert!((got.mean - fixture.isc_mean).abs() < 1e-9, "{got:?}");
        assert!((got.std - fixture.isc_std).abs() < 1e-9, "{got:?}");
    }

    #[test]
    fn distributions_at_hand_give_the_same_score() {
        let fixture = crate::tiny_fixture::TinyFixture::read();
        let logits: Vec<f64> = fixture.real.iter().map(|v| 3.0 * v).collect();
        let logits = Rows::new(&logits, 6).unwrap();
        let order: Vec<usize> = (0..logits.len()).collect();
        let (at_hand, plain) =
            (Distributions::from_logits(logits).score(&order), split_score(logits, &order));
        // The probabilities are f32.
        assert!((at_hand - plain).abs() < 1e-6 * plain, "{at_hand} {plain}");
    }

    #[test]
    fn chunks_are_taken_in_the_order_given_and_the_last_holds_the_rest() {
        let parts = |splits, n| Options { splits, shuffle_seed: None }.parts(n);
        assert_eq!(parts(Splits::Chunks(4), 10), [0..4, 4..8, 8..10]);
        assert_eq!(parts(Splits::Chunks(50), 10), std::slice::from_ref(&(0..10)));
        assert_eq!(parts(Splits::Equal(3), 10), [0..3, 3..6, 6..10]);
        // Two chunks of equal predictions each: 1 apart, more in one pot.
        let logits = [[9.0, 0.0].repeat(4), [0.0, 9.0].repeat(4)].concat();
        let score = |splits| {
            let options = Options { splits, shuffle_seed: None };
            inception_score(Rows::new(&logits, 2).unwrap(), options).unwrap().mean
        };
        assert!((score(Splits::Chunks(4)) - 1.0).abs() < 1e-12);
        assert!(score(Splits::Chunks(8)) > 1.9);
    }

    #[test]
    fn bad_logits_are_refused() {
        let text = |r: Result<InceptionScore, MetricError>| r.unwrap_err().to_string();
        assert_eq!(text(score(&[0.0; 18], 2, 10)), "is needs at least 10 fake images, got 9");
        assert_eq!(text(score(&[0.0; 18], 2, 0)), "is needs splits of at least 1, got 0");
        assert_eq!(
            text(score(&[0.0, 1.0, f64::NAN, 0.0], 2, 1)),
            "row 1 of the features holds NaN, expected finite numbers only"
        );
        assert_eq!(text(score(&[0.0; 5], 2, 1)), "5 numbers cannot be rows of 2");
    }
}
