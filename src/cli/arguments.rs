//! Arguments that several commands share.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// What every command that computes takes; none of it changes a result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Machine")]
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
#[command(next_help_heading = "Data set")]
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

/// Seeds as they are typed: `0,1,2` or `0-4`, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

/// More are a slip of the finger.
const MOST_SEEDS: u64 = 10_000;

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut seeds = Vec::new();
        for part in text.split(',') {
            let wrong = || format!("\"{part}\" is neither a seed nor a range such as 0-4");
            let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
            let Some((first, last)) = part.split_once('-') else {
                seeds.push(number(part)?);
                continue;
            };
            let (first, last) = (number(first)?, number(last)?);
            if first > last || last - first >= MOST_SEEDS {
                return Err(format!(
                    "the range {part} has no seeds or more than {MOST_SEEDS}; write the smaller one first"
                ));
            }
            seeds.extend(first..=last);
        }
        Ok(Self(seeds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_single_ones_and_ranges() {
        let seeds = |text: &str| text.parse::<Seeds>().map(|seeds| seeds.0);
        assert_eq!(seeds("3"), Ok(vec![3]));
        assert_eq!(seeds("0,2, 1"), Ok(vec![0, 2, 1]));
        assert_eq!(seeds("0-4,9"), Ok(vec![0, 1, 2, 3, 4, 9]));
        assert_eq!(seeds("0-x").unwrap_err(), "\"0-x\" is neither a seed nor a range such as 0-4");
        assert_eq!(seeds("").unwrap_err(), "\"\" is neither a seed nor a range such as 0-4");
        let error = seeds("4-0").unwrap_err();
        assert!(error.starts_with("the range 4-0 has no seeds"), "{error}");
        assert!(seeds("0-99999999999").unwrap_err().contains("more than 10000"));
    }
}
