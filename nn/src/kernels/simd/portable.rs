use super::super::nhwc::{Window, by_pixels};
use super::super::tile::{Factor, Product, by_rows, tile};
use super::{LANES, Simd};

/// Plain arrays: four registers a vector on SSE2 and on NEON.
#[derive(Clone, Copy)]
pub struct Portable;

/// A fused operation where the target always has one; elsewhere it would be a library call a lane.
#[inline(always)]
fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    if Portable::FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn zip(mut a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    for i in 0..LANES {
        a[i] = f(a[i], b[i]);
    }
    a
}

impl Simd for Portable {
    type V = [f32; LANES];
    const FUSED: bool = cfg!(target_arch = "aarch64");
    const ROWS: usize = 3;
    const PANELS: usize = 1;
    const STRIDED_ROWS: usize = 3;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn rectify(self, a: Self::V) -> Self::V {
        zip(a, a, |a, _| if a < 0.0 { 0.0 } else { a })
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, mut c: Self::V) -> Self::V {
        for i in 0..LANES {
            c[i] = mul_add(a[i], b[i], c[i]);
        }
        c
    }
    // SAFETY: the caller keeps to the contract of the trait.
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::V {
        // SAFETY: the caller's.
        unsafe { p.cast::<[f32; LANES]>().read_unaligned() }
    }
    // SAFETY: the caller keeps to the contract of the trait.
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::V) {
        // SAFETY: the caller's.
        unsafe { p.cast::<[f32; LANES]>().write_unaligned(v) }
    }
    #[inline(always)]
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let mut out = [[0.0; LANES]; LANES];
        for (i, row) in rows.iter().enumerate() {
            for (out, &v) in out.iter_mut().zip(row) {
                out[i] = v;
            }
        }
        out
    }
    // SAFETY: the caller keeps to the contract of the trait.
    #[inline(always)]
    unsafe fn tile(self, rows: usize, a: Factor, b: Factor, c: Product, k: usize) {
        // SAFETY: the caller's.
        unsafe { by_rows!(self, rows, a, b, c, k, 1, [1 2 3]) }
    }
    // SAFETY: the caller keeps to the contract of the trait.
    #[inline(always)]
    unsafe fn window(self, pixels: usize, _: usize, at: Window) {
        // SAFETY: the caller's.
        unsafe { by_pixels!(self, pixels, at, 1, [1 2 3]) }
    }
}
