//! The shards of a dataset in the hub's cache, downloaded where they are not there.

mod hash;
mod listing;
pub(crate) mod places;

use std::path::{Path, PathBuf};

use ganbench_hub::{Fetched, Hub, HubError, Limits, RepoType, Repository, Wanted};
use hash::CachedFile;
use places::Places;

use super::catalogue::{HubEntry, HubFile};
use super::{DataError, Progress, Split, Stage};

/// The shards of a split, from the cache or downloaded into it, each with its hash checked.
/// `searched`: the places that were looked at before, for the error.
pub(crate) fn find(
    places: &Places,
    entry: &HubEntry,
    split: Split,
    searched: Vec<String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<PathBuf>, DataError> {
    let listed;
    let entry = if entry.files(split).is_empty() {
        listed = listing::listed(places, entry, split).map_err(|reason| {
            let (name, folder, prefix) = (&entry.name, &entry.folder, entry.file_prefix(split));
            DataError::NotListed {
                name: name.clone(),
                split: split.as_str(),
                searched: searched.join(", "),
                why: format!("{} could not be listed: {reason}", entry.repository),
                files: format!("DIR/{name}/{folder}/{prefix}-*.parquet"),
            }
        })?;
        &listed
    } else {
        entry
    };
    let of_entry = OfEntry::new(places, entry)?;
    let mut files = Vec::new();
    for file in entry.files(split) {
        let name = format!("{}/{}", entry.folder, file.name);
        let path = of_entry.snapshot.join(&name);
        let cached = of_entry.cached(&path, &name, file);
        if path.is_file() {
            cached.verify()?;
        } else {
            let known = cached.known()?;
            let sha256 = known.as_ref().map(|known| known.sha256.as_str());
            match of_entry.download(&name, sha256, progress) {
                Ok(fetched) => cached.record_if_new(known.as_ref(), &fetched.sha256)?,
                Err(HubError::Hash { got, expected }) => {
                    return Err(cached.refuse(got, expected, known));
                }
                Err(error) => {
                    let mut searched = searched.clone();
                    searched.push(path.display().to_string());
                    return Err(DataError::NotFound {
                        name: entry.name.clone(),
                        split: split.as_str(),
                        searched: searched.join(", "),
                        url: of_entry.url(&name),
                        reason: error.to_string(),
                    });
                }
            }
        }
        files.push(path);
    }
    Ok(files)
}

/// The files of an entry at its commit.
struct OfEntry<'a> {
    places: &'a Places,
    repository: Repository,
    cache: &'a Path,
    /// Folder of the pinned revision in the cache.
    snapshot: PathBuf,
    /// Folder of the hashes of first use.
    records: PathBuf,
}

impl<'a> OfEntry<'a> {
    fn new(places: &'a Places, entry: &HubEntry) -> Result<Self, DataError> {
        let repository = Repository::new(&entry.repository, RepoType::Dataset, &entry.revision);
        let cache = places.hub_cache.as_deref().ok_or(DataError::NoCache {
            what: "the hub cache",
            variables: "HF_HUB_CACHE, HF_HOME",
        })?;
        let records = places.cache.as_deref().ok_or(DataError::NoCache {
            what: "the cache of ganbench",
            variables: "GANBENCH_CACHE, XDG_CACHE_HOME",
        })?;
        let records =
            records.join("hub-sha256").join(repository.folder_name()).join(&entry.revision);
        let snapshot = repository.snapshot(cache);
        Ok(Self { places, repository, cache, snapshot, records })
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{}", self.places.endpoint, self.repository.path(name))
    }

    fn cached<'b>(&self, path: &'b Path, name: &str, file: &'b HubFile) -> CachedFile<'b> {
        let record = self.records.join(format!("{name}.sha256"));
        CachedFile { path, pinned: file.sha256.as_deref(), record }
    }

    /// Path in the cache and the hash of what came. The hub's promises are held against it, or
    /// `sha256` where that is given.
    fn download(
        &self,
        name: &str,
        sha256: Option<&str>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, HubError> {
        let hub = hub(self.places, self.cache)?;
        let wanted = Wanted { repository: &self.repository, file: name, sha256 };
        hub.fetch(wanted, &mut |done, total| {
            progress(Progress { stage: Stage::Downloading, done, total });
        })
    }
}

/// Without a token: the datasets of the table are public, and the endpoint may be anyone's.
///
/// # Errors
/// If nothing may be downloaded, or a variable is not as it should be.
pub(crate) fn hub(places: &Places, cache: &Path) -> Result<Hub, HubError> {
    if places.offline {
        return Err(HubError::Offline);
    }
    let limits = places.hub_limits.map_or_else(Limits::from_env, Ok)?;
    Hub::new(&places.endpoint, cache, limits)
}

#[cfg(test)]
mod tests;
