//! `ganbench sample`: images of a trained run, as `.npz` or PNG files.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Result, bail};
use clap::Args;
use ganbench_baselines::train::SampleRequest;
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::numpy::NpzWriter;
use ganbench_files::write_unsynced;

use super::process;
use crate::machine;
use crate::progress::Progress;
use crate::run::folder::RunFolder;
use crate::run::generators::{generator_file, load_generator};
use crate::run::integrity;

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// A run's folder
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// How many images
    #[arg(long, default_value_t = 64)]
    pub n: usize,
    /// Of z, the classes and the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// One class only, of a conditional run
    #[arg(long)]
    pub class: Option<u32>,
    /// Truncation: of w towards its mean (StyleGAN2), of a normal z at ± PSI (others)
    #[arg(long, value_name = "PSI")]
    pub truncation: Option<f64>,
    /// last, best, or a number of kimg
    #[arg(long, default_value = "last")]
    pub checkpoint: String,
    /// The live weights instead of the averaged ones
    #[arg(long)]
    pub raw: bool,
    /// FILE.npz (uint8 arr_0 [N, H, W, C] and labels), or a folder of PNG files
    #[arg(long, value_name = "FILE.npz|DIR")]
    pub out: PathBuf,
    /// cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Threads of the CPU; changes no result [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
}

/// # Errors
/// If the run, the checkpoint or the class does not exist, or the output cannot be written.
pub fn run(args: &SampleArgs) -> Result<()> {
    process::set_threads(args.threads)?;
    if args.n == 0 {
        bail!("--n is 0, expected at least 1");
    }
    let folder = RunFolder::open(&args.run)?;
    integrity::check(folder.path())?;
    let plan = folder.plan()?;
    let kind = if args.raw { "raw" } else { "ema" };
    let path = generator_file(&folder, &plan, &args.checkpoint, kind)?;
    let device = machine::device(&args.device)?;
    let generator = load_generator(&plan, &path, &device)?;
    let mut bar = Progress::new("sample", args.n as f64, false);
    let request = SampleRequest { n: args.n, seed: args.seed, class: args.class };
    let sampler = match args.truncation {
        None => generator.sampler(),
        Some(psi) => generator.sampler().truncated(psi),
    };
    let mut writer = Writer::new(&args.out, args.n);
    let mut done = 0;
    sampler.sample_in_batches(request, &mut |images| {
        writer.write(&images).map_err(candle_core::Error::wrap)?;
        done += images.len();
        bar.set(done as f64, &format!("{done}/{}", args.n));
        Ok(())
    })?;
    writer.finish()?;
    bar.finish(&format!("{} images", args.n));
    say!("{}", args.out.display());
    Ok(())
}

/// Why samples were not written.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be written: {source}", path.display())]
struct SampleError {
    path: PathBuf,
    source: io::Error,
}

/// Writes samples as they come.
enum Writer<'a> {
    /// `arr_0` u8 `[N, H, W, C]`, the ADM layout, and `labels` i64 `[N]` of a conditional run.
    Npz { path: &'a Path, n: usize, file: Option<Box<NpzWriter>>, labels: Vec<i64> },
    /// `000000.png`, …; a conditional run gets one subfolder per class.
    Folder { path: &'a Path, done: usize },
}

impl<'a> Writer<'a> {
    fn new(path: &'a Path, n: usize) -> Self {
        match path.extension().is_some_and(|extension| extension == "npz") {
            true => Self::Npz { path, n, file: None, labels: Vec::new() },
            false => Self::Folder { path, done: 0 },
        }
    }

    fn write(&mut self, images: &ImageBatch) -> Result<(), SampleError> {
        match self {
            Self::Npz { path, n, file, labels } => {
                let failed = |source| SampleError { path: path.to_path_buf(), source };
                // The first batch says how large an image is.
                if file.is_none() {
                    let ImageSize { height, width, channels } = images.size;
                    let mut npz = NpzWriter::create(path).map_err(failed)?;
                    npz.begin::<u8>("arr_0", &[*n, height, width, channels]).map_err(failed)?;
                    *file = Some(Box::new(npz));
                }
                let Some(npz) = file else { return Ok(()) };
                npz.write(images.pixels.iter().copied()).map_err(failed)?;
                labels.extend(images.labels.iter().flatten().map(|&label| i64::from(label)));
                Ok(())
            }
            Self::Folder { path, done } => {
                for i in 0..images.len() {
                    write_png(images, i, path, *done + i)?;
                }
                *done += images.len();
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<(), SampleError> {
        let Self::Npz { path, file: Some(mut npz), labels, .. } = self else { return Ok(()) };
        let failed = |source| SampleError { path: path.to_path_buf(), source };
        if !labels.is_empty() {
            npz.array("labels", &[labels.len()], &labels).map_err(failed)?;
        }
        npz.finish().map_err(failed)
    }
}

/// Image `i` of a batch, which is number `number` of all.
fn write_png(images: &ImageBatch, i: usize, dir: &Path, number: usize) -> Result<(), SampleError> {
    let color = if images.size.channels == 3 {
        image::ExtendedColorType::Rgb8
    } else {
        image::ExtendedColorType::L8
    };
    let dir = match &images.labels {
        Some(labels) => dir.join(format!("{:03}", labels[i])),
        None => dir.to_path_buf(),
    };
    fs::create_dir_all(&dir).map_err(|source| SampleError { path: dir.clone(), source })?;
    let path = dir.join(format!("{number:06}.png"));
    let (width, height) = (images.size.width as u32, images.size.height as u32);
    let mut png = io::Cursor::new(Vec::new());
    let format = image::ImageFormat::Png;
    image::write_buffer_with_format(&mut png, images.image(i), width, height, color, format)
        .map_err(|error| SampleError { path: path.clone(), source: io::Error::other(error) })?;
    // A link in its place is replaced, not followed.
    write_unsynced(&path, png.get_ref()).map_err(|error| SampleError { path, source: error.source })
}
