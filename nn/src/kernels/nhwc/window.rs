//! The innermost loop: some output pixels side by side, for one panel of output channels.

// Counted loops with constant bounds are what the compiler unrolls into straight code.
#![allow(clippy::needless_range_loop)]

use super::super::simd::{LANES, Simd};
use super::super::tile::{hidden, step};

/// Where one register tile reads and writes.
#[derive(Clone, Copy)]
pub struct Window {
    /// First value under the window of the first pixel.
    pub x: *const f32,
    /// Floats from one output pixel's window to the next one's.
    pub pixel: usize,
    /// Floats from one line of a window to the next.
    pub line: usize,
    pub lines: usize,
    /// Floats of one line of a window: its pixels' channels lie side by side.
    pub run: usize,
    /// Weights of the panel, `[lines][run][P·16]`.
    pub w: *const f32,
    /// Biases of the panel.
    pub bias: *const f32,
    pub y: *mut f32,
    /// Floats from one output pixel to the next.
    pub y_pixel: usize,
}

/// max(bias + window · w, 0) of R pixels and P·16 channels.
///
/// # Safety
/// `x` can be read for `lines` lines of `run` floats at R pixels, `w` and `bias` for a panel, `y`
/// written at R pixels, and `y` overlaps none of the others.
#[inline(always)]
pub unsafe fn window<S: Simd, const R: usize, const P: usize>(s: S, at: Window) {
    let mut sums = [[s.splat(0.0); P]; R];
    // SAFETY: all pointers stay within what the caller promised.
    unsafe {
        for p in 0..P {
            let bias = s.load(at.bias.add(p * LANES));
            for r in 0..R {
                sums[r][p] = bias;
            }
        }
        let mut w = at.w;
        for line in 0..at.lines {
            // Three pixels share an address register: see `tile`.
            let x = at.x.wrapping_add(line * at.line);
            let mut base = [x; 5];
            for (i, base) in base.iter_mut().enumerate().take(R.div_ceil(3)) {
                *base = hidden(x.wrapping_add(3 * i * at.pixel));
            }
            for _ in 0..at.run {
                step(s, &mut sums, w, |r| *base[r / 3].wrapping_add(r % 3 * at.pixel));
                for base in base.iter_mut().take(R.div_ceil(3)) {
                    *base = base.wrapping_add(1);
                }
                w = w.wrapping_add(P * LANES);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, &sum) in sums.iter().enumerate() {
                s.store(at.y.add(r * at.y_pixel + p * LANES), s.rectify(sum));
            }
        }
    }
}

/// Calls [`window`] with the number of pixels as a constant.
macro_rules! by_pixels {
    ($s:expr, $pixels:expr, $at:expr, $panels:literal, [$($r:literal)*]) => {
        match $pixels {
            $($r => $crate::kernels::nhwc::window::<_, $r, $panels>($s, $at),)*
            other => unreachable!("a register tile of {other} pixels"),
        }
    };
}
pub(crate) use by_pixels;
