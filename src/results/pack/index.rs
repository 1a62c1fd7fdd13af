//! `runs.toml`: the runs of a pack, and how their lines come back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Of the form of the file.
const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    format: u32,
    #[serde(default, rename = "run")]
    pub(super) runs: Vec<Entry>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Of its folder.
    pub(super) name: String,
    pub(super) run_id: String,
    pub(super) scores: Scores,
    pub(super) train: Records,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<Samples>,
    /// `plan.toml`, `provenance.toml`, `done` and what else is beside them, word by word.
    pub(super) files: BTreeMap<String, String>,
}

/// `scores.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scores {
    pub(super) sha256: String,
    /// Lines that were written alike, one after the other.
    pub(super) written: Vec<Written>,
    /// The line of each row, from 0; left out where they are the lines in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) line_of_row: Vec<usize>,
    /// Lines in whose place a later one counts, by number from 0, without digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) replaced: BTreeMap<String, String>,
}

/// How lines of rows were written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) lines: usize,
    /// The first so many columns of results: earlier versions had fewer.
    pub(super) columns: usize,
    pub(super) digests: bool,
    /// Whether metrics of made weights were not called by these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) bare: bool,
}

impl Written {
    /// Whether lines are written alike, however many.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        Self { lines: 0, ..*self } == Self { lines: 0, ..*other }
    }
}

/// `train.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Records {
    pub(super) sha256: String,
    pub(super) lines: usize,
    pub(super) digests: bool,
}

/// Where in `samples.png` a run's samples are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Samples {
    pub(super) first: usize,
    pub(super) images: usize,
    /// Height, width and channels of an image.
    pub(super) size: [usize; 3],
}

impl Index {
    pub(super) fn new(runs: Vec<Entry>) -> Self {
        Self { format: FORMAT, runs }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let index: Self =
            toml::from_str(text).map_err(|e| e.to_string().trim().replace('\n', " "))?;
        match index.format {
            FORMAT => Ok(index),
            other => Err(format!("it has format {other}, expected {FORMAT}")),
        }
    }

    pub(super) fn text(&self) -> Result<String, String> {
        let head = "# Written by `ganbench kept`, with results.parquet and train.parquet; not to be \
                    edited by hand.\n\n";
        toml::to_string_pretty(self).map(|text| format!("{head}{text}")).map_err(|e| e.to_string())
    }
}
