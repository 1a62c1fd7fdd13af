//! The two number types of the kernels, and access to a tensor's CPU memory.

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
    fn of(x: f64) -> Self;
    fn f64(self) -> f64;
    fn sqrt(self) -> Self;
    fn tanh(self) -> Self;
    /// The storage that candle keeps these numbers in.
    fn storage(data: Vec<Self>) -> CpuStorage;
}

impl Real for f32 {
    fn of(x: f64) -> Self {
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
    fn storage(data: Vec<Self>) -> CpuStorage {
        CpuStorage::F32(data)
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
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
    fn storage(data: Vec<Self>) -> CpuStorage {
        CpuStorage::F64(data)
    }
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
