//! What the reference implementations do to an image before a vision transformer sees it.

use candle_core::{Device, Result, Tensor};
use ganbench_data::images::{ImageSize, ImageView};
use rayon::prelude::*;

use super::config::{CHANNELS, Config, Family};
use crate::resize::{Filter, pil_bytes};

/// Of ImageNet, as torchvision has them.
const IMAGENET: Normalisation =
    Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/// Of CLIP's training images.
const CLIP: Normalisation = Normalisation {
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
};

/// Of pixels in 0..=1.
struct Normalisation {
    mean: [f32; CHANNELS],
    std: [f32; CHANNELS],
}

/// The images as patches, f32 `[n·grid², 3·patch²]`, each patch channel by channel. Images must
/// have 1 or 3 channels; a grey image is its one plane three times.
///
/// DINOv2 as dgm-eval 74c79f7 (`models/dinov2.py`): Pillow's bicubic on bytes to 224x224 whatever
/// the shape, ImageNet's mean and deviation. CLIP as cmmd-pytorch (`io_util.py`, `embedding.py`):
/// the square in the middle, Pillow's bicubic on bytes, CLIP's mean and deviation.
///
/// # Errors
/// If the device refuses the memory.
pub(super) fn patches(
    images: &[ImageView<'_>],
    config: &Config,
    device: &Device,
) -> Result<Tensor> {
    let (side, values) = (config.side, CHANNELS * config.side * config.side);
    let mut x = vec![0f32; images.len() * values];
    x.par_chunks_exact_mut(values).zip(images).for_each(|(x, image)| {
        let (bytes, normalisation) = match config.family {
            Family::DinoV2 => (pil_bytes(*image, Filter::Bicubic, [side; 2]), IMAGENET),
            Family::Clip => {
                let (size, pixels) = middle_square(*image);
                let square = ImageView { size, pixels: &pixels };
                (pil_bytes(square, Filter::Bicubic, [side; 2]), CLIP)
            }
        };
        write_patches(&bytes, image.size.channels, config, &normalisation, x);
    });
    let rows = images.len() * config.grid() * config.grid();
    Tensor::from_vec(x, (rows, config.patch_values()), device)
}

/// The largest square about the middle, up and left of it by half a pixel where it cannot be exact.
fn middle_square(image: ImageView<'_>) -> (ImageSize, Vec<u8>) {
    let ImageSize { height, width, channels } = image.size;
    let side = height.min(width);
    let (top, left) = ((height - side) / 2, (width - side) / 2);
    let rows = image.pixels.chunks_exact(width * channels).skip(top).take(side);
    let pixels = rows.flat_map(|row| &row[left * channels..(left + side) * channels]);
    (ImageSize::new(side, side, channels), pixels.copied().collect())
}

fn write_patches(
    bytes: &[u8],
    channels: usize,
    config: &Config,
    normalisation: &Normalisation,
    out: &mut [f32],
) {
    let (side, patch, grid) = (config.side, config.patch, config.grid());
    for (i, out) in out.chunks_exact_mut(config.patch_values()).enumerate() {
        let (top, left) = (i / grid * patch, i % grid * patch);
        for (j, out) in out.iter_mut().enumerate() {
            let (c, y, x) = (j / (patch * patch), j / patch % patch, j % patch);
            let byte = bytes[((top + y) * side + left + x) * channels + c.min(channels - 1)];
            *out = (f32::from(byte) / 255.0 - normalisation.mean[c]) / normalisation.std[c];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_square_of_a_wide_and_of_a_tall_image() {
        let pixels: Vec<u8> = (0..10).collect();
        let of = |height, width| {
            let (size, square) = middle_square(ImageView {
                size: ImageSize::new(height, width, 1),
                pixels: &pixels,
            });
            assert_eq!((size.height, size.width), (2, 2));
            square
        };
        // Three columns too many: one goes on the left, two on the right.
        assert_eq!(of(2, 5), [1, 2, 6, 7]);
        assert_eq!(of(5, 2), [2, 3, 4, 5]);
    }

    #[test]
    fn patches_go_row_by_row_and_channel_by_channel() {
        let config = Config { side: 4, patch: 2, position_grid: 2, ..Config::dinov2(4, 1, 1) };
        let pixels: Vec<u8> = (0..48).collect();
        let image = ImageView { size: ImageSize::new(4, 4, 3), pixels: &pixels };
        let x = patches(&[image], &config, &Device::Cpu).unwrap();
        let x: Vec<Vec<f32>> = x.to_vec2().unwrap();
        assert_eq!((x.len(), x[0].len()), (4, 12));
        // Patch 1 is the right upper one; its green pixels stand at columns 2 and 3 of rows 0 and
        // 1.
        let green = [(0, 2), (0, 3), (1, 2), (1, 3)].map(|(y, x)| 3 * (4 * y + x) + 1);
        for (got, byte) in x[1][4..8].iter().zip(green) {
            assert_eq!(*got, (f32::from(byte as u8) / 255.0 - 0.456) / 0.224);
        }
    }
}
