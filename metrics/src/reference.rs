//! The real side of a comparison, computed once and used for many sets of fakes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::MetricError;
use crate::features::Features;
use crate::fid::RealRoot;
use crate::metric::NearestReal;
use crate::neighbours;
use crate::rows::Rows;
use crate::statistics::Statistics;

/// Squared radii of the first `n` rows, by (n, k).
type Radii = HashMap<(usize, usize), Arc<Vec<f64>>>;

/// Statistics of all real images, and the first features for the metrics that need them one by one.
#[derive(Debug)]
pub struct RealReference {
    /// Computed on construction, or where all rows are kept, when first asked for.
    statistics: OnceLock<Statistics>,
    n: usize,
    dim: usize,
    /// `[kept, dim]`
    rows: Vec<f32>,
    radii: Mutex<Radii>,
    root: Mutex<Option<Arc<RealRoot>>>,
}

impl RealReference {
    /// `keep` is the number of feature rows to hold on to: as many as the largest set of fakes that the
    /// metrics of nearest neighbours will be asked of, or all (`usize::MAX` will do) for KID, intra-class
    /// FID and [`NearestReal::All`]. All are kept where they are fewer than dimensions, since FID then
    /// needs them.
    ///
    /// # Errors
    /// If a feature is not finite (names the row).
    pub fn new(features: &Features, keep: usize) -> Result<Self, MetricError> {
        let rows = features.pool_rows();
        let (n, dim) = (rows.len(), rows.dim());
        if keep >= n || n < dim {
            return Self::of(features.clone());
        }
        let statistics = OnceLock::from(Statistics::of(rows)?);
        let rows = rows.take(keep).values().to_vec();
        Ok(Self { statistics, n, dim, rows, radii: Mutex::default(), root: Mutex::default() })
    }

    /// Of all rows, which are kept.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn of(features: Features) -> Result<Self, MetricError> {
        features.pool_rows().check_finite()?;
        let (n, dim, statistics) = (features.len(), features.dim(), OnceLock::new());
        let rows = features.into_pool();
        Ok(Self { statistics, n, dim, rows, radii: Mutex::default(), root: Mutex::default() })
    }

    /// Number of real images behind the statistics.
    pub fn n(&self) -> usize {
        self.n
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn statistics(&self) -> &Statistics {
        // All rows are there and finite: the one thing that could fail was looked at.
        let of_rows = || Statistics::of(self.kept()).expect("finite rows");
        self.statistics.get_or_init(of_rows)
    }

    fn kept(&self) -> Rows<'_, f32> {
        Rows::new(&self.rows, self.dim).expect("whole rows were kept")
    }

    /// All rows, where all are kept.
    pub(crate) fn all_rows(&self) -> Option<Rows<'_, f32>> {
        Some(self.kept()).filter(|rows| rows.len() == self.n())
    }

    /// What the metrics of nearest neighbours compare `n_fake` fakes with.
    pub(crate) fn nearest_rows(
        &self,
        nearest: NearestReal,
        n_fake: usize,
    ) -> Result<Rows<'_, f32>, MetricError> {
        let needed = match nearest {
            NearestReal::AsManyAsFakes => n_fake.min(self.n()),
            NearestReal::All => self.n(),
        };
        let kept = self.kept();
        if kept.len() < needed {
            return Err(MetricError::ReferenceRows { kept: kept.len(), n: self.n(), needed });
        }
        Ok(kept.take(needed))
    }

    /// Squared radii of `rows`, which [`Self::nearest_rows`] gave, computed once for each (n, k).
    pub(crate) fn squared_radii(&self, rows: Rows<'_, f32>, k: usize) -> Arc<Vec<f64>> {
        let key = (rows.len(), k);
        let cached = self.radii.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        cached.unwrap_or_else(|| {
            // Not under the lock: the computation runs on the thread pool, where a waiting thread
            // could be handed another evaluation that waits for the same lock.
            let radii = Arc::new(neighbours::squared_radii(rows, k));
            let mut cache = self.radii.lock().unwrap_or_else(PoisonError::into_inner);
            cache.insert(key, Arc::clone(&radii));
            radii
        })
    }

    /// FID's root of the covariance, computed once.
    pub(crate) fn root(&self) -> Result<Arc<RealRoot>, MetricError> {
        let cached = self.root.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(root) = cached {
            return Ok(root);
        }
        // Not under the lock, as above.
        let root = Arc::new(RealRoot::of(self.statistics())?);
        *self.root.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&root));
        Ok(root)
    }
}
