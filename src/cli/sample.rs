//! `ganbench sample`: images of a trained run, as `.npz` or PNG files.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_baselines::train::SampleRequest;
use ganbench_data::images::ImageBatch;
use ganbench_files::memory;
use ganbench_files::{write_atomic, write_unsynced};
use npyz::WriterBuilder as _;

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
    let images = sampler.sample(request, &mut |n| bar.set(n as f64, &format!("{n}/{}", args.n)))?;
    if args.out.extension().is_some_and(|e| e == "npz") {
        write_npz(&images, &args.out)?;
    } else {
        write_pngs(&images, &args.out)?;
    }
    bar.finish(&format!("{} images", args.n));
    say!("{}", args.out.display());
    Ok(())
}

/// `arr_0` u8 `[N, H, W, C]`, the ADM layout, and `labels` i64 `[N]` of a conditional run.
fn write_npz(images: &ImageBatch, path: &Path) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    let _held =
        memory::ask(images.pixels.len() as u64, || "the archive".into()).with_context(context)?;
    // In memory first: on a full disk the archive's end would be lost without a word.
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut npz = npyz::npz::NpzWriter::new(&mut bytes);
    let s = images.size;
    let shape = [images.len() as u64, s.height as u64, s.width as u64, s.channels as u64];
    let options = Default::default;
    let mut writer = npz
        .array::<u8>("arr_0", options())?
        .default_dtype()
        .shape(&shape)
        .begin_nd()
        .with_context(context)?;
    writer.extend(images.pixels.iter().copied()).with_context(context)?;
    writer.finish().with_context(context)?;
    if let Some(labels) = &images.labels {
        let shape = [labels.len() as u64];
        let mut writer =
            npz.array::<i64>("labels", options())?.default_dtype().shape(&shape).begin_nd()?;
        writer.extend(labels.iter().map(|&l| i64::from(l))).with_context(context)?;
        writer.finish().with_context(context)?;
    }
    drop(npz);
    Ok(write_atomic(path, bytes.get_ref())?)
}

/// `000000.png`, …; a conditional run gets one subfolder a class.
fn write_pngs(images: &ImageBatch, dir: &Path) -> Result<()> {
    let color = if images.size.channels == 3 {
        image::ExtendedColorType::Rgb8
    } else {
        image::ExtendedColorType::L8
    };
    for i in 0..images.len() {
        let dir = match &images.labels {
            Some(labels) => dir.join(format!("{:03}", labels[i])),
            None => dir.to_path_buf(),
        };
        fs::create_dir_all(&dir)
            .with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let path = dir.join(format!("{i:06}.png"));
        let (width, height) = (images.size.width as u32, images.size.height as u32);
        let context = || format!("cannot write {}", path.display());
        let mut png = std::io::Cursor::new(Vec::new());
        let format = image::ImageFormat::Png;
        image::write_buffer_with_format(&mut png, images.image(i), width, height, color, format)
            .with_context(context)?;
        // A link in its place is replaced, not followed.
        write_unsynced(&path, png.get_ref())?;
    }
    Ok(())
}
