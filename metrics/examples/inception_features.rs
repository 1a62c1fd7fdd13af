//! Inception features of an `.npz` of images (uint8 `arr_0`, `[n, h, w, 3]`), written as another with
//! `pool` f32 `[n, 2048]` and `logits` f32 `[n, 1008]`.
//!
//! inception_features IMAGES.npz OUT.npz [WEIGHTS | made:SEED]

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ganbench_metrics::{Features, WeightsSource, load};
use ganbench_nn::images::{ImageBatch, ImageSize};
use npyz::WriterBuilder as _;
use npyz::npz::{NpzArchive, NpzWriter};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (images, out, weights) = match args.as_slice() {
        [images, out] => (images, out, None),
        [images, out, weights] => (images, out, Some(weights)),
        _ => {
            return Err("usage: inception_features IMAGES.npz OUT.npz [WEIGHTS | made:SEED]".into());
        }
    };
    let source = match weights.map(|w| (w, w.strip_prefix("made:"))) {
        Some((_, Some(seed))) => WeightsSource::Made { seed: seed.parse()? },
        given => WeightsSource::find(given.map(|(path, _)| PathBuf::from(path))),
    };
    let images = read_images(images)?;
    let extractor = load("inception", &source)?;
    let start = Instant::now();
    let features = extractor.extract(&images, &mut |done, total| eprint!("\r{done}/{total}"))?;
    let rate = images.len() as f64 / start.elapsed().as_secs_f64();
    eprintln!(
        "\r{} images, {rate:.2} images/s, weights {}",
        images.len(),
        extractor.weights_sha256()
    );
    write_features(&features, Path::new(out))
}

fn read_images(path: &str) -> Result<ImageBatch> {
    let mut archive = NpzArchive::open(path)?;
    let array = archive.by_name("arr_0")?.ok_or_else(|| format!("{path} has no arr_0"))?;
    let [_, height, width, channels] = array.shape() else {
        return Err(
            format!("{path}: arr_0 has shape {:?}, expected [n, h, w, c]", array.shape()).into()
        );
    };
    let size = ImageSize::new(*height as usize, *width as usize, *channels as usize);
    Ok(ImageBatch::new(size, array.into_vec()?, None, None)?)
}

fn write_features(features: &Features, path: &Path) -> Result<()> {
    let temporary = path.with_extension("npz.tmp");
    let mut archive = NpzWriter::new(BufWriter::new(File::create(&temporary)?));
    let n = features.len() as u64;
    let mut write = |name: &str, values: &[f32], width: usize| -> Result<()> {
        let array = archive.array(name, Default::default())?;
        let mut writer = array.default_dtype().shape(&[n, width as u64]).begin_nd()?;
        writer.extend(values.iter().copied())?;
        Ok(writer.finish()?)
    };
    write("pool", features.pool(), features.dim())?;
    if let Some(logits) = features.logits() {
        write("logits", &logits.values, logits.classes)?;
    }
    drop(archive);
    Ok(std::fs::rename(&temporary, path)?)
}
