//! What reading images came to, beside the images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::SourceError;
use crate::Alpha;
use crate::decode::format::Marks;

/// How many images are named where many cannot be read.
const MOST_NAMED: usize = 20;

/// What was left out of a source, and what was done to its images beyond reading them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Files and folders that are no images by their names, as counts by ending (`.txt`), `hidden`,
    /// or `without ending`.
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
    /// How many images were left out.
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
    /// Whether there is nothing to tell of.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of_rule(alpha: Alpha) -> Self {
        Self { alpha, ..Self::default() }
    }

    /// One more image.
    pub(crate) fn count(&mut self, marks: Marks) {
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
    pub(super) fn into_error(self, origin: &str, total: usize) -> Unreadable {
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
        Unreadable::Some { origin: origin.into(), count: self.count, total, named, advice }
    }
}

/// Images of a set that cannot be read. `named`: what is wrong with the first of them.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum Unreadable {
    #[error("{count} of {total} images of {origin} cannot be read: {named}; {advice}")]
    Some { origin: String, count: usize, total: usize, named: String, advice: &'static str },
    /// The damaged ones were to be left out.
    #[error("all {count} images of {origin} are damaged: {named}")]
    All { origin: String, count: usize, named: String },
}

/// Sorts images, which are looked at in their order, into those that can be read and the others.
pub(crate) struct Sieve {
    skip_damaged: bool,
    looked_at: usize,
    faults: Faults,
    sieved: Sieved,
}

/// What a [`Sieve`] found where all images that are left can be read.
#[derive(Default)]
pub(crate) struct Sieved {
    pub skipped: Skipped,
    /// Places of the damaged images, rising.
    pub damaged: Vec<usize>,
}

impl Sieve {
    /// `skip_damaged`: whether damaged images are to be left out.
    pub(crate) fn new(skip_damaged: bool) -> Self {
        let (faults, sieved) = (Faults::default(), Sieved::default());
        Self { skip_damaged, looked_at: 0, faults, sieved }
    }

    /// Takes in the next image; gives back what was made of it, where it can be read.
    pub(crate) fn add<T>(&mut self, looked: Result<T, SourceError>) -> Option<T> {
        let place = self.looked_at;
        self.looked_at += 1;
        match looked {
            Ok(made) => return Some(made),
            Err(error) if error.is_damage() && self.skip_damaged => {
                self.sieved.skipped.add(error.to_string());
                self.sieved.damaged.push(place);
            }
            Err(error) => self.faults.add(&error),
        }
        None
    }

    /// # Errors
    /// If images of `origin` cannot be read and are not to be left out, or none would be left.
    pub(crate) fn finish(self, origin: &str) -> Result<Sieved, Unreadable> {
        let Self { looked_at, faults, sieved, .. } = self;
        if !faults.is_empty() {
            return Err(faults.into_error(origin, looked_at));
        }
        let count = sieved.damaged.len();
        if count > 0 && count == looked_at {
            let named = sieved.skipped.named.join("; ");
            return Err(Unreadable::All { origin: origin.into(), count, named });
        }
        Ok(sieved)
    }
}

impl Sieved {
    /// Removes the damaged ones of `images`.
    pub(crate) fn retain<T>(&self, images: &mut Vec<T>) {
        let mut place = 0;
        images.retain(|_| {
            place += 1;
            self.damaged.binary_search(&(place - 1)).is_err()
        });
    }
}
