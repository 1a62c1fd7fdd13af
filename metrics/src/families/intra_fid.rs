//! Intra-class FID: the mean over classes of the FID between a class's real and fake images.
//!
//! Miyato and Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637 (intra FID), and
//! StudioGAN's iFID. Each class's FID is [`crate::fid`]'s, by singular values where a class has
//! fewer images than dimensions on both sides; it must agree with the mean of pytorch-fid 0.3.0's
//! values to 1e-6 relative where classes have more.
//!
//! A class has few images, and FID is biased upwards by few: values compare only at equal counts a
//! class.

use std::collections::BTreeMap;

use super::fid::{FewSamples, fid_of_rows};
use crate::card::{LeastImages, Metric, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, Labels, MetricFamily, Needs, Score};
use crate::numerics::rows::Rows;

const METRIC: &str = "intra_fid";

/// Intra-class FID in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[Metric {
        name: METRIC,
        title: "iFID",
        higher_is_better: false,
        decimals: 2,
        scale: Scale::Ratio,
        range: ValueRange::NOT_NEGATIVE,
        axis: ValueAxis::Log,
        column: 120,
        is_detail: false,
        least_images: LeastImages::OfEachClass(2),
        fields: &[],
        description: "mean over classes of the FID of each class's images",
    }],
    by_default: false,
    needs: Needs::LABELS,
    compute,
    resample: None,
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let labels = input.labels.ok_or(MetricError::NoLabels { metric: METRIC })?;
    let fake = input.fake.pool_rows();
    let real = input.real.require_all_rows()?;
    let classes = class_fids(ClassFidInput { real, fake, labels })?;
    let value = classes.iter().map(|class| class.fid).sum::<f64>() / classes.len() as f64;
    Ok(vec![Score { value, std: None, n_real: real.len(), n_fake: fake.len() }])
}

/// The two sets, `[n_real, d]` and `[n_fake, d]`, with a class for each row.
#[derive(Clone, Copy, Debug)]
pub struct ClassFidInput<'a> {
    /// Features of the real images.
    pub real: Rows<'a, f32>,
    /// Features of the fakes.
    pub fake: Rows<'a, f32>,
    /// The classes of both sets, in the order of their rows.
    pub labels: Labels<'a>,
}

/// One class of [`class_fids`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassFid {
    /// The class's number, as in the labels.
    pub class: u32,
    /// FID between the real images and the fakes of the class.
    pub fid: f64,
    /// Real images of the class.
    pub n_real: usize,
    /// Fakes of the class.
    pub n_fake: usize,
}

/// FID of each class, in rising order of classes; their mean is intra-class FID.
///
/// # Errors
/// If a side has another number of labels than of rows, no class is there, a class has fewer than 2
/// images on either side, the dimensions differ, or a number is not finite.
pub fn class_fids(input: ClassFidInput<'_>) -> Result<Vec<ClassFid>, MetricError> {
    let ClassFidInput { real, fake, labels } = input;
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    let mut classes: BTreeMap<u32, Members> = BTreeMap::new();
    for (side, rows, labels) in [(Side::Real, real, labels.real), (Side::Fake, fake, labels.fake)] {
        if rows.len() != labels.len() {
            let (rows, labels) = (rows.len(), labels.len());
            return Err(MetricError::LabelCount { side, labels, rows });
        }
        for (row, &class) in labels.iter().enumerate() {
            let members = classes.entry(class).or_default();
            let values = match side {
                Side::Real => &mut members.real,
                Side::Fake => &mut members.fake,
            };
            values.extend_from_slice(rows.row(row));
        }
    }
    if classes.is_empty() {
        return Err(MetricError::TooFew { metric: METRIC, side: Side::Real, needed: 2, got: 0 });
    }
    let of_class = |(class, members): (u32, Members)| {
        let (real, fake) =
            (Rows::new(&members.real, real.dim())?, Rows::new(&members.fake, real.dim())?);
        for (side, got) in [(Side::Real, real.len()), (Side::Fake, fake.len())] {
            if got < 2 {
                return Err(MetricError::ClassTooFew { metric: METRIC, class, side, got });
            }
        }
        let fid = fid_of_rows(FewSamples { real, fake })?;
        Ok(ClassFid { class, fid, n_real: real.len(), n_fake: fake.len() })
    };
    classes.into_iter().map(of_class).collect()
}

/// The features of one class.
#[derive(Default)]
struct Members {
    real: Vec<f32>,
    fake: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn each_class_has_its_own_shift() {
        // One dimension, both classes with variance 2 on both sides: shifts of 1 and 3 give FIDs 1
        // and 9.
        let real = [0.0, 2.0, 10.0, 12.0];
        let fake = [13.0, 1.0, 15.0, 3.0];
        let labels = Labels { real: &[4, 4, 7, 7], fake: &[7, 4, 7, 4] };
        let rows = |v| Rows::new(v, 1).unwrap();
        let got = class_fids(ClassFidInput { real: rows(&real), fake: rows(&fake), labels });
        let got = got.unwrap();
        assert_eq!(
            got.iter().map(|c| (c.class, c.n_real, c.n_fake)).collect::<Vec<_>>(),
            [(4, 2, 2), (7, 2, 2)]
        );
        assert!((got[0].fid - 1.0).abs() < 1e-12 && (got[1].fid - 9.0).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn the_mean_over_golden_classes_is_pytorch_fids() {
        let (real, fake) = (golden::features(golden::REAL), golden::features(golden::FAKE));
        let (labels_real, labels_fake) = (golden::labels(400, 5), golden::labels(350, 5));
        let got = class_fids(ClassFidInput {
            real: Rows::new(&real, 16).unwrap(),
            fake: Rows::new(&fake, 16).unwrap(),
            labels: Labels { real: &labels_real, fake: &labels_fake },
        });
        let got = got.unwrap().iter().map(|c| c.fid).sum::<f64>() / 5.0;
        let expected = golden::values("intra_fid")[0];
        assert!((got - expected).abs() < 1e-10 * expected, "{got} {expected}");
    }

    #[test]
    fn labels_that_do_not_fit_are_refused() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let text = |real: &[u32], fake: &[u32]| {
            let rows = Rows::new(&values, 1).unwrap();
            let labels = Labels { real, fake };
            class_fids(ClassFidInput { real: rows, fake: rows, labels }).unwrap_err().to_string()
        };
        assert_eq!(
            text(&[0, 0, 1, 1], &[0, 0, 1]),
            "there are 4 fake images but 3 labels; give the class of each image"
        );
        assert_eq!(
            text(&[0, 0, 1, 1], &[0, 0, 0, 0]),
            "intra_fid needs at least 2 fake images of each class, got 0 of class 1; make fakes of every \
             class of the real images, and more of them"
        );
        assert_eq!(
            text(&[0, 0, 0, 1], &[0, 0, 1, 1]),
            "intra_fid needs at least 2 real images of each class, got 1 of class 1; make fakes of every \
             class of the real images, and more of them"
        );
        let none = Rows::new(&values[..0], 1).unwrap();
        let labels = Labels { real: &[], fake: &[] };
        assert_eq!(
            class_fids(ClassFidInput { real: none, fake: none, labels }).unwrap_err().to_string(),
            "intra_fid needs at least 2 real images, got 0"
        );
    }
}
