//! SHA-256 of content.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// 64 hexadecimal digits.
pub fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes in all that is left to read.
///
/// # Errors
/// If it cannot be read.
pub fn update_from(hash: &mut Sha256, mut input: impl Read) -> io::Result<()> {
    let mut block = vec![0; 1 << 20];
    loop {
        match input.read(&mut block)? {
            0 => return Ok(()),
            n => hash.update(&block[..n]),
        }
    }
}
