//! SHA-256 of content.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// 64 hexadecimal digits.
pub fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of bytes, as [`hex`] writes it.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// Of all that is left to read, as [`hex`] writes it.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_of_rest(input: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    update_from(&mut hash, input)?;
    Ok(hex(hash))
}

/// Takes in all that is left to read. A signal in the middle of a read is no error.
///
/// # Errors
/// If it cannot be read.
pub fn update_from(hash: &mut Sha256, mut input: impl Read) -> io::Result<()> {
    let mut block = vec![0; 1 << 20];
    loop {
        match input.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => hash.update(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a signal before each of its bytes.
    struct Interrupted<'a>(&'a [u8], bool);

    impl Read for Interrupted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn a_read_that_signals_interrupt_gives_the_hash_of_its_bytes() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        assert_eq!(sha256_of_rest(Interrupted(b"abc", false)).unwrap(), abc);
    }
}
