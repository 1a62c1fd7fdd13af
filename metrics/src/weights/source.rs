//! Where weights are looked for: a path, `$GANBENCH_WEIGHTS`, the Hugging Face hub.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use sha2::{Digest as _, Sha256};

use super::made::made_weights;
use super::{TensorSpec, Weights, WeightsError, check_hash, hex};

/// A file of weights, or a folder that holds files of several networks: [`PublishedFile::folder_name`].
pub const VARIABLE: &str = "GANBENCH_WEIGHTS";

/// Set to something other than 0, nothing is downloaded.
const OFFLINE: &str = "HF_HUB_OFFLINE";

/// A published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Repository on the Hugging Face hub.
    pub repository: &'static str,
    /// Commit, so that what is behind the name cannot change.
    pub revision: &'static str,
    pub file: &'static str,
    /// What a folder of weights of several networks calls it.
    pub folder_name: &'static str,
    pub sha256: &'static str,
}

/// Where to take weights from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsSource {
    /// Pseudo-random weights from a formula, for tests: see [`super::made`].
    Made { seed: u64 },
    /// The first of these that is given.
    Published {
        /// What the user named.
        file: Option<PathBuf>,
        /// The value of `$GANBENCH_WEIGHTS`: a file, or a folder that holds the published file.
        variable: Option<PathBuf>,
        /// Whether the hub may be asked. Its cache is looked into in any case.
        download: bool,
    },
}

impl WeightsSource {
    /// `file` if given, else `$GANBENCH_WEIGHTS`, else the hub.
    pub fn find(file: Option<PathBuf>) -> Self {
        let variable = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self::Published { file, variable, download: true }
    }

    /// Whether weights come from the hub or its cache.
    pub fn is_hub(&self) -> bool {
        matches!(self, Self::Published { file: None, variable: None, .. })
    }

    /// The weights for `specs`. Hashes of given files are recorded, not judged: other weights in the
    /// same shape are legitimate. What comes from the hub must have the published hash.
    ///
    /// # Errors
    /// If no file is found, or the one found cannot be used: see [`Weights::read`].
    pub fn weights(
        &self,
        published: PublishedFile,
        specs: &[TensorSpec],
    ) -> Result<Weights, WeightsError> {
        match self {
            Self::Made { seed } => Ok(made_weights(specs, *seed)),
            Self::Published { file: Some(file), .. } => Weights::read(file, specs),
            Self::Published { variable: Some(path), .. } => {
                let inside = path.join(published.folder_name);
                if !path.is_dir() {
                    Weights::read(path, specs)
                } else if inside.is_file() {
                    Weights::read(&inside, specs)
                } else {
                    let (file, folder) = (published.folder_name.into(), path.clone());
                    Err(WeightsError::NotInFolder { file, folder })
                }
            }
            Self::Published { download, .. } => {
                let found = from_hub(published, *download, &mut |_, _| {})?;
                let read = Weights::read_expecting(&found.path, specs, Some(published.sha256));
                read.map_err(|error| found.refused(error))
            }
        }
    }
}

