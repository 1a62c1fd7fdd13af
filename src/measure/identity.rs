//! Whether features of files may be compared with others, by what the files say of themselves.

use anyhow::{Result, bail};
use ganbench_metrics::ExtractorId;
use ganbench_metrics::files::FileMeta;
use ganbench_reports::short_hash;

/// A file of features or statistics.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// For messages.
    pub name: &'a str,
    /// None of a file that another tool wrote.
    pub meta: Option<&'a FileMeta>,
}

fn described(id: ExtractorId<'_>) -> String {
    format!("{} (weights {})", id.name, short_hash(id.weights_sha256))
}

fn note_unknown(name: &str) {
    log::info!(
        "note: {name} does not say which extractor its numbers come from; values are named @unknown, as in \
         fid@unknown"
    );
}

/// What the features of both files come from; none, with a note, where a file does not say.
///
/// # Errors
/// If they come from unlike extractors or weights: says both.
pub fn identity_of_files<'a>(
    real: Origin<'a>,
    fake: Origin<'a>,
) -> Result<Option<ExtractorId<'a>>> {
    let (Some(of_real), Some(of_fake)) = (real.meta, fake.meta) else {
        for file in [real, fake] {
            if file.meta.is_none() {
                note_unknown(file.name);
            }
        }
        return Ok(None);
    };
    let (a, b) = (of_real.extractor_id(), of_fake.extractor_id());
    if a != b {
        bail!(
            "{} holds features of {}, but {} of {}; extract both with one extractor and the same weights",
            real.name,
            described(a),
            fake.name,
            described(b)
        );
    }
    if (of_real.exact, &of_real.device) != (of_fake.exact, &of_fake.device) {
        let how = |meta: &FileMeta| {
            let exact = if meta.exact { " with --exact" } else { "" };
            format!("on {}{exact}", meta.device)
        };
        log::info!(
            "note: {} was computed {}, {} {}; features differ by about 1e-5",
            real.name,
            how(of_real),
            fake.name,
            how(of_fake)
        );
    }
    Ok(Some(a))
}

/// Says where a file was made for another protocol than it is measured by. Its features may still
/// be right: what a protocol says of them is the extractor, which is compared.
pub fn note_protocol(file: Origin<'_>, measured_by: &str) {
    let made_for = file.meta.and_then(|meta| meta.protocol.as_deref());
    if let Some(made_for) = made_for.filter(|name| *name != measured_by) {
        log::info!(
            "note: {} was made for protocol {made_for}, and is measured by protocol {measured_by}",
            file.name
        );
    }
}

/// Whether a file's features come from the extractor in use; false, with a note, where it does not
/// say.
///
/// # Errors
/// If they come from another extractor or other weights: says both.
pub fn is_of_extractor(file: Origin<'_>, extractor: ExtractorId<'_>) -> Result<bool> {
    let Some(meta) = file.meta else {
        note_unknown(file.name);
        return Ok(false);
    };
    let id = meta.extractor_id();
    if id != extractor {
        bail!(
            "{} holds features of {}, but the images of the other side are seen through {}; choose the same \
             with --extractor and --weights",
            file.name,
            described(id),
            described(extractor)
        );
    }
    Ok(true)
}
