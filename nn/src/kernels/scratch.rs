//! Working memory of the kernels, kept between calls: taking it afresh would cost more than filling
//! it.

use std::sync::Mutex;

use super::simd::LANES;

/// One cache line, so that no vector straddles two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; LANES]);

static KEPT: Mutex<Vec<Vec<Line>>> = Mutex::new(Vec::new());

/// Buffers kept; the smallest is given back when there are more.
const MOST: usize = 16;

/// Floats of which none has a particular value. Aligned to 64 bytes.
pub struct Scratch(Vec<Line>);

impl Scratch {
    pub fn new(floats: usize) -> Self {
        let lines = floats.div_ceil(LANES);
        let mut kept = KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The smallest that is large enough, else the largest there is, grown.
        let fits = |v: &Vec<Line>| v.capacity() >= lines;
        let best = (0..kept.len())
            .filter(|&i| fits(&kept[i]))
            .min_by_key(|&i| kept[i].capacity())
            .or_else(|| (0..kept.len()).max_by_key(|&i| kept[i].capacity()));
        let mut buffer = best.map(|i| kept.swap_remove(i)).unwrap_or_default();
        drop(kept);
        if buffer.len() < lines {
            // Growing would copy what nobody reads.
            if buffer.capacity() < lines {
                buffer = Vec::with_capacity(lines);
            }
            buffer.resize(lines, Line([0.0; LANES]));
        }
        Self(buffer)
    }

    pub fn zeroed(floats: usize) -> Self {
        let mut new = Self::new(floats);
        new[..floats].fill(0.0);
        new
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut kept = KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.push(std::mem::take(&mut self.0));
        if kept.len() > MOST {
            let smallest = (0..kept.len()).min_by_key(|&i| kept[i].capacity());
            smallest.map(|i| kept.swap_remove(i));
        }
    }
}

/// Frees what is kept; the next calls take theirs afresh.
pub fn release() {
    KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
}

impl std::ops::Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 floats and nothing else (repr C, size 64).
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LANES) }
    }
}

impl std::ops::DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        let lines = &mut self.0[..];
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_as_long_as_asked_aligned_and_zero_where_asked() {
        for floats in [1, 16, 1000] {
            let mut s = Scratch::new(floats);
            assert!(s.len() >= floats && s.as_ptr().align_offset(64) == 0);
            s.fill(3.0);
        }
        assert!(Scratch::zeroed(900)[..900].iter().all(|&v| v == 0.0));
    }
}
