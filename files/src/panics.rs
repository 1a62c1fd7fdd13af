//! A boundary around libraries that panic on damaged input: what they were given is at fault, and
//! not this program.
//!
//! Needs the default `panic = "unwind"`. No hook of panics is changed here. A program that has one
//! asks [`is_caught`], so that a panic that becomes an error is not reported as well.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// How many calls of [`caught`] this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work`; gives what it panicked with where it did.
///
/// # Errors
/// If it panicked.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    // What `work` changed may be half done: callers drop it.
    let done = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    done.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "it gave no reason".into())
    })
}

/// Whether a panic of this thread now becomes an error.
pub fn is_caught() -> bool {
    DEPTH.get() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_the_thread_goes_on() {
        assert_eq!(caught(|| 3), Ok(3));
        assert!(!is_caught());
        let numbers = [1, 2];
        let beyond = numbers.len();
        let message = caught(|| {
            assert!(is_caught());
            numbers[beyond]
        });
        let message = message.unwrap_err();
        assert_eq!(message, "index out of bounds: the len is 2 but the index is 2");
        assert!(!is_caught());
    }
}
