//! Finished runs of a part in three files instead of a folder for each.
//!
//! `results.parquet` holds the rows as [`super::rebuild`] writes them, `train.parquet` the records
//! of all `train.jsonl` with a column for each loss term, and `runs.toml` the small files of each
//! run word by word, with what brings the lines of the other two back to the byte and their
//! SHA-256. A fourth file, `samples.png`, holds samples of the runs of one seed.
//!
//! A run of a pack has the path that its folder had, `PART/runs/NAME`. [`read`] gives a file of a
//! run from its folder or, where that holds no plan, from the pack; so everything that reads runs
//! reads both. A folder beside the pack may still hold the run's checkpoints.

mod index;
mod lines;
mod records;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_files::hash;
use ganbench_reports::plot::samples_of_sheet;
use index::{Entry, Index};
pub use write::{Source, write};

use super::{PARQUET_NAME, ResultsError, SCORES_NAME, read_rows};

/// The fully resolved plan, in a run's folder.
pub const PLAN_NAME: &str = "plan.toml";
/// What was logged of the training steps, a line of JSON for each.
pub const RECORDS_NAME: &str = "train.jsonl";
/// Marks a finished run.
pub const DONE_NAME: &str = "done";
/// A grid of samples of the finished run.
pub const SAMPLES_NAME: &str = "samples.png";
/// Of a part: the folder of its runs.
pub const RUNS: &str = "runs";

/// Of a pack.
pub const INDEX_NAME: &str = "runs.toml";
/// The logged steps of all runs of a part.
pub const TRAIN_NAME: &str = "train.parquet";
/// A pack that was written whole and is being moved to its place.
const COMING: &str = "packing";
/// A pack that is being written.
const UNFINISHED: &str = "packing.unfinished";

/// Whether a folder holds a pack that is not at its place yet.
pub(super) fn is_on_its_way(folder: &Path) -> bool {
    [COMING, UNFINISHED].iter().any(|name| folder.ends_with(name))
}

/// A pack, its lines brought back.
pub struct Pack {
    part: PathBuf,
    index: Index,
    /// By the run's name and the file's.
    lines: BTreeMap<(String, &'static str), Vec<u8>>,
}

/// Where a file of a pack is: the new pack's, as long as that is on its way.
fn place(part: &Path, name: &str) -> PathBuf {
    let coming = part.join(COMING);
    if coming.join(INDEX_NAME).is_file() && coming.join(name).is_file() {
        coming.join(name)
    } else {
        part.join(name)
    }
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> ResultsError {
    ResultsError::Pack { path: path.to_path_buf(), reason: reason.to_string() }
}

fn read_file(path: &Path) -> Result<Vec<u8>, ResultsError> {
    ganbench_files::read(path).map_err(|source| ResultsError::File {
        path: path.to_path_buf(),
        doing: "read",
        source,
    })
}

/// What tells that a file is another one now.
type Stamp = Option<(u64, SystemTime)>;

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// Packs that were read, with the stamps of their files: a run is several files, a part many runs.
static READ: Mutex<Vec<Cached>> = Mutex::new(Vec::new());

/// A part, the stamps of its three files, and what they held.
type Cached = (PathBuf, [Stamp; 3], Arc<Pack>);

const MOST_READ: usize = 16;

impl Pack {
    /// The pack of a part; none where there is none.
    ///
    /// # Errors
    /// If it is damaged, naming what does not come back.
    pub fn open(part: &Path) -> Result<Option<Arc<Self>>, ResultsError> {
        let files = [INDEX_NAME, PARQUET_NAME, TRAIN_NAME].map(|name| place(part, name));
        if !files[0].is_file() {
            return Ok(None);
        }
        let stamps = files.each_ref().map(|file| stamp(file));
        let is_same = |(place, known, _): &&(PathBuf, [Stamp; 3], Arc<Self>)| {
            place == part && *known == stamps
        };
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, pack)) = read.iter().find(is_same) {
            return Ok(Some(Arc::clone(pack)));
        }
        let pack = Arc::new(Self::read(part, &files)?);
        read.retain(|(place, _, _)| place != part);
        if read.len() == MOST_READ {
            read.remove(0);
        }
        read.push((part.to_path_buf(), stamps, Arc::clone(&pack)));
        Ok(Some(pack))
    }

