//! Features that were stored in f64.

use crate::error::MetricError;
use crate::features::{Features, Logits};
use crate::numerics::rows::Rows;

/// Features in f64, with all their digits.
#[derive(Clone, Debug, PartialEq)]
pub struct WideFeatures {
    pub(super) dim: usize,
    /// `[n, dim]`
    pub(super) pool: Vec<f64>,
    /// Number of classes, `[n, classes]`.
    pub(super) logits: Option<(usize, Vec<f64>)>,
}

impl WideFeatures {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.pool.len() / self.dim
    }

    /// Never, of a file that was read.
    pub fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// Numbers of each image's features.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The features as rows, `[n, dim]`.
    pub fn pool_rows(&self) -> Rows<'_, f64> {
        Rows::new(&self.pool, self.dim).expect("checked on construction")
    }

    /// The class scores as rows, `[n, classes]`; None where the file holds none.
    pub fn logit_rows(&self) -> Option<Rows<'_, f64>> {
        let (classes, logits) = self.logits.as_ref()?;
        Rows::new(logits, *classes).ok()
    }

    /// Rounded to f32, as extractors give them.
    ///
    /// # Errors
    /// If a number is too large for f32: names the row.
    pub fn narrowed(&self) -> Result<Features, MetricError> {
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let pool = narrow(&self.pool);
        Rows::new(&pool, self.dim)?.check_finite()?;
        let logits = match &self.logits {
            None => None,
            Some((classes, values)) => {
                let values = narrow(values);
                Rows::new(&values, *classes)?.check_finite()?;
                Some(Logits { classes: *classes, values })
            }
        };
        Features::new(self.dim, pool, logits)
    }
}
