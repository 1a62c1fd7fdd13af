//! `ganbench loss`: a loss of the registry on a user's arrays, with gradients.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use candle_core::{DType, Tensor};
use clap::Args;
use ganbench_baselines::losses::registry::{EvaluatedTerm, Given, settings_of};
use ganbench_baselines::methods::{NamedLoss, loss};
use ganbench_baselines::part::FieldValue;
use ganbench_data::numpy::Archive;
use ganbench_files::write_atomic;
use npyz::WriterBuilder as _;
use serde_json::{Map, Value as Json, json};

use super::process;
use crate::machine::UsageError;

/// Computed by the functions that training uses, in the precision of the arrays, float32 or
/// float64.
#[derive(Debug, Args)]
pub struct LossArgs {
    /// The loss: see `ganbench list losses`, which also names the arrays and settings of each
    pub name: String,
    /// The arrays, by name
    #[arg(long, value_name = "FILE.npz")]
    pub inputs: PathBuf,
    /// Change a setting, such as tau=0.5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Also write values and gradients: arrays TERM and TERM.ARRAY
    #[arg(long, value_name = "FILE.npz")]
    pub out: Option<PathBuf>,
    /// Print one JSON object with all gradients as nested lists (null: not finite)
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the loss or a setting is not known, the file cannot be read, or the arrays do not fit the
/// loss.
pub fn run(args: &LossArgs) -> Result<()> {
    let NamedLoss { entry, set: of_name } = loss(&args.name)?;
    let set = args.set.iter().map(|text| {
        let wrong = || UsageError::new(format!("--set {text} is not KEY=VALUE, such as tau=0.5"));
        text.split_once('=').ok_or_else(wrong)
    });
    let set = set.collect::<Result<Vec<_>, _>>()?;
    let loss = entry.with(of_name.iter().copied().chain(set))?;
    process::set_threads(None)?;
    let path = args.inputs.display().to_string();
    let given = read(&args.inputs).with_context(|| path.clone())?;
    let terms = entry.evaluate(&given, loss.as_ref()).with_context(|| path)?;
    if let Some(path) = &args.out {
        write(&terms, path)?;
    }
    if args.json {
        let settings: Map<_, _> = settings_of(loss.as_ref())
            .iter()
            .map(|setting| (setting.name.to_string(), json_value(&setting.value)))
            .collect();
        let terms = terms.iter().map(json_term).collect::<Result<Vec<_>>>()?;
        crate::cli::tell::json(&json!({"loss": entry.name, "settings": settings, "terms": terms}))?;
        return Ok(());
    }
    for term in &terms {
        say!("{} = {}  (weight {})", term.name, term.value, term.weight);
        let width = term.gradients.keys().map(|name| name.len()).max().unwrap_or(0);
        for (array, gradient) in &term.gradients {
            let norm = numbers(gradient)?.iter().map(|v| v * v).sum::<f64>().sqrt();
            say!("  gradient of {array:<width$}  {:?}  norm {norm}", gradient.dims());
        }
    }
    Ok(())
}

/// Every array of a file, by name.
fn read(path: &Path) -> Result<BTreeMap<String, Given>> {
    let file = File::open(path).context("cannot open the file")?;
    let mut archive = Archive::open(&path.display().to_string(), Box::new(file))?;
    let names: Vec<String> = archive.names().into_iter().map(str::to_string).collect();
    let mut arrays = BTreeMap::new();
    for name in names {
        let given = Given::read(&name, &mut archive.array(&name)?)?;
        arrays.insert(name, given);
    }
    Ok(arrays)
}

fn numbers(x: &Tensor) -> Result<Vec<f64>> {
    Ok(x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

pub(super) fn json_value(value: &FieldValue) -> Json {
    match value {
        FieldValue::Number(x) => (*x).into(),
        FieldValue::Count(n) => (*n).into(),
        FieldValue::Switch(on) => (*on).into(),
        FieldValue::Choice { name, .. } => name.as_str().into(),
    }
}

fn json_term(term: &EvaluatedTerm) -> Result<Json> {
    let gradients = term.gradients.iter().map(|(array, gradient)| {
        Ok((array.to_string(), nested(&numbers(gradient)?, gradient.dims())))
    });
    let gradients = gradients.collect::<Result<Map<_, _>>>()?;
    let (name, weight, value) = (term.name, term.weight, term.value);
    Ok(json!({"name": name, "weight": weight, "value": value, "gradients": gradients}))
}

fn nested(x: &[f64], shape: &[usize]) -> Json {
    match shape {
        [] => x[0].into(),
        [_] => x.to_vec().into(),
        [size, rest @ ..] => {
            x.chunks_exact(x.len() / size).map(|part| nested(part, rest)).collect()
        }
    }
}

/// Values as `TERM` (of rank 0) and gradients as `TERM.ARRAY`, in the arrays' precision.
fn write(terms: &[EvaluatedTerm], path: &Path) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    // In memory first: on a full disk the archive's end would be lost without a word.
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut npz = npyz::npz::NpzWriter::new(&mut bytes);
    for term in terms {
        put(&mut npz, term.name, &[], &[term.value]).with_context(context)?;
        for (array, gradient) in &term.gradients {
            let name = format!("{}.{array}", term.name);
            let shape: Vec<u64> = gradient.dims().iter().map(|&size| size as u64).collect();
            if gradient.dtype() == DType::F32 {
                let x = gradient.flatten_all()?.to_vec1::<f32>()?;
                put(&mut npz, &name, &shape, &x).with_context(context)?;
            } else {
                put(&mut npz, &name, &shape, &numbers(gradient)?).with_context(context)?;
            }
        }
    }
    drop(npz);
    Ok(write_atomic(path, bytes.get_ref())?)
}

fn put<T: npyz::AutoSerialize + Copy>(
    npz: &mut npyz::npz::NpzWriter<&mut std::io::Cursor<Vec<u8>>>,
    name: &str,
    shape: &[u64],
    x: &[T],
) -> Result<()> {
    let array = npz.array::<T>(name, Default::default())?;
    let mut writer = array.default_dtype().shape(shape).begin_nd()?;
    writer.extend(x.iter().copied())?;
    Ok(writer.finish()?)
}
