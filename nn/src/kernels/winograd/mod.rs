//! Convolution with fewer multiplications: Winograd's algorithms for 3×3 kernels of stride 1 and,
//! phase by phase, for 4×4 kernels of stride 2. f32 only.
//!
//! All three passes share one linear form. With U the transformed input tiles, V the transformed
//! filters and M the products at each point: U = Bᵀ x B, V = G w Gᵀ, M = U·V, y = Aᵀ M A. The
//! gradients are the exact adjoints: dx = B(A dy Aᵀ · Vᵀ)Bᵀ added up over the overlapping tiles, dw
//! = Gᵀ(Uᵀ · A dy Aᵀ)G. A kernel of stride 2 reads the even and odd pixels as four images, each
//! with its 2×2 kernel; they count as four times the input channels.
//!
//! Measured choices (cpu-kernels.md §2): lanes are channels, from 16-channel strips copied to
//! `[pixel][16]`; a block of whole images goes through all steps on one thread; rows of U and M are
//! one vector longer than needed, since strides of powers of two fall into the same cache sets.

mod filters;
mod forward;
mod input_grad;
mod maps;
mod points;
mod strips;
mod tables;
#[cfg(test)]
mod tests;
mod weight_grad;

pub use forward::forward;
pub use input_grad::input_grad;
pub use maps::{Layer, MapFilters};
pub use weight_grad::weight_grad;

use super::conv::Geometry;
use super::simd::LANES;

/// Which algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    F23,
    F43,
    F42,
}

impl Variant {
    /// Points, outputs and taps of a tile's side.
    fn sides(self) -> (usize, usize, usize) {
        match self {
            Self::F23 => (4, 2, 3),
            Self::F43 => (6, 4, 3),
            Self::F42 => (5, 4, 2),
        }
    }
}

/// The sizes of one convolution, cut into tiles.
#[derive(Clone, Copy, Debug)]
pub struct Tiling {
    pub variant: Variant,
    pub n: usize,
    pub cin: usize,
    pub cout: usize,
    pub size_in: [usize; 2],
    pub size_out: [usize; 2],
    pub padding: [usize; 2],
    pub stride: usize,
    /// Tiles down and across an image.
    pub tiles: [usize; 2],
}

/// Sizes of the convolution `x [n, cin, …] ∗ w [cout, cin, …]`.
#[derive(Clone, Copy, Debug)]
pub struct Problem {
    pub n: usize,
    pub cin: usize,
    pub cout: usize,
    pub size_in: [usize; 2],
    pub size_out: [usize; 2],
    pub kernel: [usize; 2],
    pub geometry: Geometry,
}

impl Tiling {
    /// The algorithm with the fewest multiplications, or None if none of them fits the kernel.
    pub fn for_problem(p: &Problem) -> Option<Self> {
        let variants: &[Variant] = match (p.kernel, p.geometry.stride) {
            ([3, 3], [1, 1]) => &[Variant::F43, Variant::F23],
            ([4, 4], [2, 2]) => &[Variant::F42],
            _ => return None,
        };
        let all = variants.iter().map(|&v| Self::with(p, v));
        all.min_by_key(Self::multiplications)
    }

    /// For a kernel that fits `variant`.
    pub fn with(p: &Problem, variant: Variant) -> Self {
        let out = variant.sides().1;
        Self {
            variant,
            n: p.n,
            cin: p.cin,
            cout: p.cout,
            size_in: p.size_in,
            size_out: p.size_out,
            padding: p.geometry.padding,
            stride: p.geometry.stride[0],
            tiles: p.size_out.map(|s| s.div_ceil(out)),
        }
    }

    /// Of one image's matrix products, channels rounded up to whole vectors.
    pub fn multiplications(&self) -> usize {
        self.points() * self.per_image() * self.k() * self.cout.next_multiple_of(LANES)
    }

    fn points(&self) -> usize {
        self.variant.sides().0.pow(2)
    }

    fn per_image(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    fn phases(&self) -> usize {
        self.stride * self.stride
    }

    fn cin16(&self) -> usize {
        self.cin.next_multiple_of(LANES)
    }

    fn cout16(&self) -> usize {
        self.cout.next_multiple_of(LANES)
    }

    /// Input channels of the matrix products: every phase has its own.
    fn k(&self) -> usize {
        self.phases() * self.cin16()
    }

    fn image_in(&self) -> usize {
        self.cin * self.size_in[0] * self.size_in[1]
    }

    fn image_out(&self) -> usize {
        self.cout * self.size_out[0] * self.size_out[1]
    }

    /// Input pixels that the tiles cover, from −padding on.
    fn covered_in(&self) -> [usize; 2] {
        let (_, out, taps) = self.variant.sides();
        self.tiles.map(|t| self.stride * (t * out + taps - 1))
    }

    /// Output pixels that the tiles cover.
    fn covered_out(&self) -> [usize; 2] {
        self.tiles.map(|t| t * self.variant.sides().1)
    }

    /// Images of one block: about 32 tiles, so that a block's U and M stay near the core, and whole
    /// blocks for every thread. Depends on the shapes alone.
    fn images_per_block(&self) -> usize {
        let wanted = 32usize.div_ceil(self.per_image());
        let blocks = self.n.div_ceil(wanted).next_multiple_of(4);
        self.n.div_ceil(blocks).max(1)
    }
}

/// A pointer that several tasks write through, each its own elements.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: whoever dereferences it states why no two tasks write one element.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// A method, so that closures capture the whole wrapper.
    fn at(self, i: usize) -> *mut f32 {
        self.0.wrapping_add(i)
    }
}

/// Runs `$body` with `$w` and its three constants standing for the variant.
macro_rules! by_variant {
    ($variant:expr, $call:ident, $($arg:expr),*) => {
        match $variant {
            $crate::kernels::winograd::Variant::F23 => {
                $call::<$crate::kernels::winograd::tables::F23, 4, 2, 3>($($arg),*)
            }
            $crate::kernels::winograd::Variant::F43 => {
                $call::<$crate::kernels::winograd::tables::F43, 6, 4, 3>($($arg),*)
            }
            $crate::kernels::winograd::Variant::F42 => {
                $call::<$crate::kernels::winograd::tables::F42, 5, 4, 2>($($arg),*)
            }
        }
    };
}
use by_variant;
