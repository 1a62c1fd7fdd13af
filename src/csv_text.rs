//! CSV files of pages that are kept.

use anyhow::{Context as _, Result};

/// What `write` writes; errors call it `file`.
///
/// # Errors
/// If it cannot be written, as a line of other length.
pub fn csv_text(
    file: &str,
    write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = write(&mut writer).map_err(anyhow::Error::from);
    let bytes = written.and_then(|()| Ok(writer.into_inner()?));
    let bytes = bytes.with_context(|| format!("the lines of {file} were not written"))?;
    Ok(String::from_utf8(bytes)?)
}
