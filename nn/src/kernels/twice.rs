//! Gradients of gradients: within a [`TwiceDifferentiable`] scope, ops are made of parts whose
//! gradients have gradients themselves; everywhere else they are the fused ones.

use std::cell::Cell;

use candle_core::{Result, Tensor};

/// candle's own switch, without which it cuts every gradient off the tape. It is read once a
/// thread, so it has to be set before the program starts.
pub const SWITCH: &str = "CANDLE_GRAD_DO_NOT_DETACH";

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static SWITCHED_ON: bool = std::env::var(SWITCH).is_ok_and(|v| !v.is_empty() && v != "0");
}

/// Whether candle keeps gradients on the tape in this process.
pub fn switched_on() -> bool {
    SWITCHED_ON.with(|&on| on)
}

/// While it lives, gradients that are taken on this thread can be differentiated again, with
/// respect to all that went into them. The forward pass and the first backward pass belong inside,
/// the second backward pass need not.
#[derive(Debug)]
pub struct TwiceDifferentiable(());

impl TwiceDifferentiable {
    /// # Errors
    /// If candle's switch is not set.
    pub fn enter() -> Result<Self> {
        if !switched_on() {
            candle_core::bail!(
                "a gradient of a gradient needs {SWITCH}=1 in the environment of the program"
            )
        }
        DEPTH.set(DEPTH.get() + 1);
        Ok(Self(()))
    }
}

impl Drop for TwiceDifferentiable {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Whether ops have to be twice differentiable now.
pub fn twice_differentiable() -> bool {
    DEPTH.get() > 0
}

/// What a backward pass computes with: detached from the tape, unless its gradient is to be
/// differentiated again. Without this the gradients would drag a second tape along.
pub(crate) fn for_backward(x: &Tensor) -> Tensor {
    if twice_differentiable() { x.clone() } else { x.detach() }
}
