//! The hub cache, and downloads into it.
//!
//! A download goes to a `.part` file beside the cached content and is renamed when whole. One that was
//! cut off is taken up where it stopped, by the next attempt or the next run.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::catalogue::{HubEntry, HubFile};
use super::hub_hash::{self, CachedFile};
use super::hub_listing;
use super::places::Places;
use super::{DataError, Progress, Split, Stage};

/// Attempts at one file; each goes on where the one before was cut off.
const ATTEMPTS: u64 = 3;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// The shards of a split, from the cache or downloaded into it, each with its hash checked.
/// `searched`: the places that were looked at before, for the error.
pub(super) fn find(
    places: &Places,
    entry: &HubEntry,
    split: Split,
    searched: Vec<String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<PathBuf>, DataError> {
    let listed;
    let entry = if entry.files(split).is_empty() {
        listed = hub_listing::listed(places, entry, split).map_err(|reason| {
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
    let hub = Hub::new(places, entry)?;
    let mut files = Vec::new();
    for file in entry.files(split) {
        let name = format!("{}/{}", entry.folder, file.name);
        let cached = hub.snapshot.join(&name);
        let fresh = !cached.is_file();
        let path = if fresh {
            hub.download(&name, progress).map_err(|reason| {
                let mut searched = searched.clone();
                searched.push(cached.display().to_string());
                DataError::NotFound {
                    name: entry.name.clone(),
                    split: split.as_str(),
                    searched: searched.join(", "),
                    url: hub.url(&name),
                    reason,
                }
            })?
        } else {
            cached
        };
        hub.verify(&path, &name, file, fresh)?;
        files.push(path);
    }
    Ok(files)
}

struct Hub<'a> {
    places: &'a Places,
    repo: Repo,
    cache: &'a Path,
    /// Folder of the pinned revision in the cache.
    snapshot: PathBuf,
    /// Folder of the hashes of first use.
    records: PathBuf,
}

impl<'a> Hub<'a> {
    fn new(places: &'a Places, entry: &HubEntry) -> Result<Self, DataError> {
        let repo = Repo::with_revision(
            entry.repository.clone(),
            RepoType::Dataset,
            entry.revision.clone(),
        );
        let cache = places.hub_cache.as_deref().ok_or(DataError::NoCache {
            what: "the hub cache",
            variables: "HF_HUB_CACHE, HF_HOME",
        })?;
        let records = places.cache.as_deref().ok_or(DataError::NoCache {
            what: "the cache of ganbench",
            variables: "GANBENCH_CACHE, XDG_CACHE_HOME",
        })?;
        let records = records.join("hub-sha256").join(repo.folder_name()).join(&entry.revision);
        let snapshot = cached_repo(cache, &repo).pointer_path(&entry.revision);
        Ok(Self { places, repo, cache, snapshot, records })
    }

    fn url(&self, name: &str) -> String {
        let (endpoint, revision) = (&self.places.endpoint, self.repo.revision());
        format!("{endpoint}/{}/resolve/{revision}/{name}", self.repo.url())
    }

    fn verify(
        &self,
        path: &Path,
        name: &str,
        file: &HubFile,
        fresh: bool,
    ) -> Result<(), DataError> {
        let record = self.records.join(format!("{name}.sha256"));
        CachedFile { path, pinned: file.sha256.as_deref(), record, fresh }.verify()
    }

    /// Path in the cache, or why there is none.
    fn download(&self, name: &str, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, String> {
        if self.places.offline {
            return Err("HF_HUB_OFFLINE is set".into());
        }
        let api = public_api(self.places, self.cache).map_err(|error| error.to_string())?;
        let repo = api.repo(self.repo.clone());
        let mut attempt = 1;
        loop {
            match self.attempt(&api, &repo, name, progress) {
                // A connection that broke off; every other fault would only come again.
                Err(ApiError::IoError(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(ApiError::LockAcquisition(lock)) => {
                    return Err(format!(
                        "another process is downloading it (it holds {})",
                        lock.display()
                    ));
                }
                Err(error) => return Err(error.to_string()),
                Ok(path) => return Ok(path),
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn attempt(
        &self,
        api: &Api,
        repo: &ApiRepo,
        name: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, ApiError> {
        let metadata = api.metadata(&self.url(name))?;
        // The cache names files after what the server says of itself.
        if ![metadata.etag(), metadata.commit_hash()].into_iter().all(is_plain_name) {
            return Err(ApiError::InvalidHeader("etag or x-repo-commit"));
        }
        let report = Report { progress, done: 0, total: 0 };
        let path = match repo.download_with_progress(name, report) {
            Err(error) if is_past_the_end(&error) => {
                // The last run was killed between the last byte and the renaming.
                let blob = cached_repo(self.cache, &self.repo).blob_path(metadata.etag());
                std::fs::remove_file(blob.with_extension("part"))?;
                let report = Report { progress, done: 0, total: 0 };
                repo.download_with_progress(name, report)?
            }
            other => other?,
        };
        let (got, size) = (std::fs::metadata(&path)?.len(), metadata.size() as u64);
        if got != size {
            // Not every server says how much it sends, or sends the part that it was asked for.
            hub_hash::remove(&path);
            return Err(std::io::Error::other(format!("{got} of {size} bytes came")).into());
        }
        Ok(path)
    }
}

/// Without a token: the datasets of the table are public, and the endpoint may be anyone's.
pub(super) fn public_api(places: &Places, cache: &Path) -> Result<Api, ApiError> {
    ApiBuilder::from_cache(Cache::new(cache.to_owned()))
        .with_endpoint(places.endpoint.clone())
        .with_progress(false)
        .with_token(None)
        .build()
}

/// The hub has nothing after the end of the part that is already here.
fn is_past_the_end(error: &ApiError) -> bool {
    match error {
        ApiError::InvalidResume => true,
        ApiError::RequestError(error) => error.to_string().contains("416"),
        _ => false,
    }
}

/// Letters, digits and signs that lead to no other folder.
pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

fn cached_repo(cache: &Path, repo: &Repo) -> CacheRepo {
    Cache::new(cache.to_owned()).repo(repo.clone())
}

/// Passes the progress of one file on.
struct Report<'a> {
    progress: &'a mut dyn FnMut(Progress),
    done: u64,
    total: u64,
}

impl hf_hub::api::Progress for Report<'_> {
    fn init(&mut self, size: usize, _filename: &str) {
        (self.done, self.total) = (0, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        let (done, total) = (self.done, self.total);
        (self.progress)(Progress { stage: Stage::Downloading, done, total });
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
