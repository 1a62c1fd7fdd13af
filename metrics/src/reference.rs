//! The real side of a comparison, computed once and used for many sets of fakes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ganbench_data::draw_subset;

use crate::error::MetricError;
use crate::families::fid::RealRoot;
use crate::features::Features;
use crate::numerics::neighbours;
use crate::numerics::rows::Rows;
use crate::numerics::statistics::{Accumulator, Statistics};
use crate::settings::{Settings, Subset};

/// Squared radii of a subset's rows, by (subset, rows, k).
type Radii = HashMap<(Subset, usize, usize), Arc<Vec<f64>>>;

/// Statistics of all real images, and the features of those that metrics need one by one.
#[derive(Debug)]
pub struct RealReference {
    /// Computed on construction, or where all rows are kept, when first asked for.
    statistics: OnceLock<Statistics>,
    n: usize,
    dim: usize,
    /// `[kept, dim]`
    rows: Vec<f32>,
    kept: Kept,
    /// The class of each of the `n` images, where it is known.
    labels: Option<Vec<u32>>,
    /// The drawn rows that were asked for last, where all rows are kept.
    drawn: Mutex<Option<DrawnRows>>,
    radii: Mutex<Radii>,
    root: Mutex<Option<Arc<RealRoot>>>,
}

/// Which rows a reference holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// All of them, in their order.
    All,
    /// The first of a subset, in the subset's order.
    Part(Subset),
}

#[derive(Clone, Debug)]
struct DrawnRows {
    seed: u64,
    n: usize,
    values: Arc<Vec<f32>>,
}

/// Rows that were chosen from a set.
#[derive(Clone, Debug)]
pub(crate) struct Chosen<'a> {
    values: Values<'a>,
    dim: usize,
    subset: Subset,
}

#[derive(Clone, Debug)]
enum Values<'a> {
    Borrowed(&'a [f32]),
    Shared(Arc<Vec<f32>>),
}

impl Chosen<'_> {
    pub(crate) fn rows(&self) -> Rows<'_, f32> {
        let values: &[f32] = match &self.values {
            Values::Borrowed(values) => values,
            Values::Shared(values) => values,
        };
        Rows::new(values, self.dim).expect("whole rows were chosen")
    }
}

/// The `n` rows of a set that `subset` stands for; all of them, in their order, where there are no
/// more.
pub(crate) fn choose<'a>(
    rows: Rows<'a, f32>,
    labels: Option<&[u32]>,
    n: usize,
    subset: Subset,
) -> Chosen<'a> {
    let dim = rows.dim();
    let borrowed = |rows: Rows<'a, f32>| Values::Borrowed(rows.values());
    let values = match subset {
        _ if n >= rows.len() => borrowed(rows),
        Subset::First => borrowed(rows.take(n)),
        Subset::Drawn { seed } => {
            let order = draw_subset(labels, rows.len(), n, seed);
            let values = order.iter().flat_map(|&row| rows.row(row)).copied().collect();
            Values::Shared(Arc::new(values))
        }
    };
    Chosen { values, dim, subset }
}

impl RealReference {
    /// `keep` is the number of feature rows to hold on to, the first ones: as many as the largest
    /// set of fakes that the metrics of nearest neighbours will be asked of, or all (`usize::MAX`
    /// will do). All are kept where they are fewer than dimensions, since FID then needs them.
    ///
    /// # Errors
    /// If a feature is not finite (names the row).
    pub fn new(features: &Features, keep: usize) -> Result<Self, MetricError> {
        let keep = Keep { n: keep, subset: Subset::First };
        let mut gathered = ReferenceBuilder::new(features.dim(), features.len(), None, keep);
        gathered.push(features.pool_rows())?;
        Ok(gathered.finish())
    }

    /// Holds all rows. `labels` is the class of each, where it is known: subsets are stratified by
    /// it.
    ///
    /// # Errors
    /// If a feature is not finite (names the row).
    pub fn whole(features: Features, labels: Option<Vec<u32>>) -> Result<Self, MetricError> {
        features.pool_rows().check_finite()?;
        let (n, dim) = (features.len(), features.dim());
        let rows = features.into_pool();
        Ok(Self::from_parts(OnceLock::new(), n, dim, rows, Kept::All, labels))
    }

    fn from_parts(
        statistics: OnceLock<Statistics>,
        n: usize,
        dim: usize,
        rows: Vec<f32>,
        kept: Kept,
        labels: Option<Vec<u32>>,
    ) -> Self {
        let (drawn, radii, root) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { statistics, n, dim, rows, kept, labels, drawn, radii, root }
    }

    /// Number of real images behind the statistics.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Numbers of each image's features.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The class of each image, where it is known.
    pub fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    /// The mean and covariance of the real features, computed at the first call.
    pub fn statistics(&self) -> &Statistics {
        // All rows are there and finite: nothing else could fail.
        let from_rows = || Statistics::from_rows(self.held()).expect("finite rows");
        self.statistics.get_or_init(from_rows)
    }

