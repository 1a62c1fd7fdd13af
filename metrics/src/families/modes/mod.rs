//! What a generator of `shapes` really makes, held against the truth.
//!
//! The true distribution of `shapes` is known: 720 equally likely modes, and uniform continuous
//! factors within each. The extractor `small-shapes` says of each sample which image of the data
//! set it lies closest to and whether it looks like it ([`Recognition`]). The metrics here compare
//! the distribution of the recognised samples with the truth. They look at no real images.
//!
//! - `recognised`: the share of samples that look like what they are taken for: each lies as close
//!   to the rendering of its refined factors as the network alone reads 99 % of real test images;
//!   above 0.99 in truth.
//! - `faithful`: the share of samples that lie as close as 99 % of real test images do with refined
//!   factors; 0.99 in truth. It asks for every pixel, which young generators do not reach.
//! - `modes`: modes that at least one recognised sample shows, at most 720. A perfect generator
//!   shows [`expected_modes`] with n recognised samples.
//! - `modes_kl`: KL(samples ‖ truth) = ln 720 − H over the modes, in nats, with Grassberger's
//!   entropy estimate (`entropy.rs`); 0 in truth, up to noise on both sides. As the mode score and
//!   the number of modes of Metz et al. 2017 (arXiv:1611.02163, section 3.3.1), with a known
//!   classifier.
//! - `unseen`: the share of the recognised samples in the 72 modes that the training images of
//!   `shapes-heldout` lack; 0.1 in truth, 0 of a generator that repeats what it was shown there.
//! - `tv_*`: total variation ½ Σ |p − 1/k| of each factor that comes in kinds; 0 in truth, near
//!   √(k / 2πn) of n samples.
//! - `factor_mi`: the sum of the six pairwise mutual informations, in nats, by the same estimate; 0
//!   in truth, since the factors are independent. It finds factors that are tied to one another.
//! - `ks_*`: Kolmogorov's distance of each continuous factor from its uniform distribution; 0 in
//!   truth, near 0.87/√n of n samples.
//!
//! Where no sample is recognised, nothing is drawn: `modes_kl` is ln 720, each distance is 1, and
//! the others are 0.
//!
//! No correction for errors of the classifier is needed: a sample that is taken for something else
//! does not look like it, and is not recognised. Of 9,997 recognised test images two were taken for
//! another texture and none for another shape, hue or background (the card of `small-shapes`; a
//! test holds it), which moves no metric by more than 0.0002.

mod entropy;
mod intervals;

use entropy::entropy;
use ganbench_data::shapes::{CONTINUOUS, KIND_COUNTS, Kinds, MODES, is_held_out};

use crate::card::{ImageCounts, LeastImages, Metric, Scale, ValueAxis, ValueRange};
use crate::error::MetricError;
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::recognition::Recognition;

/// Number of metrics.
const METRICS: usize = 6 + KIND_COUNTS.len() + CONTINUOUS;

/// A distance in [0, 1] from the truth.
const fn distance(
    name: &'static str,
    title: &'static str,
    column: u16,
    description: &'static str,
) -> Metric {
    Metric {
        name,
        title,
        higher_is_better: false,
        decimals: 3,
        scale: Scale::Difference,
        range: ValueRange::SHARE,
        axis: ValueAxis::FromZero,
        column,
        is_detail: true,
        least_images: LEAST,
        fields: &[],
        description,
    }
}

const LEAST: LeastImages = LeastImages::Fixed(ImageCounts { real: 0, fake: 1 });

/// The metrics of known truth in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: "modes",
    metrics: &[
        Metric {
            higher_is_better: true,
            description: "share of samples that look like what they are taken for (shapes; above 0.99 in truth)",
            is_detail: false,
            ..distance("recognised", "Recognised", 200, "")
        },
        Metric {
            higher_is_better: true,
            decimals: 0,
            range: ValueRange { low: 0.0, high: MODES as f64 },
            description: "modes of 720 that recognised samples show (shapes)",
            is_detail: false,
            ..distance("modes", "Modes", 210, "")
        },
        Metric {
            range: ValueRange::ANY,
            description: "KL divergence of the modes from the truth, in nats (shapes; 0 in truth)",
            is_detail: false,
            ..distance("modes_kl", "Modes KL", 220, "")
        },
        Metric {
            higher_is_better: true,
            description: "share of recognised samples in the 72 modes held out by shapes-heldout (0.1 in truth)",
            ..distance("unseen", "Unseen", 230, "")
        },
        distance("tv_shape", "TV shape", 240, "total variation of the shape from uniform (shapes)"),
        distance("tv_hue", "TV hue", 241, "total variation of the hue from uniform (shapes)"),
        distance(
            "tv_background",
            "TV background",
            242,
            "total variation of the background from uniform (shapes)",
        ),
        distance(
            "tv_texture",
            "TV texture",
            243,
            "total variation of the texture from uniform (shapes)",
        ),
        Metric {
            range: ValueRange::ANY,
            description: "mutual information of all pairs of factors, in nats (shapes; 0 in truth)",
            ..distance("factor_mi", "Factor MI", 250, "")
        },
        Metric {
            higher_is_better: true,
            description: "share of samples as close to the data set as its own images (shapes; 0.99 in truth)",
            ..distance("faithful", "Faithful", 205, "")
        },
        distance("ks_x", "KS x", 260, "Kolmogorov distance of the horizontal position (shapes)"),
        distance("ks_y", "KS y", 261, "Kolmogorov distance of the vertical position (shapes)"),
        distance("ks_size", "KS size", 262, "Kolmogorov distance of the size (shapes)"),
        distance("ks_rotation", "KS rotation", 263, "Kolmogorov distance of the rotation (shapes)"),
        distance(
            "ks_hue",
            "KS hue",
            264,
            "Kolmogorov distance of the hue within its family (shapes)",
        ),
    ],
    by_default: true,
    needs: Needs::RECOGNITIONS,
    compute,
    resample: Some(intervals::variances),
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let n_fake = input.fake.len();
    let values = scores(recognitions(input)?);
    Ok(values.map(|value| Score { value, std: None, n_real: 0, n_fake }).into())
}

