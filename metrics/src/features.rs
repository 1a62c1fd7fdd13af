//! What an extractor makes of a set of images.

use crate::error::MetricError;
use crate::numerics::rows::Rows;
use crate::recognition::Recognition;

/// Features of `n` images, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    dim: usize,
    /// `[n, dim]`
    pool: Vec<f32>,
    logits: Option<Logits>,
    /// `[n]`
    recognitions: Option<Vec<Recognition>>,
}

/// Class scores before the softmax.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Number of classes, the length of a row.
    pub classes: usize,
    /// `[n, classes]`, row-major.
    pub values: Vec<f32>,
}

impl Features {
    /// `pool` is `[n, dim]` row-major.
    ///
    /// # Errors
    /// If pool or logits are no whole number of rows, or not equally many.
    pub fn new(dim: usize, pool: Vec<f32>, logits: Option<Logits>) -> Result<Self, MetricError> {
        let rows = Rows::new(&pool, dim)?.len();
        if let Some(logits) = &logits {
            let logits = Rows::new(&logits.values, logits.classes)?.len();
            if logits != rows {
                return Err(MetricError::LogitRows { pool: rows, logits });
            }
        }
        Ok(Self { dim, pool, logits, recognitions: None })
    }

    /// With what each image shows of the world of `shapes`.
    ///
    /// # Errors
    /// If there is not one for each image.
    pub fn with_recognitions(self, of_images: Vec<Recognition>) -> Result<Self, MetricError> {
        let (pool, recognitions) = (self.len(), of_images.len());
        if pool != recognitions {
            return Err(MetricError::RecognitionRows { pool, recognitions });
        }
        Ok(Self { recognitions: Some(of_images), ..self })
    }

    /// Of no images. `classes` 0 means features without logits.
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn empty(dim: usize, classes: usize) -> Self {
        assert!(dim > 0, "features of no dimensions");
        let logits = (classes > 0).then(|| Logits { classes, values: Vec::new() });
        Self { dim, pool: Vec::new(), logits, recognitions: None }
    }

    /// Adds the features of further images.
    ///
    /// # Errors
    /// If these differ in dimensions or classes.
    pub fn append(&mut self, more: Self) -> Result<(), MetricError> {
        let classes = |f: &Self| f.logits.as_ref().map_or(0, |l| l.classes);
        if (self.dim, classes(self)) != (more.dim, classes(&more)) {
            return Err(MetricError::Appended {
                dim: self.dim,
                classes: classes(self),
                more_dim: more.dim,
                more_classes: classes(&more),
            });
        }
        // No images are known in every way.
        let known = if self.is_empty() { Some(Vec::new()) } else { self.recognitions.take() };
        self.recognitions = known.zip(more.recognitions).map(|(mut all, more)| {
            all.extend(more);
            all
        });
        self.pool.extend(more.pool);
        if let (Some(logits), Some(more)) = (&mut self.logits, more.logits) {
            logits.values.extend(more.values);
        }
        Ok(())
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pool.len() / self.dim
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// Numbers of each image's features.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `[n, dim]`, row-major.
    pub fn pool(&self) -> &[f32] {
        &self.pool
    }

    /// `[n, dim]`, row-major.
    pub fn into_pool(self) -> Vec<f32> {
        self.pool
    }

    /// The same features, as of a network without a classifier.
    pub fn without_logits(self) -> Self {
        Self { logits: None, ..self }
    }

    /// Adds `bias` `[classes]` to every row of the logits.
    ///
    /// # Errors
    /// If there are no logits of so many classes.
    pub fn add_to_logits(&mut self, bias: &[f32]) -> Result<(), MetricError> {
        match &mut self.logits {
            Some(logits) if logits.classes == bias.len() => {
                for row in logits.values.chunks_exact_mut(bias.len()) {
                    row.iter_mut().zip(bias).for_each(|(v, b)| *v += b);
                }
                Ok(())
            }
            logits => {
                let classes = logits.as_ref().map_or(0, |l| l.classes);
                Err(MetricError::Bias { bias: bias.len(), classes })
            }
        }
    }

    /// The class scores; None of a network without a classifier.
    pub fn logits(&self) -> Option<&Logits> {
        self.logits.as_ref()
    }

    /// What each image shows of the world of `shapes`; only [`crate::small`] of shapes tells it.
    pub fn recognitions(&self) -> Option<&[Recognition]> {
        self.recognitions.as_deref()
    }

    /// The features as rows, `[n, dim]`.
    pub fn pool_rows(&self) -> Rows<'_, f32> {
        Rows::new(&self.pool, self.dim).expect("checked on construction")
    }

    /// The class scores as rows, `[n, classes]`; None of a network without a classifier.
    pub fn logit_rows(&self) -> Option<Rows<'_, f32>> {
        let logits = self.logits.as_ref()?;
        Rows::new(&logits.values, logits.classes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_whose_parts_disagree_are_refused() {
        let logits = |n: usize| Some(Logits { classes: 3, values: vec![0.0; 3 * n] });
        assert_eq!(Features::new(2, vec![0.0; 8], logits(4)).unwrap().len(), 4);
        assert_eq!(
            Features::new(2, vec![0.0; 8], logits(3)).unwrap_err().to_string(),
            "features have 4 rows of pool but 3 rows of logits; both come from one image each"
        );
        let mut one = Features::new(2, vec![0.0; 2], logits(1)).unwrap();
        one.add_to_logits(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(one.logits().unwrap().values, [1.0, 2.0, 3.0]);
        assert_eq!(
            one.add_to_logits(&[1.0]).unwrap_err().to_string(),
            "a bias of 1 classes cannot be added to logits of 3"
        );
        let mut some = Features::new(2, vec![0.0; 8], logits(4)).unwrap();
        some.append(some.clone()).unwrap();
        assert_eq!((some.len(), some.logits().unwrap().values.len()), (8, 24));
        assert_eq!(
            some.append(Features::empty(2, 0)).unwrap_err().to_string(),
            "features of 2 dimensions and 3 classes cannot be followed by features of 2 dimensions and 0 \
             classes"
        );
        assert_eq!(
            Features::new(3, vec![0.0; 8], None).unwrap_err().to_string(),
            "8 numbers cannot be rows of 3"
        );
    }
}
