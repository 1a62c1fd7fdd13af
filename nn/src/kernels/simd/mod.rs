//! Vectors of 16 f32, on whatever the machine has: AVX-512, AVX2 with FMA, or portable code that
//! the compiler turns into what the target always has (SSE2, NEON).
//!
//! A kernel is written once, generic over [`Simd`], and run through [`dispatch`], which compiles it
//! for each instruction set and picks one at run time. Everything between `dispatch` and an
//! intrinsic has to be `#[inline(always)]`: only then is it compiled with the instruction set's
//! features.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::sync::OnceLock;

use super::nhwc::Window;
use super::tile::{Factor, Product};

/// Lanes of a vector.
pub const LANES: usize = 16;

/// Sixteen f32 and what kernels do with them. A value of an implementing type is the proof that the
/// machine has the instructions.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of 16 f32.
    type V: Copy;
    /// Whether a product and a sum are one operation that is rounded once, for f64 as for f32.
    const FUSED: bool;
    /// Rows of the register tile of a matrix product.
    const ROWS: usize;
    /// Vectors that lie side by side in the register tile.
    const PANELS: usize;
    /// Rows of a register tile that lie a stride apart (tiles at the points, pixels of a
    /// convolution). Fewer than `ROWS` where the compiler would otherwise keep sums in memory
    /// (three times slower).
    const STRIDED_ROWS: usize;

    /// x in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// a + b by lanes.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b by lanes.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b by lanes.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// max(a, 0); NaN stays NaN.
    fn rectify(self, a: Self::V) -> Self::V;
    /// a·b + c, rounded once where the machine can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// # Safety
    /// 16 floats can be read at `p`.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// # Safety
    /// 16 floats can be written at `p`.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// Row i of the result holds lane i of every row of `rows`.
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES];

    /// One register tile: `rows` ≤ `ROWS` rows of `PANELS`·16 columns.
    ///
    /// # Safety
    /// As [`super::tile::tile`].
    unsafe fn tile(self, rows: usize, a: Factor, b: Factor, c: Product, k: usize);

    /// One register tile of a convolution: `pixels` ≤ `STRIDED_ROWS` pixels of `channels` output
    /// channels, which are 16, or `PANELS`·16.
    ///
    /// # Safety
    /// As [`super::nhwc::window`].
    unsafe fn window(self, pixels: usize, channels: usize, at: Window);
}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512F: one register holds 16 f32.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with FMA: two registers hold 16 f32.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain Rust, which every machine can run.
    Portable,
}

impl Isa {
    /// All that this machine can run, the best first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                all.push(Self::Avx512);
            }
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                all.push(Self::Avx2);
            }
        }
        all.push(Self::Portable);
        all
    }

    /// As in `GANBENCH_SIMD`.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }
}

/// What `GANBENCH_SIMD` asks for, or the best that the machine has.
///
/// # Errors
/// If the variable names an instruction set that is unknown or that the machine has not.
pub fn wanted() -> Result<Isa, String> {
    let available = Isa::available();
    let Ok(name) = std::env::var("GANBENCH_SIMD") else { return Ok(available[0]) };
    available.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| {
        let names: Vec<&str> = available.iter().map(|isa| isa.name()).collect();
        format!(
            "GANBENCH_SIMD is \"{name}\", expected one that this machine has: {}; unset it to take the best",
            names.join(", ")
        )
    })
}

/// The instruction set in use: chosen once, at the first kernel.
pub fn isa() -> Isa {
    #[cfg(test)]
    if let Some(forced) = FORCED.with(std::cell::Cell::get) {
        return forced;
    }
    static ISA: OnceLock<Isa> = OnceLock::new();
    // The program checks `wanted` at its start; a library user with a wrong variable gets the best.
    *ISA.get_or_init(|| wanted().unwrap_or_else(|_| Isa::available()[0]))
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Isa>> = const { std::cell::Cell::new(None) };
}

/// Runs `f` with one instruction set, on this thread alone.
#[cfg(test)]
pub fn with_isa<R>(isa: Isa, f: impl FnOnce() -> R) -> R {
    FORCED.with(|forced| forced.set(Some(isa)));
    let out = f();
    FORCED.with(|forced| forced.set(None));
    out
}

/// Work that is compiled for each instruction set. `run` has to be `#[inline(always)]`.
pub trait Kernel {
    /// What the work gives back.
    type Out;
    /// Does the work with the instructions that `s` stands for.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// Runs a kernel with the instruction set in use.
pub fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    dispatch_on(isa(), kernel)
}

/// Runs a kernel with `isa`, which [`isa`] or [`Isa::available`] gave.
pub fn dispatch_on<K: Kernel>(isa: Isa, kernel: K) -> K::Out {
    match isa {
        // SAFETY: an `Isa` comes from `available` alone, which asks the machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::run(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::run(kernel) },
        Isa::Portable => kernel.run(portable::Portable),
    }
}

/// Rows and vectors of the register tile of `isa`.
fn tile_of(isa: Isa) -> (usize, usize) {
    fn widths<S: Simd>() -> (usize, usize) {
        (S::ROWS, S::PANELS)
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => widths::<avx512::Avx512>(),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => widths::<avx2::Avx2>(),
        Isa::Portable => widths::<portable::Portable>(),
    }
}

/// Columns of one packed panel of a matrix product with `isa`.
pub fn panel_width(isa: Isa) -> usize {
    LANES * tile_of(isa).1
}

/// Most rows of the register tile of `isa`.
pub fn tile_rows(isa: Isa) -> usize {
    tile_of(isa).0
}

/// A function of plain loops, compiled for each instruction set and run with the one in use.
/// Arithmetic is not fused or reordered by that: all instruction sets give the same bits.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<T: Real>($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name<T: Real>($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body<T: Real>($($arg: $type),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512<T: Real>($($arg: $type),*) $(-> $ret)? { body::<T>($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<T: Real>($($arg: $type),*) $(-> $ret)? { body::<T>($($arg),*) }
            match $crate::kernels::simd::isa() {
                // SAFETY: an `Isa` comes from `Isa::available` alone, which asks the machine.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Isa::Avx512 => unsafe { avx512::<T>($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Isa::Avx2 => unsafe { avx2::<T>($($arg),*) },
                $crate::kernels::simd::Isa::Portable => body::<T>($($arg),*),
            }
        }
    };
}
pub(crate) use vectorised;