impl PublishedFile {
    /// Its path in the hub's cache, where it is downloaded to if it is not there. `progress` is called with
    /// (bytes done, bytes in all) while that goes on.
    ///
    /// # Errors
    /// If the download fails, or what came is not what was published.
    pub fn fetch(self, progress: &mut dyn FnMut(u64, u64)) -> Result<PathBuf, WeightsError> {
        let found = from_hub(self, true, progress)?;
        let path = found.path.clone();
        let io = |source| WeightsError::Io { path: path.clone(), source };
        let mut hash = Sha256::new();
        let mut file = ganbench_nn::files::open(&path).map_err(io)?;
        std::io::copy(&mut file, &mut HashWriter(&mut hash)).map_err(io)?;
        check_hash(&path, &hex(&hash.finalize()), self.sha256)
            .map_err(|error| found.refused(error))?;
        Ok(path)
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Report<'a> {
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl hf_hub::api::Progress for Report<'_> {
    fn init(&mut self, size: usize, _: &str) {
        (self.done, self.total) = (0, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        (self.progress)(self.done, self.total);
    }

    fn finish(&mut self) {}
}

/// A file of the hub's cache.
struct Cached {
    path: PathBuf,
    /// It was downloaded just now.
    fresh: bool,
}

impl Cached {
    /// A download that is not what was published is removed, or the next run would find it in the cache.
    fn refused(&self, mut error: WeightsError) -> WeightsError {
        if let WeightsError::Hash { advice, .. } = &mut error
            && self.fresh
        {
            remove(&self.path);
            *advice = "the download was removed; try again";
        }
        error
    }
}

/// Removes a file of the cache and the content it links to. What stays is refused again by its hash.
fn remove(path: &Path) {
    if let Ok(content) = std::fs::canonicalize(path) {
        let _ = std::fs::remove_file(content);
    }
    let _ = std::fs::remove_file(path);
}

/// Letters, digits and signs that lead to no other folder.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

/// The hub has nothing after the end of the part that is already here.
fn is_past_the_end(error: &ApiError) -> bool {
    match error {
        ApiError::InvalidResume => true,
        ApiError::RequestError(error) => error.to_string().contains("416"),
        _ => false,
    }
}

fn from_hub(
    published: PublishedFile,
    download: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Cached, WeightsError> {
    let repo = Repo::with_revision(
        published.repository.into(),
        RepoType::Model,
        published.revision.into(),
    );
    let failed = |reason: String| WeightsError::Download {
        file: published.file.into(),
        repository: published.repository.into(),
        reason,
    };
    // hf-hub panics where it has no folder for its cache.
    if std::env::var_os("HF_HOME").is_none() && std::env::home_dir().is_none() {
        return Err(failed("there is no home folder for the cache; set HF_HOME".into()));
    }
    let kept = |path| Ok(Cached { path, fresh: false });
    if let Some(path) = Cache::from_env().repo(repo.clone()).get(published.file) {
        return kept(path);
    }
    // The cache finds a revision by a reference file; a download by commit also lies here without one.
    let snapshot = Cache::from_env().repo(repo.clone()).pointer_path(published.revision);
    let snapshot = snapshot.join(published.file);
    if snapshot.is_file() {
        return kept(snapshot);
    }
    if !download {
        return Err(failed("downloads are switched off".into()));
    }
    // hf-hub does not look at it.
    if std::env::var(OFFLINE).is_ok_and(|value| !value.is_empty() && value != "0") {
        return Err(failed(format!("{OFFLINE} is set")));
    }
    let api = ApiBuilder::from_env().with_progress(false).build();
    let api = api.map_err(|e| failed(e.to_string()))?;
    fetched(&api, &repo, published.file, progress)
        .map(|path| Cached { path, fresh: true })
        .map_err(|e| failed(e.to_string()))
}

fn fetched(
    api: &Api,
    repo: &Repo,
    file: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, ApiError> {
    let remote = api.repo(repo.clone());
    let metadata = api.metadata(&remote.url(file))?;
    // The cache names files after what the server says of itself.
    if ![metadata.etag(), metadata.commit_hash()].into_iter().all(is_plain_name) {
        return Err(ApiError::InvalidHeader("etag or x-repo-commit"));
    }
    let path = match remote
        .download_with_progress(file, Report { done: 0, total: 0, progress: &mut *progress })
    {
        Err(error) if is_past_the_end(&error) => {
            // The last run was killed between the last byte and the renaming.
            let blob = Cache::from_env().repo(repo.clone()).blob_path(metadata.etag());
            std::fs::remove_file(blob.with_extension("part"))?;
            remote.download_with_progress(file, Report { done: 0, total: 0, progress })?
        }
        other => other?,
    };
    let (got, size) = (std::fs::metadata(&path)?.len(), metadata.size() as u64);
    if got != size {
        // Not every server says how much it sends, or sends the part that it was asked for.
        remove(&path);
        return Err(std::io::Error::other(format!("{got} of {size} bytes came")).into());
    }
    Ok(path)
}
