use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
    _mm512_sub_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::super::nhwc::{Window, by_pixels};
use super::super::tile::{Factor, Product, by_rows, tile};
use super::{Kernel, LANES, Simd};

/// AVX-512F: one register a vector, 32 registers.
#[derive(Clone, Copy)]
pub struct Avx512(());

/// # Safety
/// The machine has AVX-512F.
#[target_feature(enable = "avx512f,avx2,fma")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Avx512(()))
}

/// # Safety
/// As [`tile`], on a machine with AVX-512F.
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn tile_of(s: Avx512, rows: usize, a: Factor, b: Factor, c: Product, k: usize) {
    // SAFETY: the caller's.
    unsafe { by_rows!(s, rows, a, b, c, k, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]) }
}

/// # Safety
/// As [`window`](super::super::nhwc::window), on a machine with AVX-512F.
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn window_of(s: Avx512, pixels: usize, channels: usize, at: Window) {
    // SAFETY: the caller's.
    unsafe {
        if channels == LANES {
            by_pixels!(s, pixels, at, 1, [1 2 3 4 5 6 7 8 9 10 11 12])
        } else {
            by_pixels!(s, pixels, at, 2, [1 2 3 4 5 6 7 8 9 10 11 12])
        }
    }
}

// SAFETY of every block: an `Avx512` exists only behind `run`, on a machine that has the
// instructions.
impl Simd for Avx512 {
    type V = __m512;
    const FUSED: bool = true;
    const ROWS: usize = 14;
    const PANELS: usize = 2;
    const STRIDED_ROWS: usize = 12;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn rectify(self, a: __m512) -> __m512 {
        // The second operand is what NaN gives.
        unsafe { _mm512_max_ps(_mm512_set1_ps(0.0), a) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    fn transpose(self, r: [__m512; LANES]) -> [__m512; LANES] {
        unsafe {
            // Within each 128-bit quarter first: pairs of rows, then fours.
            let (mut pairs, mut fours) = (r, r);
            for i in (0..LANES).step_by(2) {
                pairs[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
                pairs[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
            }
            let d = |x| _mm512_castps_pd(x);
            let s = |x| _mm512_castpd_ps(x);
            for i in (0..LANES).step_by(4) {
                fours[i] = s(_mm512_unpacklo_pd(d(pairs[i]), d(pairs[i + 2])));
                fours[i + 1] = s(_mm512_unpackhi_pd(d(pairs[i]), d(pairs[i + 2])));
                fours[i + 2] = s(_mm512_unpacklo_pd(d(pairs[i + 1]), d(pairs[i + 3])));
                fours[i + 3] = s(_mm512_unpackhi_pd(d(pairs[i + 1]), d(pairs[i + 3])));
            }
            // fours[4·b + c] holds, in quarter q, column 4·q + c of rows 4·b to 4·b + 3: now the
            // quarters.
            let mut out = r;
            for c in 0..4 {
                let low = [
                    _mm512_shuffle_f32x4::<0x44>(fours[c], fours[4 + c]),
                    _mm512_shuffle_f32x4::<0x44>(fours[8 + c], fours[12 + c]),
                ];
                let high = [
                    _mm512_shuffle_f32x4::<0xee>(fours[c], fours[4 + c]),
                    _mm512_shuffle_f32x4::<0xee>(fours[8 + c], fours[12 + c]),
                ];
                out[c] = _mm512_shuffle_f32x4::<0x88>(low[0], low[1]);
                out[4 + c] = _mm512_shuffle_f32x4::<0xdd>(low[0], low[1]);
                out[8 + c] = _mm512_shuffle_f32x4::<0x88>(high[0], high[1]);
                out[12 + c] = _mm512_shuffle_f32x4::<0xdd>(high[0], high[1]);
            }
            out
        }
    }
    #[inline(always)]
    unsafe fn tile(self, rows: usize, a: Factor, b: Factor, c: Product, k: usize) {
        unsafe { tile_of(self, rows, a, b, c, k) }
    }
    #[inline(always)]
    unsafe fn window(self, pixels: usize, channels: usize, at: Window) {
        unsafe { window_of(self, pixels, channels, at) }
    }
}
