//! Writes a pack, so that a kill at any moment leaves the old one or the new one whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ganbench_data::images::ImageBatch;
use ganbench_files::write_atomic;
use ganbench_reports::COLUMNS;
use ganbench_reports::plot::samples_sheet;

use super::index::{Entry, Index, Samples};
use super::{
    COMING, INDEX_NAME, PARQUET_NAME, Pack, RECORDS_NAME, RUNS, SAMPLES_NAME, SCORES_NAME,
    TRAIN_NAME, UNFINISHED, lines, records,
};
use crate::results::{ResultsError, imported_rows, run_rows, table};

/// Images per row of the sheet of samples.
const COLUMNS_OF_SHEET: usize = 16;
/// No small file beside a plan is nearly as large.
const MOST_BYTES: usize = 1 << 20;

/// A finished run that is to be packed, from its folder or from the pack that is there.
pub struct Source {
    /// `PART/runs/NAME`.
    pub run: PathBuf,
    /// What the sheet of samples shows of the run; none where it has no picture.
    pub samples: Option<ImageBatch>,
}

/// What of a run's folder is in no pack.
fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || matches!(name, "lock" | SAMPLES_NAME | SCORES_NAME | RECORDS_NAME)
}

/// The small files of a run.
fn small_files(run: &Path) -> Result<BTreeMap<String, String>, ResultsError> {
    let mut files = BTreeMap::new();
    if super::is_packed(run)? {
        if let Some((pack, name)) = super::pack_of(run)?
            && let Some(entry) = pack.entry(&name)
        {
            files.clone_from(&entry.files);
        }
        return Ok(files);
    }
    let failed = |source| ResultsError::File { path: run.to_path_buf(), doing: "listed", source };
    for entry in std::fs::read_dir(run).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_left_out(&name) || !entry.file_type().map_err(failed)?.is_file() {
            continue;
        }
        let content = super::read_file(&entry.path())?;
        let text = String::from_utf8(content).ok().filter(|text| text.len() <= MOST_BYTES);
        let Some(text) = text else {
            return Err(ResultsError::NotPacked {
                path: entry.path(),
                reason: "the file is no small text, and a pack has no place for it; move it away"
                    .into(),
            });
        };
        files.insert(name, text);
    }
    Ok(files)
}

/// Packs runs of a part. What is written is read back and compared with what was there before it
/// takes the place of an earlier pack.
///
/// # Errors
/// If a run's lines would not come back to the byte, naming it, or a file cannot be read or
/// written. The runs are then as they were.
pub fn write(part: &Path, sources: &[Source]) -> Result<(), ResultsError> {
    finish(part)?;
    let coming = part.join(UNFINISHED);
    let failed = |path: &Path, doing| {
        let path = path.to_path_buf();
        move |source| ResultsError::File { path, doing, source }
    };
    if coming.exists() {
        std::fs::remove_dir_all(&coming).map_err(failed(&coming, "removed"))?;
    }
    std::fs::create_dir_all(&coming).map_err(failed(&coming, "made"))?;
    let (mut entries, mut rows, mut all_records) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = Vec::new();
    let mut samples: Option<ImageBatch> = None;
    for Source { run, samples: images } in sources {
        let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let not_packed = |name: &str, reason: &str| ResultsError::NotPacked {
            path: run.join(name),
            reason: reason.to_string(),
        };
        let content =
            |name| Ok::<_, ResultsError>(super::read(&run.join(name))?.unwrap_or_default());
        let (score_lines, record_lines) = (content(SCORES_NAME)?, content(RECORDS_NAME)?);
        let lost = "its lines would not come back to the byte";
        let scores = lines::describe_scores(&score_lines).ok_or(not_packed(SCORES_NAME, lost))?;
        let (train, records) =
            lines::describe_records(&record_lines).ok_or(not_packed(RECORDS_NAME, lost))?;
        let own = run_rows(&run.join(SCORES_NAME))?.rows;
        let Some(run_id) = own.first().map(|row| row.run_id.clone()) else {
            return Err(not_packed(SCORES_NAME, "a run without rows cannot be told apart"));
        };
        let place = images.as_ref().and_then(|images| add_samples(&mut samples, images));
        entries.push(Entry {
            name: name.clone(),
            run_id: run_id.clone(),
            scores,
            train,
            samples: place,
            files: small_files(run)?,
        });
        rows.extend(own);
        all_records.push((run_id, records));
        before.push((name, score_lines, record_lines));
    }
    rows.extend(imported_rows(part)?);
    let index = Index::new(entries);
    let text = index.text().map_err(|reason| super::damaged(&coming.join(INDEX_NAME), reason))?;
    table::write(&coming.join(PARQUET_NAME), &COLUMNS, &rows)?;
    let train = coming.join(TRAIN_NAME);
    write_atomic(&train, &records::bytes(&train, &all_records)?)?;
    if let Some(samples) = &samples {
        let path = coming.join(SAMPLES_NAME);
        let sheet = samples_sheet(samples, COLUMNS_OF_SHEET);
        write_atomic(&path, &sheet.map_err(|error| super::damaged(&path, error))?)?;
    }
    write_atomic(&coming.join(INDEX_NAME), text.as_bytes())?;
    check(&coming, &index, &before)?;
    let whole = part.join(COMING);
    std::fs::rename(&coming, &whole).map_err(failed(&whole, "renamed"))?;
    if let Ok(folder) = std::fs::File::open(part) {
        let _ = folder.sync_all();
    }
    finish(part)
}

