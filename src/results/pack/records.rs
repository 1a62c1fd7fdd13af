//! `train.parquet`: the records of all runs, with a column for each loss term.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ganbench_baselines::train::StepRecord;
use ganbench_data::parquet::ParquetFile;
use polars::prelude::*;

use super::damaged;
use crate::results::ResultsError;

const RUN_ID: &str = "run_id";
const G_STEP: &str = "g_step";
/// Begins the name of a loss term's column.
const LOSS: &str = "loss.";

/// A column of numbers beside the loss terms: its name, how it is taken and how it is put.
type Number = (&'static str, fn(&StepRecord) -> Option<f64>, fn(&mut StepRecord, f64));

const NUMBERS: [Number; 8] = [
    ("real_kimg", |r| Some(r.real_kimg), |r, v| r.real_kimg = v),
    ("d_grad_norm", |r| Some(r.d_grad_norm), |r, v| r.d_grad_norm = v),
    ("g_grad_norm", |r| Some(r.g_grad_norm), |r, v| r.g_grad_norm = v),
    ("d_real", |r| r.d_real, |r, v| r.d_real = Some(v)),
    ("d_fake", |r| r.d_fake, |r, v| r.d_fake = Some(v)),
    ("d_feature_norm", |r| r.d_feature_norm, |r, v| r.d_feature_norm = Some(v)),
    ("d_class_grad_norm", |r| r.d_class_grad_norm, |r, v| r.d_class_grad_norm = Some(v)),
    ("ada_p", |r| r.ada_p, |r, v| r.ada_p = Some(v)),
];

/// The file of these runs' records.
pub(super) fn bytes(
    path: &Path,
    runs: &[(String, Vec<StepRecord>)],
) -> Result<Vec<u8>, ResultsError> {
    let all = || runs.iter().flat_map(|(id, records)| records.iter().map(move |r| (id, r)));
    let ids: Vec<&str> = all().map(|(id, _)| id.as_str()).collect();
    let steps: Vec<u64> = all().map(|(_, record)| record.g_step).collect();
    let mut columns = vec![Column::new(RUN_ID.into(), ids), Column::new(G_STEP.into(), steps)];
    let mut push = |name: String, values: Vec<Option<f64>>| {
        columns.push(Column::new(name.as_str().into(), values));
    };
    for (name, take, _) in NUMBERS {
        push(name.to_string(), all().map(|(_, record)| take(record)).collect());
    }
    let terms: BTreeSet<&String> = all().flat_map(|(_, record)| record.losses.keys()).collect();
    for term in terms {
        let values = all().map(|(_, record)| record.losses.get(term).copied()).collect();
        push(format!("{LOSS}{term}"), values);
    }
    let failed = |error: PolarsError| ResultsError::Table {
        path: path.to_path_buf(),
        doing: "written",
        reason: error.to_string(),
    };
    let mut frame = DataFrame::new(all().count(), columns).map_err(failed)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).map_err(failed)?;
    Ok(bytes)
}

/// The records of each run, in their order.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Vec<StepRecord>>, ResultsError> {
    let frame = ParquetFile::open(path).and_then(|file| file.read_flat());
    let frame = frame.map_err(|error| damaged(path, error))?;
    let wrong = |error: PolarsError| damaged(path, error);
    let ids = frame.column(RUN_ID).and_then(|column| Ok(column.str()?.clone())).map_err(wrong)?;
    let steps = frame.column(G_STEP).and_then(|column| Ok(column.u64()?.clone())).map_err(wrong)?;
    let mut records = Vec::with_capacity(frame.height());
    for (id, step) in ids.iter().zip(steps.iter()) {
        let (Some(id), Some(g_step)) = (id, step) else {
            return Err(damaged(path, "a record lacks its run or its step"));
        };
        let record = StepRecord {
            g_step,
            real_kimg: 0.0,
            losses: BTreeMap::new(),
            d_grad_norm: 0.0,
            g_grad_norm: 0.0,
            d_real: None,
            d_fake: None,
            d_feature_norm: None,
            d_class_grad_norm: None,
            ada_p: None,
        };
        records.push((id.to_string(), record));
    }
    for column in frame.columns() {
        let name = column.name().as_str();
        let number = NUMBERS.iter().find(|(known, _, _)| *known == name);
        let term = name.strip_prefix(LOSS);
        if number.is_none() && term.is_none() {
            continue;
        }
        let values = column.f64().map_err(wrong)?;
        for ((_, record), value) in records.iter_mut().zip(values.iter()) {
            match (value, number, term) {
                (Some(value), Some((_, _, put)), _) => put(record, value),
                (Some(value), None, Some(term)) => {
                    record.losses.insert(term.to_string(), value);
                }
                _ => {}
            }
        }
    }
    let mut runs: BTreeMap<String, Vec<StepRecord>> = BTreeMap::new();
    for (id, record) in records {
        runs.entry(id).or_default().push(record);
    }
    Ok(runs)
}
