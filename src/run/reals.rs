//! The real images that samples are compared with: which they are, and what a protocol asks of
//! them.

use anyhow::{Result, bail};
use ganbench_data::Dataset;
use ganbench_data::draw_subset;
use ganbench_data::images::ImageBatch;
use ganbench_metrics::{Keep, MetricError, Subset, needs};
use ganbench_reports::short_hash;

use super::session::{Surroundings, read_dataset, request};
use crate::plan::{EvaluationPlan, Plan, ReferenceSplit};

/// Loads the images of another split that a plan's samples are compared with, and fills in or
/// checks their hash; `None` where they are the training images or a part of them. Of a held-out
/// share, says in `dataset` which images are trained on.
///
/// # Errors
/// If the data cannot be had, or are not what the plan was made with.
pub fn load_reference(
    plan: &mut Plan,
    dataset: &mut Dataset,
    at: &Surroundings,
) -> Result<Option<Dataset>> {
    let split = match plan.reference_split() {
        ReferenceSplit::Of(split) if split == plan.dataset.split => return Ok(None),
        ReferenceSplit::Of(split) => split,
        ReferenceSplit::HeldOut { held_out } => {
            dataset.trained_on = Some(without_share(&dataset.images, held_out)?);
            return Ok(None);
        }
    };
    let mut request = request(&plan.dataset, at);
    request.split = split;
    let other = read_dataset(&request, at.quiet)?;
    let sha256 = &mut plan.evaluation.reference_sha256;
    if sha256.is_empty() {
        sha256.clone_from(&other.sha256);
    } else if *sha256 != other.sha256 {
        bail!(
            "{} {split} has content {}, the plan was made with {}; use the data of that time, or delete \
             evaluation.reference_sha256 from the plan to start a new run",
            plan.dataset.name,
            short_hash(&other.sha256),
            short_hash(sha256)
        );
    }
    if other.images.size != dataset.images.size {
        bail!(
            "the {split} images of {} are {}, those trained on {}; give a reference split of one size",
            plan.dataset.name,
            other.images.size,
            dataset.images.size
        );
    }
    Ok(Some(other))
}

/// Seed of the draw of a held-out share: the same images for every method and seed of a run.
const HELD_OUT_SEED: u64 = 1;

/// The rows that stay for training, rising, where a share of the images is held out.
fn without_share(images: &ImageBatch, share: f64) -> Result<Vec<usize>> {
    let n = images.len();
    let held_out = (share * n as f64).round() as usize;
    if held_out == 0 || held_out == n {
        bail!(
            "a held-out share of {share} of {n} images is {held_out} images; choose one that leaves some \
             on both sides"
        );
    }
    let mut trained_on = vec![true; n];
    for row in draw_subset(images.labels.as_deref(), n, held_out, HELD_OUT_SEED) {
        trained_on[row] = false;
    }
    Ok((0..n).filter(|&row| trained_on[row]).collect())
}

/// The real images that samples are compared with.
pub struct RealImages<'a> {
    pub(crate) images: &'a ImageBatch,
    /// Of `images`, rising; `None` for all.
    pub(crate) rows: Option<Vec<usize>>,
    /// Whether they are all of their split.
    whole: bool,
}

