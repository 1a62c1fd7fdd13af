//! The extractor of a plan: which network, and the hash of its weights.

use ganbench_metrics::version::agrees;
use ganbench_metrics::{ExtractorError, ExtractorRequest};

use super::PlanError;

/// The two fields of a plan that say which extractor is used.
pub struct PlannedExtractor<'a> {
    /// As in lists, once a pin was moved to the hash.
    pub name: &'a mut String,
    /// Whole, or of a pin that the program does not know how it begins; empty where any weights
    /// will do.
    pub sha256: &'a mut String,
    /// As plans call the first of them: `evaluation.extractor`.
    pub field: &'static str,
}

impl PlannedExtractor<'_> {
    /// Moves the version that the name pins (`small-cifar10:17381cf3`) to the hash, so that the
    /// plan is the one that was written when the name alone meant that version.
    ///
    /// # Errors
    /// If the pin cannot be one, or the plan holds another hash too.
    pub fn settle(&mut self) -> Result<(), PlanError> {
        // An unknown name is an error where it is loaded.
        let request = match ExtractorRequest::parse(self.name) {
            Err(ExtractorError::Unknown { .. }) => return Ok(()),
            other => other?,
        };
        let Some(pin) = &request.pin else { return Ok(()) };
        // Weights of one's own may have a hash that no version has.
        let version = request.known_version().ok().flatten().unwrap_or_else(|| pin.clone());
        if self.sha256.is_empty() {
            *self.sha256 = version;
        } else if !agrees(self.sha256, pin) {
            return Err(PlanError::Value {
                field: self.field,
                got: format!("\"{}\", beside the hash {}", self.name, self.sha256),
                expected: "a version of that hash; leave one of the two out".into(),
            });
        }
        *self.name = request.name.to_string();
        Ok(())
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