fn recognitions<'a>(input: &EvaluationInput<'a>) -> Result<&'a [Recognition], MetricError> {
    let metric = FAMILY.metrics[0].name;
    let found = input.fake.recognitions().ok_or(MetricError::NoRecognitions { metric })?;
    match found.is_empty() {
        true => Err(MetricError::TooFew { metric, side: crate::Side::Fake, needed: 1, got: 0 }),
        false => Ok(found),
    }
}

/// The number of modes that a perfect generator shows with `n` recognised samples:
/// 720 (1 − (719/720)ⁿ).
pub fn expected_modes(n: f64) -> f64 {
    let modes = MODES as f64;
    modes * (1.0 - libm::pow(1.0 - 1.0 / modes, n))
}

/// The metrics of the family in its order.
fn scores<'a>(samples: impl IntoIterator<Item = &'a Recognition>) -> [f64; METRICS] {
    let (mut n_all, mut n_faithful) = (0, 0.0);
    let mut recognised: Vec<&Recognition> = Vec::new();
    for sample in samples {
        n_all += 1;
        n_faithful += f64::from(u8::from(sample.is_faithful()));
        recognised.extend(sample.is_recognised().then_some(sample));
    }
    let kinds: Vec<Kinds> = recognised.iter().map(|r| r.factors.kinds()).collect();
    let mode_counts = histogram(MODES, recognised.iter().map(|r| r.factors.mode()));
    let n = recognised.len() as f64;

    let mut scores = [0.0; METRICS];
    scores[0] = n / f64::from(n_all).max(1.0);
    scores[1] = mode_counts.iter().filter(|count| **count > 0).count() as f64;
    scores[2] = libm::log(MODES as f64) - entropy(&mode_counts);
    let unseen = recognised.iter().filter(|r| is_held_out(r.factors.kinds())).count();
    scores[3] = unseen as f64 / n.max(1.0);
    for (factor, count) in KIND_COUNTS.into_iter().enumerate() {
        let counts = histogram(count, kinds.iter().map(|kinds| kinds[factor]));
        scores[4 + factor] = total_variation(&counts);
    }
    scores[8] = pairs().map(|pair| mutual_information(&kinds, pair)).sum();
    scores[9] = n_faithful / f64::from(n_all).max(1.0);
    for factor in 0..CONTINUOUS {
        let shown = recognised.iter().filter(|r| factor != ROTATION || shows_rotation(r));
        scores[10 + factor] = kolmogorov(shown.map(|r| r.factors.places()[factor]).collect());
    }
    scores
}

/// The place of the rotation among the continuous factors.
const ROTATION: usize = 3;

/// A plain disc or ring looks alike however it is turned.
fn shows_rotation(sample: &&&Recognition) -> bool {
    let [shape, _, _, texture] = sample.factors.kinds();
    texture > 0 || shape > 1
}

fn histogram(kinds: usize, of_samples: impl Iterator<Item = usize>) -> Vec<u64> {
    let mut counts = vec![0; kinds];
    of_samples.for_each(|kind| counts[kind] += 1);
    counts
}

/// ½ Σ |p − 1/k|; 1 of no samples.
fn total_variation(counts: &[u64]) -> f64 {
    let n: u64 = counts.iter().sum();
    if n == 0 {
        return 1.0;
    }
    let truth = 1.0 / counts.len() as f64;
    0.5 * counts.iter().map(|&count| (count as f64 / n as f64 - truth).abs()).sum::<f64>()
}

/// All pairs of factors that come in kinds.
fn pairs() -> impl Iterator<Item = [usize; 2]> {
    (0..KIND_COUNTS.len()).flat_map(|a| (a + 1..KIND_COUNTS.len()).map(move |b| [a, b]))
}

/// I(a; b) = H(a) + H(b) − H(a, b), in nats.
fn mutual_information(kinds: &[Kinds], [a, b]: [usize; 2]) -> f64 {
    let [of_a, of_b] = [a, b].map(|f| histogram(KIND_COUNTS[f], kinds.iter().map(|k| k[f])));
    let joint = histogram(
        KIND_COUNTS[a] * KIND_COUNTS[b],
        kinds.iter().map(|k| k[a] * KIND_COUNTS[b] + k[b]),
    );
    entropy(&of_a) + entropy(&of_b) - entropy(&joint)
}

/// The largest distance between the distribution of `places` and the uniform one on [−1, 1]
/// (Kolmogorov 1933); 1 of no samples.
fn kolmogorov(mut places: Vec<f64>) -> f64 {
    places.sort_unstable_by(f64::total_cmp);
    let n = places.len() as f64;
    let gaps = places.iter().enumerate().map(|(i, place)| {
        let truth = 0.5 * (place + 1.0);
        (truth - i as f64 / n).max((i as f64 + 1.0) / n - truth)
    });
    gaps.reduce(f64::max).unwrap_or(1.0)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