impl<'a> RealImages<'a> {
    /// Those of a plan. `other` is what [`load_reference`] gave.
    ///
    /// # Errors
    /// If the plan's protocol is unknown.
    pub fn new(
        plan: &Plan,
        dataset: &'a Dataset,
        other: Option<&'a Dataset>,
    ) -> Result<Self, MetricError> {
        let images = &other.unwrap_or(dataset).images;
        let held_out = matches!(plan.reference_split(), ReferenceSplit::HeldOut { .. });
        let mut rows = dataset.trained_on.as_ref().filter(|_| held_out).map(|trained_on| {
            let mut is_trained_on = vec![false; images.len()];
            trained_on.iter().for_each(|&row| is_trained_on[row] = true);
            (0..images.len()).filter(|&row| !is_trained_on[row]).collect::<Vec<usize>>()
        });
        let n = rows.as_ref().map_or(images.len(), Vec::len);
        let most = plan.evaluation.max_real.unwrap_or(n);
        if most < n {
            rows = Some(match plan.evaluation.measurement()?.settings.subset {
                Subset::First => (0..most).map(|i| rows.as_ref().map_or(i, |r| r[i])).collect(),
                Subset::Drawn { seed } => {
                    let all = rows.unwrap_or_else(|| (0..n).collect());
                    let labels = images.labels.as_ref();
                    let labels: Option<Vec<u32>> =
                        labels.map(|labels| all.iter().map(|&row| labels[row]).collect());
                    let drawn = draw_subset(labels.as_deref(), n, most, seed);
                    let mut drawn: Vec<usize> = drawn.into_iter().map(|i| all[i]).collect();
                    drawn.sort_unstable();
                    drawn
                }
            });
        }
        let left_out = other.unwrap_or(dataset).reading.skipped.count;
        let whole = rows.is_none() && plan.dataset.limit == 0 && left_out == 0;
        Ok(Self { images, rows, whole })
    }

    /// How many there are.
    pub fn n_images(&self) -> usize {
        self.rows.as_ref().map_or(self.images.len(), Vec::len)
    }

    /// What a protocol asks of them.
    pub fn reals(&self) -> Reals {
        let uneven_class_counts = uneven_class_counts(self.labels().as_deref());
        Reals { n: self.n_images(), whole_split: self.whole, uneven_class_counts }
    }

    /// The class of each, where the data set has classes.
    pub fn labels(&self) -> Option<Vec<u32>> {
        let labels = self.images.labels.as_ref()?;
        Some(match &self.rows {
            None => labels.clone(),
            Some(rows) => rows.iter().map(|&row| labels[row]).collect(),
        })
    }
}

/// More classes than any generator has. Labels of a user's file may be any numbers.
const MOST_CLASSES: u32 = 1 << 20;

/// How many images there are of each class, where the classes are known and uneven.
pub fn uneven_class_counts(labels: Option<&[u32]>) -> Option<Vec<u64>> {
    let labels = labels?;
    let most = labels.iter().max().copied().filter(|&most| most < MOST_CLASSES)?;
    let mut counts = vec![0; most as usize + 1];
    labels.iter().for_each(|&class| counts[class as usize] += 1);
    (counts.iter().min() != counts.iter().max()).then_some(counts)
}

/// The standard normal distribution's quantile of 1 − 1e-6.
const BEYOND_CHANCE_Z: f64 = 4.753_424;

/// Whether images whose classes are drawn evenly would have such counts with a probability below
/// 1e-6, by Pearson's chi-square test, with Wilson and Hilferty's (1931) normal approximation of
/// the cube root.
fn is_beyond_chance(counts: &[u64]) -> bool {
    let freedom = counts.len() as f64 - 1.0;
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    if freedom < 1.0 || mean == 0.0 {
        return false;
    }
    let square = |&count: &u64| (count as f64 - mean).powi(2) / mean;
    let chi_square: f64 = counts.iter().map(square).sum();
    let spread = 2.0 / (9.0 * freedom);
    ((chi_square / freedom).cbrt() - (1.0 - spread)) / spread.sqrt() > BEYOND_CHANCE_Z
}

/// What a protocol asks of the real images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reals {
    /// Number of real images behind the moments.
    pub n: usize,
    /// Whether they are all of their split.
    pub whole_split: bool,
    /// How many there are of each class, where these numbers are not all the same.
    pub uneven_class_counts: Option<Vec<u64>>,
}

impl Reals {
    /// Images of the smallest and of the largest class, where the classes are uneven by more than
    /// chance ([`is_beyond_chance`]).
    pub fn uneven_classes(&self) -> Option<[u64; 2]> {
        let counts = self.uneven_class_counts.as_ref().filter(|counts| is_beyond_chance(counts))?;
        Some([*counts.iter().min()?, *counts.iter().max()?])
    }
}

