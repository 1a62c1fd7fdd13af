//! The square in the middle of an image, resized: [`crate::Fit::CentreLanczos`].

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Pixel};

use crate::images::ImageSize;

pub(super) fn fit_square<P: Pixel<Subpixel = u8> + 'static>(
    size: ImageSize,
    pixels: Vec<u8>,
    output: ImageSize,
    out: &mut [u8],
) {
    let (height, width) = (size.height as u32, size.width as u32);
    let side = height.min(width);
    let image: Option<ImageBuffer<P, _>> = ImageBuffer::from_raw(width, height, pixels);
    let image = image.expect("there is a byte for each channel of each pixel");
    let (left, top) = (half(width - side), half(height - side));
    let square = imageops::crop_imm(&image, left, top, side, side).to_image();
    let (width, height) = (output.width as u32, output.height as u32);
    let fitted = match (width, height) == (side, side) {
        true => square,
        false => imageops::resize(&square, width, height, FilterType::Lanczos3),
    };
    out.copy_from_slice(fitted.as_raw());
}

/// Rounded half to even.
pub(super) fn half(n: u32) -> u32 {
    n / 2 + (n % 2) * (n / 2 % 2)
}
