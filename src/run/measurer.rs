//! What measures the runs of an invocation, which may find that all are measured.

use anyhow::Result;
use ganbench_metrics::Extractor;

use super::reals::RealImages;
use super::session::{Evaluator, real_reference};
use crate::plan::Plan;

/// An extractor, and from the first run on that is measured, the real images seen through it.
pub enum Measurer {
    /// No run was measured yet.
    Extractor(Box<dyn Extractor>),
    /// The real images were read and seen.
    Evaluator(Box<Evaluator>),
}

impl Measurer {
    /// The network, whichever state this is.
    pub fn extractor(&self) -> &dyn Extractor {
        match self {
            Self::Extractor(extractor) => extractor.as_ref(),
            Self::Evaluator(evaluator) => evaluator.extractor.as_ref(),
        }
    }

    /// None before the first run.
    pub fn evaluator(&self) -> Option<&Evaluator> {
        match self {
            Self::Extractor(_) => None,
            Self::Evaluator(evaluator) => Some(evaluator),
        }
    }

    /// With the real images measured, where they were not yet.
    ///
    /// # Errors
    /// If the extractor cannot take them.
    pub fn with_reals(self, plan: &Plan, real: &RealImages<'_>, quiet: bool) -> Result<Self> {
        match self {
            Self::Extractor(extractor) => {
                let evaluator = real_reference(plan, extractor, real, quiet)?;
                Ok(Self::Evaluator(Box::new(evaluator)))
            }
            ready @ Self::Evaluator(_) => Ok(ready),
        }
    }
}
