//! Ctrl-C and SIGTERM. Outside of a training step everything that was done is on the disk, and the
//! program leaves at once; a step under way is finished and kept first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use anyhow::Result;
use thiserror::Error;

/// The end of a run that was asked to stop, after a checkpoint.
#[derive(Debug, Error)]
#[error("stopped after step {g_steps}, which is kept; the same command goes on from there")]
pub struct Interrupted {
    pub signal: i32,
    pub g_steps: u64,
}

#[derive(Default)]
struct Shared {
    /// The first signal that came; 0 before.
    signal: AtomicI32,
    held: AtomicBool,
}

/// Watches for signals.
#[derive(Clone, Default)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

/// While it lives, the first signal waits for [`Interrupt::asked`].
pub struct Hold<'a>(&'a Shared);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::SeqCst);
    }
}

impl Interrupt {
    /// Takes the signals over for the rest of the process.
    ///
    /// # Errors
    /// If the system refuses.
    #[cfg(unix)]
    pub fn watch() -> Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let interrupt = Self::default();
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
        let watched = interrupt.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                watched.came(signal);
            }
        })?;
        Ok(interrupt)
    }

    /// Leaves the signals to the system, which ends the process: as safe, but a step under way is
    /// lost.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn watch() -> Result<Self> {
        Ok(Self::default())
    }

    #[cfg(unix)]
    fn came(&self, signal: i32) {
        let before =
            self.shared.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        if before.is_err() {
            tell!("left; the last checkpoint stands, and the same command goes on from there");
        } else if self.shared.held.load(Ordering::SeqCst) {
            tell!("stopping after the step under way; once more leaves at once");
            return;
        } else {
            tell!("stopped; everything done so far is kept, and the same command goes on");
        }
        // Not by way of destructors, which would pull memory from under the threads at work.
        signal_hook::low_level::exit(exit_code(signal).into());
    }

    /// From here on a signal only asks.
    pub fn hold(&self) -> Hold<'_> {
        self.shared.held.store(true, Ordering::SeqCst);
        Hold(&self.shared)
    }

    /// The signal that came, if one did.
    pub fn asked(&self) -> Option<i32> {
        Some(self.shared.signal.load(Ordering::SeqCst)).filter(|&signal| signal != 0)
    }
}

/// 128 and the signal's number, as shells report a process that a signal ended.
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}
