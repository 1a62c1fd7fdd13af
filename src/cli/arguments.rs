//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;

/// What every command that computes takes; none of it changes a result.
#[derive(Debug, Clone, Args)]
pub struct MachineArgs {
    /// Folder that holds <DATASET>/ (else $GANBENCH_DATA, the hub cache, the hub)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Weights of the extractor: a file (.pth, .safetensors), or made:SEED for tests
    #[arg(long, value_name = "FILE")]
    pub weights: Option<String>,
    /// cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Threads of the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// What training changes of a data set.
#[derive(Debug, Clone, Default, Args)]
pub struct DatasetArgs {
    /// Side of the images: the square in the middle of each image of a folder, resized (Lanczos)
    /// [default: as they are, all of one size]
    #[arg(long, value_name = "PIXELS")]
    pub image_size: Option<usize>,
    /// What tables and files call a folder:PATH [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    pub dataset_name: Option<String>,
    /// Leave damaged images of a folder out, and count them in the plan; without it they are named
    /// and nothing is trained
    #[arg(long)]
    pub skip_damaged: bool,
}

impl DatasetArgs {
    /// As `--set` has them.
    pub fn assignments(&self) -> Vec<String> {
        let size = self.image_size.map(|size| format!("dataset.image_size={size}"));
        let name = self.dataset_name.clone().map(toml::Value::String);
        let name = name.map(|name| format!("dataset.called={name}"));
        let skip = self.skip_damaged.then(|| "dataset.skip_damaged=true".to_string());
        size.into_iter().chain(name).chain(skip).collect()
    }
}
