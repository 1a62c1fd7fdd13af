//! The next baseline.

use std::collections::BTreeSet;

use super::value::{GuardedValue, Provenance, Reason};

/// From what the next baseline is made.
#[derive(Clone, Copy)]
pub struct Update<'a> {
    /// None where there was none.
    pub baseline: Option<&'a [GuardedValue]>,
    /// Today's values.
    pub candidate: &'a [GuardedValue],
    /// Why the numbers moved, in the user's words.
    pub reason: &'a str,
}

/// The candidate's values as the new baseline, with the reason behind the former ones. Layers and
/// data sets that the candidate has nothing of stay as they were.
pub fn updated(update: Update<'_>) -> Vec<GuardedValue> {
    let here = Provenance::here();
    let former = update.baseline.unwrap_or_default();
    let last = former.iter().max_by_key(|value| value.provenance.unix_s);
    let mut reasons: Vec<Reason> = last
        .and_then(|value| serde_json::from_str(&value.provenance.reasons).ok())
        .unwrap_or_default();
    reasons.push(Reason {
        unix_s: here.unix_s,
        commit: here.commit.clone(),
        reason: update.reason.into(),
    });
    let reasons = serde_json::to_string(&reasons).unwrap_or_default();
    let part = |value: &GuardedValue| (value.layer, value.dataset.clone());
    let measured: BTreeSet<_> = update.candidate.iter().map(part).collect();
    let kept = former.iter().filter(|value| !measured.contains(&part(value)));
    let mut values: Vec<GuardedValue> = update.candidate.to_vec();
    for value in &mut values {
        // Results files do not tell the machine; they are taken to come from this one.
        let known = std::mem::take(&mut value.provenance);
        let or = |known: String, here: &str| if known.is_empty() { here.into() } else { known };
        value.provenance = Provenance {
            version: or(known.version, &here.version),
            commit: or(known.commit, &here.commit),
            cpu: or(known.cpu, &here.cpu),
            simd: or(known.simd, &here.simd),
            unix_s: here.unix_s,
            reasons: String::new(),
        };
    }
    values.extend(kept.cloned());
    for value in &mut values {
        value.provenance.reasons.clone_from(&reasons);
    }
    values.sort_by(|a, b| a.key().cmp(&b.key()));
    values
}
