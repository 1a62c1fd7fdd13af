//! The training loop: one for all methods. It knows parts (losses, views, passes), never a method.

mod adaptive;
#[cfg(test)]
mod architecture_tests;
mod budget;
mod check;
mod checkpoint;
pub mod flops;
#[cfg(test)]
mod option_tests;
mod pace;
#[cfg(test)]
mod parts_tests;
mod plan;
#[cfg(test)]
mod pytorch_tests;
mod record;
#[cfg(test)]
mod regulariser_tests;
#[cfg(test)]
mod same_start_tests;
mod sampler;
mod sizes;
mod statistics;
mod terms;
mod trainer;

pub use budget::{Budget, BudgetError, Spent, Unit};
use candle_core::{DType, Device, Result, Tensor};
pub use check::{TrainError, check, known_architecture};
pub use checkpoint::{CheckpointError, Loaded, RunMark};
use ganbench_data::images::ImageBatch;
pub use pace::Replay;
pub use plan::{EmaPlan, NetworkPlan, TrainPlan, ZPrior};
pub use record::{Diverged, StepRecord};
pub use sampler::{LoadedGenerator, SampleRequest, Sampler};
pub use sizes::{check_sizes, network_weights};
pub use statistics::Statistics;
pub use trainer::Trainer;

/// u8 NHWC images as f32 `[n, channels, h, w]` in [−1, 1].
///
/// # Errors
/// If the device cannot hold them.
pub fn to_tensor(images: &ImageBatch, device: &Device) -> Result<Tensor> {
    let s = images.size;
    let x =
        Tensor::from_slice(&images.pixels, (images.len(), s.height, s.width, s.channels), device)?;
    (x.permute((0, 3, 1, 2))?.contiguous()?.to_dtype(DType::F32)? / 127.5)? - 1.0
}

/// f32 `[n, channels, h, w]` as u8 NHWC: (x + 1)·127.5 rounded half up, clamped to 0..=255.
///
/// # Errors
/// If x is not of rank 4.
pub fn to_images(x: &Tensor) -> Result<(ganbench_data::images::ImageSize, Vec<u8>)> {
    let (_, channels, height, width) = x.dims4()?;
    let x = x.permute((0, 2, 3, 1))?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
    let pixels =
        x.iter().map(|&v| ((v + 1.0) * 127.5 + 0.5).floor().clamp(0.0, 255.0) as u8).collect();
    Ok((ganbench_data::images::ImageSize::new(height, width, channels), pixels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_data::images::ImageSize;

    #[test]
    fn every_u8_value_survives_the_way_to_a_tensor_and_back() {
        let pixels: Vec<u8> = (0..=255).cycle().take(768).collect();
        let batch = ImageBatch::new(ImageSize::new(16, 16, 3), pixels.clone(), None, None).unwrap();
        let (size, back) = to_images(&to_tensor(&batch, &Device::Cpu).unwrap()).unwrap();
        assert_eq!((size, back), (batch.size, pixels));
    }

    #[test]
    fn values_are_rounded_half_up_and_clamped() {
        // (x + 1)·127.5 = 0.5 → 1, 254.49 → 254, out of range → the ends.
        let x = Tensor::new(&[0.5f32 / 127.5 - 1.0, 254.49 / 127.5 - 1.0, -7.0, 9.0], &Device::Cpu)
            .unwrap();
        assert_eq!(to_images(&x.reshape((4, 1, 1, 1)).unwrap()).unwrap().1, [1, 254, 0, 255]);
    }
}
