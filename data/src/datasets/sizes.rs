//! The sizes of the images of a folder, for the error where they differ.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ganbench_files as files;
use rayon::prelude::*;

use crate::decode::header;

/// Sizes that the error names, the most frequent first.
const NAMED: usize = 6;
/// Enough for the header of most files.
const HEAD_BYTES: u64 = 1 << 16;

/// `20 of 64x48, 19 of 50x70, 1 of 33x32`: how many images have which width and height. Files whose
/// header cannot be read are counted apart.
pub(crate) fn sizes(files: &[&PathBuf]) -> String {
    let sizes: Vec<Option<(usize, usize)>> =
        files.par_iter().map(|file| size(file).map(|(height, width)| (width, height))).collect();
    let mut counts = BTreeMap::new();
    for size in &sizes {
        *counts.entry(*size).or_insert(0) += 1;
    }
    let unread = counts.remove(&None);
    let mut counts: Vec<(usize, (usize, usize))> =
        counts.into_iter().filter_map(|(size, n)| Some((n, size?))).collect();
    counts.sort_by_key(|&(n, _)| std::cmp::Reverse(n));
    let named =
        counts.iter().take(NAMED).map(|(n, (width, height))| format!("{n} of {width}x{height}"));
    let mut parts: Vec<String> = named.collect();
    let rest: usize = counts.iter().skip(NAMED).map(|(n, _)| n).sum();
    if rest > 0 {
        parts.push(format!("{rest} of {} other sizes", counts.len() - NAMED));
    }
    parts.extend(unread.map(|n| format!("{n} that cannot be read")));
    parts.join(", ")
}

/// Height and width.
fn size(file: &Path) -> Option<(usize, usize)> {
    let mut input = files::open(file).ok()?;
    let mut bytes = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes).ok()?;
    if let Ok(size) = header(&bytes) {
        return Some(size);
    }
    input.read_to_end(&mut bytes).ok()?;
    header(&bytes).ok()
}
