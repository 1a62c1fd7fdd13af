//! A digest of the rows of a Parquet file, in what the file says beside them: a value that was
//! changed by hand shows. It is no signature, as that of a run's lines (`chain.rs`).
//!
//! Files of ganbench before 0.2 have none, nor have those that other programs wrote anew, and both
//! are read as they are. A program that keeps the digest beside other rows has changed them.

use ganbench_data::hex;
use polars::prelude::*;
use sha2::{Digest as _, Sha256};

/// Under which the digest stands.
pub const KEY: &str = "ganbench.rows_sha256";

/// Of the names of the columns, their kinds and all values, column after column.
///
/// # Errors
/// If a value cannot be taken out.
pub fn rows_sha256(frame: &DataFrame) -> PolarsResult<String> {
    let mut hash = Sha256::new();
    for column in frame.columns() {
        text(&mut hash, column.name());
        text(&mut hash, &column.dtype().to_string());
        hash.update((column.len() as u64).to_le_bytes());
        for row in 0..column.len() {
            match column.get(row)? {
                AnyValue::Null => hash.update([0]),
                AnyValue::Boolean(flag) => hash.update([1, u8::from(flag)]),
                AnyValue::UInt64(count) => {
                    hash.update([2]);
                    hash.update(count.to_le_bytes());
                }
                AnyValue::Float64(number) => {
                    hash.update([3]);
                    hash.update(number.to_bits().to_le_bytes());
                }
                other => {
                    hash.update([4]);
                    text(&mut hash, &other.str_value());
                }
            }
        }
    }
    Ok(hex(hash))
}

/// With its length before it, so that no two rows of texts give the same bytes.
fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