/// Whether a pack gives back what was packed.
fn check(
    pack: &Path,
    index: &Index,
    before: &[(String, Vec<u8>, Vec<u8>)],
) -> Result<(), ResultsError> {
    let files = [INDEX_NAME, PARQUET_NAME, TRAIN_NAME].map(|name| pack.join(name));
    let read = Pack::read(pack, &files);
    let part = pack.parent().unwrap_or(pack);
    for (name, scores, records) in before {
        let not_packed = |file: &str, reason: String| ResultsError::NotPacked {
            path: part.join(RUNS).join(name).join(file),
            reason,
        };
        let read = match &read {
            Ok(read) => read,
            Err(error) => return Err(not_packed("", error.to_string())),
        };
        for (file, content) in [(SCORES_NAME, scores), (RECORDS_NAME, records)] {
            if read.file(name, file).as_ref() != Some(content) {
                let reason = "its lines would not come back to the byte".to_string();
                return Err(not_packed(file, reason));
            }
        }
        if read.index != *index {
            return Err(not_packed("", format!("{INDEX_NAME} would not read back")));
        }
    }
    Ok(())
}

/// Puts images behind those that are there; none where they are of another size.
fn add_samples(sheet: &mut Option<ImageBatch>, images: &ImageBatch) -> Option<Samples> {
    let first = sheet.as_ref().map_or(0, ImageBatch::len);
    let together = match sheet {
        None => images.clone(),
        Some(sheet) if sheet.size == images.size => {
            let pixels = (0..sheet.len()).map(|k| sheet.image(k));
            let more = (0..images.len()).map(|k| images.image(k));
            let pixels: Vec<u8> = pixels.chain(more).flatten().copied().collect();
            ImageBatch::new(images.size, pixels, None, None).ok()?
        }
        Some(_) => return None,
    };
    let size = [images.size.height, images.size.width, images.size.channels];
    *sheet = Some(together);
    Some(Samples { first, images: images.len(), size })
}

/// Moves a pack that was written whole to its place: also one that a process which died left there.
/// `runs.toml` goes last: until then readers take the files that are still on their way.
fn finish(part: &Path) -> Result<(), ResultsError> {
    let coming = part.join(COMING);
    if !coming.join(INDEX_NAME).is_file() {
        // Killed between the last move and this.
        let _ = std::fs::remove_dir(&coming);
        return Ok(());
    }
    for name in [PARQUET_NAME, TRAIN_NAME, SAMPLES_NAME, INDEX_NAME] {
        let from = coming.join(name);
        if from.is_file() {
            let path = part.join(name);
            std::fs::rename(&from, &path).map_err(|source| ResultsError::File {
                path,
                doing: "renamed",
                source,
            })?;
        }
    }
    let _ = std::fs::remove_dir(&coming);
    Ok(())
}
