//! Where the files of a hub dataset are: the search order, and the variables that rule it.

use std::env;
use std::path::{Path, PathBuf};

use ganbench_hub::Limits;

use crate::catalogue::HubEntry;
use crate::datasets::splits::holds_train;
use crate::hub;
use crate::{DataError, DatasetRequest, Progress, Split};

/// The folders and the address that [`crate::load`] takes from the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// `$GANBENCH_DATA`: holds `<name>/`.
    pub data: Option<PathBuf>,
    /// Of the hub: `$HF_HUB_CACHE`, `$HF_HOME/hub`, or `~/.cache/huggingface/hub`. Shared with the
    /// Python library.
    pub hub_cache: Option<PathBuf>,
    /// Where the hashes of first use and large decoded sets are kept: `$GANBENCH_CACHE`,
    /// `$XDG_CACHE_HOME/ganbench`, or `~/.cache/ganbench`.
    pub cache: Option<PathBuf>,
    /// Of the hub: `$HF_ENDPOINT` or `https://huggingface.co`.
    pub endpoint: String,
    /// A set whose pixels have so many bytes is kept as a file under `cache` and mapped: 256 MiB,
    /// well above CIFAR-10.
    pub mapped_bytes: u64,
    /// `$HF_HUB_OFFLINE` is set to something other than 0: nothing is downloaded.
    pub offline: bool,
    /// How long a download may be silent; without it the environment says so.
    pub hub_limits: Option<Limits>,
}

impl Places {
    /// The places that the environment's variables name, or else lie in the user's folders.
    pub fn from_env() -> Self {
        let folder = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let home_cache = || home.as_ref().map(|home| home.join(".cache"));
        Self {
            data: folder("GANBENCH_DATA"),
            hub_cache: ganbench_hub::cache(),
            cache: folder("GANBENCH_CACHE")
                .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("ganbench")))
                .or_else(|| home_cache().map(|cache| cache.join("ganbench"))),
            endpoint: ganbench_hub::endpoint(),
            mapped_bytes: 256 << 20,
            offline: ganbench_hub::is_offline(),
            hub_limits: None,
        }
    }

    /// The files of a split, downloaded where need be.
    pub(crate) fn find(
        &self,
        entry: &HubEntry,
        request: &DatasetRequest,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Found, DataError> {
        if let Some(root) = &request.root {
            return in_root(root, entry, request.split)?.ok_or_else(|| DataError::WrongRoot {
                name: entry.name.clone(),
                split: request.split.as_str(),
                root: match root.is_dir() {
                    true => root.display().to_string(),
                    false => format!("{} (no such folder)", root.display()),
                },
                searched: expected_files(root, entry, request.split),
            });
        }
        let mut searched = Vec::new();
        if let Some(root) = &self.data {
            if let Some(found) = in_root(root, entry, request.split)? {
                return Ok(found);
            }
            searched.push(expected_files(root, entry, request.split));
        }
        hub::find(self, entry, request.split, searched, progress).map(Found::Shards)
    }
}

/// A split.
pub(crate) enum Found {
    /// Parquet files in row order.
    Shards(Vec<PathBuf>),
    /// A folder that holds `train/`.
    Folder(PathBuf),
}

/// `DIR/<name>/<folder>/`, as the repository has it, then `DIR/<name>/`.
fn folders(root: &Path, entry: &HubEntry) -> [PathBuf; 2] {
    let of_name = root.join(&entry.name);
    [of_name.join(&entry.folder), of_name]
}

fn expected_files(root: &Path, entry: &HubEntry, split: Split) -> String {
    folders(root, entry)
        .map(|folder| {
            let name = format!("{}-*.parquet", entry.file_prefix(split));
            folder.join(name).display().to_string()
        })
        .join(" and ")
}

/// The shards under a root, else the folder `DIR/<name>/` where that has a train split, or none
/// where the root does not hold the dataset. A folder that holds the other split only is an error:
/// the two must come from the same copy.
fn in_root(root: &Path, entry: &HubEntry, split: Split) -> Result<Option<Found>, DataError> {
    for folder in folders(root, entry) {
        if !folder.is_dir() {
            continue;
        }
        let mut names = Vec::new();
        for item in std::fs::read_dir(&folder).map_err(DataError::io("list", &folder))? {
            let name = item.map_err(DataError::io("list", &folder))?.file_name();
            names.extend(name.into_string().ok().filter(|name| name.ends_with(".parquet")));
        }
        names.sort_unstable();
        let prefix = format!("{}-", entry.file_prefix(split));
        let shards: Vec<_> = names.iter().filter(|n| n.starts_with(&prefix)).cloned().collect();
        if !shards.is_empty() {
            check_complete(&folder, &shards, entry, split)?;
            let shards = shards.iter().map(|name| folder.join(name)).collect();
            return Ok(Some(Found::Shards(shards)));
        }
        if !names.is_empty() {
            return Err(DataError::MissingSplit {
                folder,
                split: split.as_str(),
                expected: format!("{prefix}*.parquet"),
                found: names.join(", "),
            });
        }
    }
    let of_name = root.join(&entry.name);
    Ok(holds_train(&of_name).then_some(Found::Folder(of_name)))
}

/// Names of the form `train-00000-of-00003.parquet` say how many there are.
fn check_complete(
    folder: &Path,
    shards: &[String],
    entry: &HubEntry,
    split: Split,
) -> Result<(), DataError> {
    let prefix = entry.file_prefix(split);
    let total_of = |name: &String| -> Option<usize> {
        let (_, of) = name.strip_prefix(prefix)?.strip_prefix('-')?.split_once("-of-")?;
        of.get(..5)?.parse().ok()
    };
    let Some(total) = shards.iter().filter_map(total_of).max() else { return Ok(()) };
    // Hashes may follow the number, so only the start of a name is compared.
    let missing = (0..total)
        .map(|i| format!("{prefix}-{i:05}-of-{total:05}"))
        .find(|start| !shards.iter().any(|name| name.starts_with(start.as_str())));
    missing.map_or(Ok(()), |start| {
        Err(DataError::MissingShard {
            folder: folder.to_owned(),
            missing: format!("{start}.parquet"),
            total,
            split: split.as_str(),
        })
    })
}