/// The feature rows of `n_real` real images that a plan's metrics need one by one.
///
/// # Errors
/// If the plan's protocol or a metric is unknown.
pub fn kept_rows(plan: &EvaluationPlan, n_real: usize) -> Result<Keep, MetricError> {
    let measurement = plan.measurement()?;
    let settings = measurement.settings;
    // Intervals of FID draw from all reals.
    let all = plan.bootstrap > 0
        || measurement.metric_names().iter().any(|name| needs(name).all_real_rows);
    // The curve may look at more fakes than the final rows.
    let n_fake = plan.n_fake.max(plan.n_fake_curve);
    let n = if all { n_real } else { settings.n_nearest_real(n_real, n_fake) };
    Ok(Keep { n, subset: settings.subset })
}

#[cfg(test)]
mod tests {
    use ganbench_data::{self as data, DatasetRequest, Split};

    use super::*;

    #[test]
    fn uneven_classes_are_counted_and_labels_that_are_no_classes_take_no_memory() {
        assert_eq!(uneven_class_counts(Some(&[0, 2, 2])), Some(vec![1, 0, 2]));
        assert_eq!(uneven_class_counts(Some(&[1, 0])), None);
        assert_eq!(uneven_class_counts(Some(&[])), None);
        assert_eq!(uneven_class_counts(None), None);
        assert_eq!(uneven_class_counts(Some(&[0, u32::MAX])), None);
    }

    fn noted(counts: &[u64]) -> Option<[u64; 2]> {
        let label = |(class, &n): (usize, &u64)| std::iter::repeat_n(class as u32, n as usize);
        let labels: Vec<u32> = counts.iter().enumerate().flat_map(label).collect();
        let uneven_class_counts = uneven_class_counts(Some(&labels));
        Reals { n: labels.len(), whole_split: true, uneven_class_counts }.uneven_classes()
    }

    #[test]
    fn even_classes_and_classes_drawn_evenly_get_no_note_and_one_of_double_size_does() {
        assert_eq!(noted(&[5000; 10]), None, "CIFAR-10");
        let mut doubled = [500; 10];
        doubled[3] = 1000;
        assert_eq!(noted(&doubled), Some([500, 1000]));
        assert_eq!(noted(&[3, 150]), Some([3, 150]));
        // Too few to tell from chance.
        assert_eq!(noted(&[1, 2]), None);
        assert_eq!(noted(&[7]), None);
        for (limit, shapes_seed) in [(200, 0), (2000, 1), (2000, 2)] {
            let mut request = DatasetRequest::new("shapes", Split::Train);
            (request.limit, request.shapes_seed) = (Some(limit), shapes_seed);
            let counts = data::load(&request, &mut |_| {}).unwrap().class_counts();
            let counts: Vec<u64> = counts.into_iter().map(|n| n as u64).collect();
            assert!(counts.iter().any(|n| *n != counts[0]), "drawn at random: {counts:?}");
            assert_eq!(noted(&counts), None, "{counts:?}");
        }
    }

    #[test]
    fn the_threshold_is_the_quantile_of_the_chi_square_distribution() {
        // scipy 1.17.1: chi2.isf(1e-6, df) for 9, 99 and 999 degrees of freedom.
        for (classes, quantile) in [(10, 44.811), (100, 180.792), (1000, 1226.046)] {
            // One class has `a` images more than the mean, the others share the lack.
            let (mean, k) = (1e6, classes as f64);
            for (factor, expected) in [(0.95, false), (1.05, true)] {
                let a = (quantile * factor * mean * (k - 1.0) / k).sqrt();
                let mut counts = vec![(mean - a / (k - 1.0)).round() as u64; classes];
                counts[0] = (mean + a).round() as u64;
                assert_eq!(is_beyond_chance(&counts), expected, "{classes} classes, {factor}");
            }
        }
    }
}
