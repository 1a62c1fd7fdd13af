//! Requests to stop. Outside of a training step everything that was done is on the disk, and the
//! program may leave at once; a step under way is finished and kept first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use thiserror::Error;

/// The end of a run that was asked to stop, after a checkpoint.
#[derive(Debug, Error)]
#[error("stopped after step {g_steps}, which is kept; the same command goes on from there")]
pub struct Interrupted {
    /// The number of the system's signal that asked for it.
    pub signal: i32,
    /// Generator steps of the checkpoint that was kept.
    pub g_steps: u64,
}

#[derive(Default)]
struct Shared {
    /// The first signal that came; 0 before.
    signal: AtomicI32,
    held: AtomicBool,
}

/// Whether a run was asked to stop; clones share the answer.
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
    /// Notes a request to stop, numbered as the system's signals are, and says what is to be done
    /// about it.
    pub fn request(&self, signal: i32) -> Answer {
        let before =
            self.shared.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        if before.is_err() {
            Answer::LeaveStep
        } else if self.shared.held.load(Ordering::SeqCst) {
            Answer::FinishStep
        } else {
            Answer::Leave
        }
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

/// What follows a request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing is under way: everything is on the disk, and the program may end at once.
    Leave,
    /// The step under way is finished and kept, then the run ends.
    FinishStep,
    /// Asked before: the program may end at once, and the step under way is lost.
    LeaveStep,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_waits_for_a_step_and_the_second_does_not() {
        let interrupt = Interrupt::default();
        let hold = interrupt.hold();
        assert_eq!(interrupt.request(2), Answer::FinishStep);
        assert_eq!(interrupt.request(15), Answer::LeaveStep);
        assert_eq!(interrupt.asked(), Some(2));
        drop(hold);
        let idle = Interrupt::default();
        drop(idle.hold());
        assert_eq!(idle.request(15), Answer::Leave);
    }
}
