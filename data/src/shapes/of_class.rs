//! Images of one class of `shapes`, without drawing those of the others.

use rayon::prelude::*;

use super::dataset::{World, drawn};
use super::{SHAPES, ShapeFactors};
use crate::images::{ImageBatch, ImageSize};
use crate::{DataError, DatasetRequest, room, shapes_spec};

/// Images whose factors are drawn at once.
const BLOCK: u64 = 2048;

/// The first images of class `label` in a split of `shapes`, as many as the request's limit says.
/// A split goes on without end, so that there are always enough. None without a limit, and of a
/// class that there is not.
///
/// # Errors
/// If `shapes` has no images of the request's size or channels, or there is no memory for them.
pub fn of_class(
    world: World,
    request: &DatasetRequest,
    label: u32,
) -> Result<ImageBatch, DataError> {
    let spec = shapes_spec(world, request)?;
    let there = request.limit.filter(|_| (label as usize) < SHAPES.len());
    let count = there.unwrap_or_default();
    let size = ImageSize::new(spec.size, spec.size, 3);
    let mut pixels = room(count, size)?;
    let mut found: Vec<ShapeFactors> = Vec::new();
    let mut first = 0;
    while found.len() < count {
        let block = (first..first + BLOCK).into_par_iter();
        let of_block =
            block.map(|i| drawn(world, spec.seed, spec.split, i)).filter(|f| f.shape == label);
        found.extend(of_block.collect::<Vec<_>>());
        first += BLOCK;
    }
    found.truncate(count);
    pixels.resize(count * size.bytes(), 0);
    let images = pixels.par_chunks_exact_mut(size.bytes()).zip(&found);
    images.for_each(|(image, factors)| factors.render(spec.size, image));
    Ok(ImageBatch::new(size, pixels, Some(vec![label; count]), None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Split, load};

    #[test]
    fn the_images_of_a_class_are_those_of_its_split_in_their_order() {
        let mut request = DatasetRequest::new("shapes", Split::Test);
        request.limit = Some(5000);
        let all = load(&request, &mut |_| {}).unwrap().images;
        let labels = all.labels.as_ref().unwrap();
        let rows: Vec<usize> = (0..all.len()).filter(|&row| labels[row] == 3).collect();
        request.limit = Some(rows.len());
        let own = of_class(World::Whole, &request, 3).unwrap();
        assert!(rows.len() > 400, "{}", rows.len());
        assert_eq!(own.pixels, all.select(&rows).pixels);
        assert!(own.labels.unwrap().iter().all(|&label| label == 3));
    }

    #[test]
    fn a_class_that_there_is_not_has_no_images() {
        let mut request = DatasetRequest::new("shapes", Split::Test);
        request.limit = Some(2);
        assert!(of_class(World::Whole, &request, 10).unwrap().is_empty());
    }
}
