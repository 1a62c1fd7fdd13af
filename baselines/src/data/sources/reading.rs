//! What reading images came to, beside the images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SourceError;
use crate::data::Alpha;
use crate::data::format::Marks;

/// How many images are named where many cannot be read.
const MOST_NAMED: usize = 20;

/// What was left out of a source, and what was done to its images beyond reading them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Files and folders that are no images by their names, as counts by ending (`.txt`), `hidden`, or
    /// `without ending`.
    pub left_out: BTreeMap<String, usize>,
    /// Damaged images that were left out.
    pub skipped: Skipped,
    /// What became of transparent pixels.
    pub alpha: Alpha,
    /// Images with pixels that are not opaque.
    pub transparent: usize,
    /// Images of 16 bits of grey, clipped at 255 as PIL's `convert("RGB")` does.
    pub clipped_16_bit_grey: usize,
    /// Images of 16 bits of colour, of which the upper 8 were taken.
    pub upper_8_of_16_bits: usize,
    /// PNG files with wrong checksums or without an end, which PIL reads.
    pub wrong_checksums: usize,
}

/// Images that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub count: usize,
    /// What is wrong with the first of them, one sentence each.
    pub named: Vec<String>,
}

impl Skipped {
    pub(super) fn add(&mut self, reason: String) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(reason);
        }
    }
}

impl Reading {
    pub(super) fn of_rule(alpha: Alpha) -> Self {
        Self { alpha, ..Self::default() }
    }

    /// One more image.
    pub(super) fn count(&mut self, marks: Marks) {
        self.transparent += usize::from(marks.transparent);
        self.clipped_16_bit_grey += usize::from(marks.clipped);
        self.upper_8_of_16_bits += usize::from(marks.upper_bits);
        self.wrong_checksums += usize::from(marks.mended);
    }
}

/// Gathers what is wrong with images until all were looked at.
#[derive(Default)]
pub(super) struct Faults {
    count: usize,
    damaged: usize,
    named: Vec<String>,
}

impl Faults {
    pub(super) fn add(&mut self, error: &SourceError) {
        self.count += 1;
        self.damaged += usize::from(error.is_damage());
        if self.named.len() < MOST_NAMED {
            self.named.push(error.to_string());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// As one error about the images of `origin`, `total` in all.
    pub(super) fn into_error(self, origin: String, total: usize) -> SourceError {
        let advice = match (self.count == self.damaged, self.count) {
            (true, 1) => "make it again, or leave it out with --skip-damaged",
            (true, _) => "make them again, or leave them out with --skip-damaged",
            (false, 1) => "mend or remove it",
            (false, _) => "mend or remove them",
        };
        let mut named = self.named.join("; ");
        if self.count > self.named.len() {
            named += &format!("; and {} more", self.count - self.named.len());
        }
        SourceError::Unreadable { origin, count: self.count, total, named, advice }
    }
}
