//! Pixels as features: what a metric says without any network's opinion, and a quick test of a
//! pipeline.
//!
//! Each channel is resized to 32x32 as dgm-eval's `pixel` encoder does (`resizer.py`: Pillow's
//! bicubic on floats, clipped) and divided by 255. dgm-eval then averages each channel away; here
//! all 3·32·32 numbers are the features.

use ganbench_data::images::ImageView;
use rayon::prelude::*;

use crate::extractor::{Extractor, ExtractorEntry, ExtractorError, LoadRequest, check_images};
use crate::features::Features;
use crate::resize::{Filter, pil_float};
use crate::weights::WeightsError;
use crate::weights::source::WeightsSource;

const NAME: &str = "pixels";
const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const DIM: usize = 3 * PLANE;

/// `pixels` in the table of extractors.
pub const ENTRY: ExtractorEntry = ExtractorEntry {
    name: NAME,
    description: "pixels / 255, resized to 32x32 (Pillow's bicubic): 3072 features, no network",
    feature_dim: DIM,
    classes: 0,
    published: None,
    load,
};

fn load(request: LoadRequest<'_>) -> Result<Box<dyn Extractor>, ExtractorError> {
    // A folder or file that the environment names is for other extractors.
    if let WeightsSource::Published { file: Some(path), .. } = request.source {
        let (extractor, path) = (NAME.into(), path.clone());
        return Err(WeightsError::NotWanted { extractor, path }.into());
    }
    Ok(Box::new(Pixels { batch: request.options.batch }))
}

struct Pixels {
    batch: usize,
}

impl Extractor for Pixels {
    fn name(&self) -> &str {
        NAME
    }

    /// `none`.
    fn weights_sha256(&self) -> &str {
        "none"
    }

    fn feature_dim(&self) -> usize {
        DIM
    }

    fn classes(&self) -> usize {
        0
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn extract_batch(&self, images: &[ImageView<'_>]) -> Result<Features, ExtractorError> {
        check_images(NAME, images)?;
        let mut pool = vec![0f32; images.len() * DIM];
        pool.par_chunks_exact_mut(DIM).zip(images).for_each(|(row, image)| {
            let (own, repeats) = row.split_at_mut(image.size.channels * PLANE);
            pil_float(*image, Filter::Bicubic, [SIDE; 2], own);
            own.iter_mut().for_each(|v| *v /= 255.0);
            repeats.chunks_exact_mut(PLANE).for_each(|copy| copy.copy_from_slice(&own[..PLANE]));
        });
        Ok(Features::new(DIM, pool, None)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ganbench_data::images::{ImageBatch, ImageSize};

    use super::*;
    use crate::extractor::load;

    fn extractor() -> Box<dyn Extractor> {
        let source = WeightsSource::Published { file: None, variable: None, download: false };
        load(NAME, &source).unwrap()
    }

    #[test]
    fn images_of_32x32_become_their_planes_over_255() {
        let pixels: Vec<u8> = (0..2 * DIM).map(|i| (i * 7 % 256) as u8).collect();
        let size = ImageSize::new(SIDE, SIDE, 3);
        let images = ImageBatch::new(size, pixels.clone(), None, None).unwrap();
        let features = extractor().extract(&images, &mut |_, _| {}).unwrap();
        assert_eq!((features.len(), features.dim()), (2, DIM));
        assert!(features.logits().is_none());
        for (i, &value) in features.pool().iter().enumerate() {
            let (image, channel, at) = (i / DIM, i % DIM / PLANE, i % PLANE);
            assert_eq!(value, f32::from(pixels[image * DIM + 3 * at + channel]) / 255.0);
        }
    }

    #[test]
    fn grey_images_of_other_sizes_give_as_many_features() {
        let images =
            ImageBatch::new(ImageSize::new(40, 20, 1), vec![51; 3 * 800], None, None).unwrap();
        let features = extractor().extract(&images, &mut |_, _| {}).unwrap();
        assert_eq!(features.pool().len(), 3 * DIM);
        assert!(features.pool().iter().all(|v| (v - 0.2).abs() < 1e-6));
    }

    #[test]
    fn weights_and_other_channels_are_refused() {
        let file = Some(PathBuf::from("w.safetensors"));
        let source = WeightsSource::Published { file, variable: None, download: false };
        assert_eq!(
            load(NAME, &source).err().unwrap().to_string(),
            "extractor \"pixels\" has no weights, but w.safetensors was given; leave out --weights"
        );
        let images = ImageBatch::new(ImageSize::new(1, 1, 2), vec![0; 2], None, None).unwrap();
        assert_eq!(
            extractor().extract(&images, &mut |_, _| {}).unwrap_err().to_string(),
            "pixels cannot take 1x1x2 images; expected 1 or 3 channels"
        );
    }
}