    fn read(part: &Path, [index, results, train]: &[PathBuf; 3]) -> Result<Self, ResultsError> {
        let text = String::from_utf8(read_file(index)?).map_err(|e| damaged(index, e))?;
        let entries = Index::parse(&text).map_err(|reason| damaged(index, reason))?;
        let rows = read_rows(results)?;
        let mut records = records::read(train)?;
        let mut lines = BTreeMap::new();
        for run in &entries.runs {
            let own = rows.iter().filter(|row| row.run_id == run.run_id).collect::<Vec<_>>();
            let wrong = |file: &Path, name: &str, why: &str| {
                damaged(file, format!("{name} of run {} {why}", run.name))
            };
            let scores = lines::scores(&run.scores, &own)
                .ok_or_else(|| wrong(results, SCORES_NAME, "lacks lines"))?;
            let own = records.remove(&run.run_id).unwrap_or_default();
            let train_lines = lines::records(&run.train, &own)
                .ok_or_else(|| wrong(train, RECORDS_NAME, "lacks lines"))?;
            for (file, name, content, sha256) in [
                (results, SCORES_NAME, scores, &run.scores.sha256),
                (train, RECORDS_NAME, train_lines, &run.train.sha256),
            ] {
                if hash::sha256(&content) != *sha256 {
                    return Err(wrong(file, name, "does not come back as the run wrote it"));
                }
                lines.insert((run.name.clone(), name), content);
            }
        }
        Ok(Self { part: part.to_path_buf(), index: entries, lines })
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.index.runs.iter().find(|run| run.name == name)
    }

    /// Where the folders of its runs would be, by name.
    pub fn runs(&self) -> impl Iterator<Item = PathBuf> {
        self.index.runs.iter().map(|run| self.part.join(RUNS).join(&run.name))
    }

    /// The names of a run's files.
    fn files(&self, run: &str) -> Vec<String> {
        let Some(entry) = self.entry(run) else { return Vec::new() };
        let lines = [SCORES_NAME, RECORDS_NAME].map(str::to_string);
        lines.into_iter().chain(entry.files.keys().cloned()).collect()
    }

    /// A run's file; none where it has no such.
    fn file(&self, run: &str, name: &str) -> Option<Vec<u8>> {
        let line = self.lines.iter().find(|((of, file), _)| of == run && *file == name);
        if let Some((_, content)) = line {
            return Some(content.clone());
        }
        self.entry(run)?.files.get(name).map(|text| text.clone().into_bytes())
    }
}

/// The pack that holds the run of this path, and the run's name in it.
fn pack_of(run: &Path) -> Result<Option<(Arc<Pack>, String)>, ResultsError> {
    let Some(runs) = run.parent().filter(|runs| runs.ends_with(RUNS)) else { return Ok(None) };
    let Some((part, name)) = runs.parent().zip(run.file_name().and_then(|n| n.to_str())) else {
        return Ok(None);
    };
    let part = if part.as_os_str().is_empty() { Path::new(".") } else { part };
    let pack = Pack::open(part)?.filter(|pack| pack.entry(name).is_some());
    Ok(pack.map(|pack| (pack, name.to_string())))
}

/// Whether a finished run may take the place of the one that its pack holds: it is the same, or has
/// rows more.
///
/// # Errors
/// If it is another one, or a file cannot be read.
pub fn check_goes_on(run: &Path) -> Result<(), ResultsError> {
    let Some((pack, name)) = pack_of(run)? else { return Ok(()) };
    let content = |file| Ok::<_, ResultsError>(read(&run.join(file))?.unwrap_or_default());
    let packed = |file| pack.file(&name, file).unwrap_or_default();
    for (file, is_allowed) in [
        (SCORES_NAME, content(SCORES_NAME)?.starts_with(&packed(SCORES_NAME))),
        (RECORDS_NAME, content(RECORDS_NAME)? == packed(RECORDS_NAME)),
    ] {
        if !is_allowed {
            return Err(ResultsError::NotPacked {
                path: run.join(file),
                reason: format!(
                    "it does not go on from the run of this name in {}; move the folder away, and the pack's \
                     run counts",
                    place(&pack.part, INDEX_NAME).display()
                ),
            });
        }
    }
    Ok(())
}

