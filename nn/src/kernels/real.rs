//! The two number types of the kernels, and access to a tensor's CPU memory.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};

/// f32 or f64.
pub trait Real:
    WithDType
    + Default
    + Send
    + Sync
    + std::iter::Sum
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + 'static
{
    /// The number of this type that is nearest to x.
    fn nearest(x: f64) -> Self;
    /// The same number as f64, exactly.
    fn f64(self) -> f64;
    /// √x; NaN below 0.
    fn sqrt(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// The natural logarithm; NaN below 0.
    fn ln(self) -> Self;
    /// The storage that candle keeps these numbers in.
    fn storage(data: Vec<Self>) -> CpuStorage;
    /// The same numbers, where they are f32.
    fn as_f32(x: &[Self]) -> Option<&[f32]>;
    /// As [`Real::as_f32`], to be written.
    fn as_f32_mut(x: &mut [Self]) -> Option<&mut [f32]>;
    /// The same numbers, where these are f32.
    fn from_f32(x: Vec<f32>) -> Option<Vec<Self>>;
}

impl Real for f32 {
    fn nearest(x: f64) -> Self {
        x as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn tanh(self) -> Self {
        libm::tanhf(self)
    }
    fn exp(self) -> Self {
        libm::expf(self)
    }
    fn ln(self) -> Self {
        libm::logf(self)
    }
    fn storage(data: Vec<Self>) -> CpuStorage {
        CpuStorage::F32(data)
    }
    fn as_f32(x: &[Self]) -> Option<&[f32]> {
        Some(x)
    }
    fn as_f32_mut(x: &mut [Self]) -> Option<&mut [f32]> {
        Some(x)
    }
    fn from_f32(x: Vec<f32>) -> Option<Vec<Self>> {
        Some(x)
    }
}

impl Real for f64 {
    fn nearest(x: f64) -> Self {
        x
    }
    fn f64(self) -> f64 {
        self
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn tanh(self) -> Self {
        libm::tanh(self)
    }
    fn exp(self) -> Self {
        libm::exp(self)
    }
    fn ln(self) -> Self {
        libm::log(self)
    }
    fn storage(data: Vec<Self>) -> CpuStorage {
        CpuStorage::F64(data)
    }
    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }
    fn as_f32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
    fn from_f32(_: Vec<f32>) -> Option<Vec<Self>> {
        None
    }
}

/// `n` numbers that `fill` writes, without writing zeros first.
///
/// # Safety
/// `fill` writes every element.
pub unsafe fn build<T>(n: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut out = Vec::with_capacity(n);
    fill(&mut out.spare_capacity_mut()[..n]);
    // SAFETY: the capacity is at least n, and `fill` wrote n elements.
    unsafe { out.set_len(n) };
    out
}

/// The elements of a contiguous CPU tensor, as custom ops receive them.
///
/// # Errors
/// If the layout is not contiguous or the type is another one.
pub fn cpu_slice<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<T>()?[start..end]),
        None => bail!("expected a contiguous tensor, got strides {:?}", layout.stride()),
    }
}

/// Calls `f` with the elements of a contiguous CPU tensor.
///
/// # Errors
/// If the tensor is not contiguous, not on the CPU or of another type.
pub fn with_cpu_slice<T: Real, R>(x: &Tensor, f: impl FnOnce(&[T]) -> R) -> Result<R> {
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(cpu_slice(storage, layout)?)),
        _ => bail!("expected a tensor on the CPU"),
    }
}

/// Calls `f` with the elements of several contiguous CPU tensors.
///
/// # Errors
/// As [`with_cpu_slice`].
pub fn with_cpu_slices<T: Real, R, const N: usize>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[T]; N]) -> R,
) -> Result<R> {
    let held = tensors.map(Tensor::storage_and_layout);
    let mut slices: [&[T]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&held) {
        match &**storage {
            Storage::Cpu(storage) => *slice = cpu_slice(storage, layout)?,
            _ => bail!("expected a tensor on the CPU"),
        }
    }
    Ok(f(slices))
}

/// Partial sums of one sum: kept side by side they become vector code, and their order is fixed.
pub const PARTS: usize = 16;

/// The partial sums added up.
#[inline(always)]
pub fn total<T: Real>(parts: [T; PARTS]) -> f64 {
    parts.iter().map(|p| p.f64()).sum()
}

/// Runs `$body` with `$t` standing for f32 or f64, by the type of `$storage`.
macro_rules! by_type {
    ($storage:expr, $t:ident, $body:expr) => {
        match $storage.dtype() {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("expected f32 or f64, got {other:?}"),
        }
    };
}
pub(crate) use by_type;
