use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_mul_ps,
    _mm256_permute2f128_ps, _mm256_set1_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_sub_ps,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use super::super::nhwc::{Window, by_pixels};
use super::super::tile::{Factor, Product, by_rows, tile};
use super::{Kernel, LANES, Simd};

/// AVX2 with FMA: two registers a vector, 16 registers.
#[derive(Clone, Copy)]
pub struct Avx2(());

#[derive(Clone, Copy)]
pub struct Pair(__m256, __m256);

/// # Safety
/// The machine has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Avx2(()))
}

/// # Safety
/// As [`tile`], on a machine with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_of(s: Avx2, rows: usize, a: Factor, b: Factor, c: Product, k: usize) {
    // SAFETY: the caller's.
    unsafe { by_rows!(s, rows, a, b, c, k, 1, [1 2 3 4 5 6]) }
}

/// # Safety
/// As [`window`](super::super::nhwc::window), on a machine with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn window_of(s: Avx2, pixels: usize, at: Window) {
    // SAFETY: the caller's.
    unsafe { by_pixels!(s, pixels, at, 1, [1 2 3 4 5 6]) }
}

/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn transpose8(r: [__m256; 8]) -> [__m256; 8] {
    // SAFETY: the caller's.
    unsafe {
        // Within each 128-bit half first: pairs of rows, then fours.
        let (mut pairs, mut fours, mut out) = (r, r, r);
        for i in (0..8).step_by(2) {
            pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        }
        for i in (0..8).step_by(4) {
            fours[i] = _mm256_shuffle_ps::<0x44>(pairs[i], pairs[i + 2]);
            fours[i + 1] = _mm256_shuffle_ps::<0xee>(pairs[i], pairs[i + 2]);
            fours[i + 2] = _mm256_shuffle_ps::<0x44>(pairs[i + 1], pairs[i + 3]);
            fours[i + 3] = _mm256_shuffle_ps::<0xee>(pairs[i + 1], pairs[i + 3]);
        }
        for c in 0..4 {
            out[c] = _mm256_permute2f128_ps::<0x20>(fours[c], fours[4 + c]);
            out[4 + c] = _mm256_permute2f128_ps::<0x31>(fours[c], fours[4 + c]);
        }
        out
    }
}

// SAFETY of every block: an `Avx2` exists only behind `run`, on a machine that has the
// instructions.
impl Simd for Avx2 {
    type V = Pair;
    const FUSED: bool = true;
    const ROWS: usize = 6;
    const PANELS: usize = 1;
    const STRIDED_ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        unsafe { Pair(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
    }
    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }
    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }
    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }
    #[inline(always)]
    fn rectify(self, a: Pair) -> Pair {
        // The second operand is what NaN gives.
        unsafe {
            let zero = _mm256_set1_ps(0.0);
            Pair(_mm256_max_ps(zero, a.0), _mm256_max_ps(zero, a.1))
        }
    }
    #[inline(always)]
    fn mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        unsafe { Pair(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Pair {
        unsafe { Pair(_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Pair) {
        unsafe {
            _mm256_storeu_ps(p, v.0);
            _mm256_storeu_ps(p.add(8), v.1);
        }
    }
    #[inline(always)]
    fn transpose(self, rows: [Pair; LANES]) -> [Pair; LANES] {
        let mut out = rows;
        for half in [0, 8] {
            let (mut left, mut right) = ([rows[0].0; 8], [rows[0].0; 8]);
            for i in 0..8 {
                (left[i], right[i]) = (rows[half + i].0, rows[half + i].1);
            }
            let (left, right) = unsafe { (transpose8(left), transpose8(right)) };
            for i in 0..8 {
                if half == 0 {
                    (out[i].0, out[8 + i].0) = (left[i], right[i]);
                } else {
                    (out[i].1, out[8 + i].1) = (left[i], right[i]);
                }
            }
        }
        out
    }
    #[inline(always)]
    unsafe fn tile(self, rows: usize, a: Factor, b: Factor, c: Product, k: usize) {
        unsafe { tile_of(self, rows, a, b, c, k) }
    }
    #[inline(always)]
    unsafe fn window(self, pixels: usize, _: usize, at: Window) {
        unsafe { window_of(self, pixels, at) }
    }
}