/// Whether a run is in a pack and has no folder with its files.
///
/// # Errors
/// If the pack is damaged.
pub fn is_packed(run: &Path) -> Result<bool, ResultsError> {
    Ok(!run.join(PLAN_NAME).is_file() && pack_of(run)?.is_some())
}

/// The packed runs of a path that is a packed run, or the folder of a part's runs; none where it is
/// neither.
///
/// # Errors
/// If the pack is damaged.
pub fn runs_at(path: &Path) -> Result<Option<Vec<PathBuf>>, ResultsError> {
    if is_packed(path)? {
        return Ok(Some(vec![path.to_path_buf()]));
    }
    if !path.ends_with(RUNS) {
        return Ok(None);
    }
    let part = path.parent().filter(|part| !part.as_os_str().is_empty());
    let pack = Pack::open(part.unwrap_or(Path::new(".")))?;
    // As the caller wrote the path.
    let name = |run: PathBuf| run.file_name().map(|name| path.join(name));
    Ok(pack.map(|pack| pack.runs().filter_map(name).collect()))
}

/// A file of a run, `RUN/NAME`, from its folder or its pack; none where it is in neither.
///
/// # Errors
/// If it cannot be read, or the pack is damaged.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, ResultsError> {
    if let Some((run, name)) = path.parent().zip(path.file_name().and_then(|n| n.to_str()))
        && !run.join(PLAN_NAME).is_file()
        && let Some((pack, of)) = pack_of(run)?
    {
        return Ok(pack.file(&of, name));
    }
    match ganbench_files::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ResultsError::File { path: path.to_path_buf(), doing: "read", source }),
    }
}

/// The samples that a pack holds of a run; none where it holds none.
///
/// # Errors
/// If the picture cannot be read.
pub fn samples(run: &Path) -> Result<Option<ImageBatch>, ResultsError> {
    let Some((pack, name)) = pack_of(run)? else { return Ok(None) };
    let Some(of) = pack.entry(&name).and_then(|entry| entry.samples.as_ref()) else {
        return Ok(None);
    };
    let path = place(&pack.part, SAMPLES_NAME);
    let [height, width, channels] = of.size;
    let end = of.first.saturating_add(of.images);
    let size = ImageSize::new(height, width, channels);
    let sheet =
        samples_of_sheet(&read_file(&path)?, size, end).map_err(|error| damaged(&path, error))?;
    Ok(Some(sheet.select(&(of.first..end).collect::<Vec<_>>())))
}

/// Writes the files of a packed run into its folder, where rows can be added to them. The plan
/// comes last: from then on the folder counts.
///
/// # Errors
/// If the pack is damaged or a file cannot be written.
pub fn unpack(run: &Path) -> Result<(), ResultsError> {
    if !is_packed(run)? {
        return Ok(());
    }
    let Some((pack, name)) = pack_of(run)? else { return Ok(()) };
    let mut files = pack.files(&name);
    files.sort_by_key(|file| file == PLAN_NAME);
    for file in files {
        let content = pack.file(&name, &file).unwrap_or_default();
        ganbench_files::write_atomic(&run.join(file), &content)?;
    }
    Ok(())
}

/// Removes from a run's folder what its pack holds to the byte, the plan first, and the folder
/// where nothing else is in it. The caller holds the folder's lock.
///
/// # Errors
/// If a file cannot be read or removed, or is another one than the pack's.
pub fn remove_packed(run: &Path) -> Result<(), ResultsError> {
    let Some((pack, name)) = pack_of(run)? else { return Ok(()) };
    let mut files = pack.files(&name);
    files.sort_by_key(|file| file != PLAN_NAME);
    for file in &files {
        let path = run.join(file);
        if path.is_file() && Some(read_file(&path)?) != pack.file(&name, file) {
            return Err(damaged(&path, "the file is another one than the pack has"));
        }
    }
    for file in files {
        let path = run.join(file);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(ResultsError::File { path, doing: "removed", source });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