    fn held(&self) -> Rows<'_, f32> {
        Rows::new(&self.rows, self.dim).expect("whole rows were kept")
    }

    /// All rows, where all are kept.
    pub(crate) fn all_rows(&self) -> Option<Rows<'_, f32>> {
        (self.kept == Kept::All).then(|| self.held())
    }

    /// All rows.
    ///
    /// # Errors
    /// If only a part was kept.
    pub fn require_all_rows(&self) -> Result<Rows<'_, f32>, MetricError> {
        self.all_rows().ok_or_else(|| self.too_few(self.n))
    }

    fn too_few(&self, needed: usize) -> MetricError {
        MetricError::ReferenceRows { kept: self.held().len(), n: self.n, needed }
    }

    /// What the metrics of nearest neighbours compare `n_fake` fakes with.
    ///
    /// # Errors
    /// If the reference keeps fewer rows, or others.
    pub(crate) fn nearest_rows(
        &self,
        settings: &Settings,
        n_fake: usize,
    ) -> Result<Chosen<'_>, MetricError> {
        let (needed, subset) = (settings.n_nearest_real(self.n, n_fake), settings.subset);
        let held = self.held();
        match self.kept {
            Kept::All => Ok(self.choose(needed, subset)),
            Kept::Part(kept) if kept == subset && held.len() >= needed => {
                Ok(choose(held, None, needed, Subset::First).of_subset(subset))
            }
            Kept::Part(_) => Err(self.too_few(needed)),
        }
    }

    /// [`choose`] from all rows, where the last draw is kept: a sweep asks for the same again.
    fn choose(&self, n: usize, subset: Subset) -> Chosen<'_> {
        let labels = self.labels.as_deref();
        let Subset::Drawn { seed } = subset else { return choose(self.held(), labels, n, subset) };
        if n >= self.n {
            return choose(self.held(), labels, n, subset);
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(drawn) = drawn.as_ref().filter(|drawn| drawn.seed == seed && drawn.n == n) {
            let values = Values::Shared(Arc::clone(&drawn.values));
            return Chosen { values, dim: self.dim, subset };
        }
        let chosen = choose(self.held(), labels, n, subset);
        if let Values::Shared(values) = &chosen.values {
            *drawn = Some(DrawnRows { seed, n, values: Arc::clone(values) });
        }
        chosen
    }

    /// Squared radii of the rows that [`Self::nearest_rows`] gave, computed once for each subset
    /// and k.
    pub(crate) fn squared_radii(&self, chosen: &Chosen<'_>, k: usize) -> Arc<Vec<f64>> {
        let rows = chosen.rows();
        let key = (chosen.subset, rows.len(), k);
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
        let root = Arc::new(RealRoot::new(self.statistics())?);
        *self.root.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&root));
        Ok(root)
    }
}

impl Chosen<'_> {
    fn of_subset(self, subset: Subset) -> Self {
        Self { subset, ..self }
    }
}

/// Which feature rows a [`ReferenceBuilder`] holds on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How many; all where there are no more.
    pub n: usize,
    /// Which of the images they are.
    pub subset: Subset,
}

/// Makes a [`RealReference`] of features that come in pieces. Memory grows with the rows that are
/// kept, not with the number of images.
#[derive(Debug)]
pub struct ReferenceBuilder {
    n: usize,
    dim: usize,
    labels: Option<Vec<u32>>,
    /// None where all rows are kept: then they are computed when first asked for.
    accumulator: Option<Accumulator>,
    kept: Kept,
    rows: Vec<f32>,
    /// Of a drawn subset: the place in `rows` of each image that is kept.
    places: HashMap<usize, usize>,
    pushed: usize,
}

impl ReferenceBuilder {
    /// For `n` images with features of `dim` numbers. `labels` is the class of each, where it is
    /// known.
    pub fn new(dim: usize, n: usize, labels: Option<Vec<u32>>, keep: Keep) -> Self {
        // FID of fewer images than dimensions is computed from their rows.
        let all = keep.n >= n || n < dim;
        let kept = if all { Kept::All } else { Kept::Part(keep.subset) };
        let (mut rows, mut places) = (Vec::new(), HashMap::new());
        if let Kept::Part(Subset::Drawn { seed }) = kept {
            let order = draw_subset(labels.as_deref(), n, keep.n, seed);
            places = order.into_iter().enumerate().map(|(place, image)| (image, place)).collect();
            rows = vec![0.0; places.len() * dim];
        }
        if let Kept::Part(Subset::First) = kept {
            places = (0..keep.n).map(|image| (image, image)).collect();
            rows = vec![0.0; keep.n * dim];
        }
        let accumulator = (!all).then(|| Accumulator::new(dim));
        Self { n, dim, labels, accumulator, kept, rows, places, pushed: 0 }
    }

    /// Takes the features of the next images.
    ///
    /// # Errors
    /// If they are of another dimension, or a number is not finite (names the row of `rows`).
    pub fn push(&mut self, rows: Rows<'_, f32>) -> Result<(), MetricError> {
        match &mut self.accumulator {
            Some(accumulator) => {
                accumulator.push(rows)?;
                for row in 0..rows.len() {
                    if let Some(place) = self.places.get(&(self.pushed + row)) {
                        self.rows[place * self.dim..][..self.dim].copy_from_slice(rows.row(row));
                    }
                }
            }
            None => {
                if rows.dim() != self.dim {
                    return Err(MetricError::Dimensions { real: self.dim, fake: rows.dim() });
                }
                rows.check_finite()?;
                self.rows.extend_from_slice(rows.values());
            }
        }
        self.pushed += rows.len();
        Ok(())
    }

    /// The reference of all images that were pushed.
    ///
    /// # Panics
    /// If there were more or fewer than announced.
    pub fn finish(self) -> RealReference {
        assert_eq!(self.pushed, self.n, "a reference gets the images that were announced");
        let statistics = self.accumulator.map_or_else(OnceLock::new, |a| a.finish().into());
        RealReference::from_parts(statistics, self.n, self.dim, self.rows, self.kept, self.labels)
    }
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
