//! Where weights are looked for: a path, `$GANBENCH_WEIGHTS`, the Hugging Face hub.

use std::path::{Path, PathBuf};

use ganbench_hub::{Fetched, Hub, HubError, Limits, RepoType, Repository, Wanted};
use sha2::{Digest as _, Sha256};

use super::made::made_weights;
use super::{TensorSpec, Weights, WeightsError, check_hash, hex};

/// A file of weights, or a folder that holds files of several networks:
/// [`PublishedFile::folder_name`].
pub const VARIABLE: &str = "GANBENCH_WEIGHTS";

/// A published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Repository on the Hugging Face hub.
    pub repository: &'static str,
    /// Commit, so that what is behind the name cannot change.
    pub revision: &'static str,
    /// Path of the file inside the repository.
    pub file: &'static str,
    /// What a folder of weights of several networks calls it.
    pub folder_name: &'static str,
    /// SHA-256 that the file has to have, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// Where to take weights from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsSource {
    /// Pseudo-random weights from a formula, for tests: see [`super::made`].
    Made {
        /// Chooses the weights; it is part of their `sha256`.
        seed: u64,
    },
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

    /// Where the published file is at hand; none where it would have to be downloaded. Its content
    /// is not looked at.
    pub fn locate(&self, published: PublishedFile) -> Option<PathBuf> {
        let Self::Published { file, variable, .. } = self else { return None };
        let named = file.clone().or_else(|| {
            let path = variable.as_ref()?;
            Some(if path.is_dir() { path.join(published.folder_name) } else { path.clone() })
        });
        match named {
            Some(path) => path.is_file().then_some(path),
            None => from_hub(published, false, None, &mut |_, _| {}).ok().map(|cached| cached.path),
        }
    }

    /// Whether weights come from the hub or its cache.
    pub fn is_hub(&self) -> bool {
        matches!(self, Self::Published { file: None, variable: None, .. })
    }

    /// The weights for `specs`. Hashes of given files are recorded, not judged: other weights in
    /// the same shape are legitimate. What comes from the hub must have the published hash.
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
                let found = from_hub(published, *download, None, &mut |_, _| {})?;
                Weights::read_expecting(&found.path, specs, Some(published.sha256))
            }
        }
    }
}

impl PublishedFile {
    /// Its path in the hub's cache, where it is downloaded to if it is not there. `limits`: how
    /// long the hub may be silent, as the environment says where none are given. `progress` is
    /// called with (bytes done, bytes in all) while that goes on.
    ///
    /// # Errors
    /// If the download fails, or what came is not what was published.
    pub fn fetch(
        self,
        limits: Option<Limits>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PathBuf, WeightsError> {
        let Cached { path, sha256 } = from_hub(self, true, limits, progress)?;
        if sha256.is_none() {
            let io = |source| WeightsError::Io { path: path.clone(), source };
            let mut hash = Sha256::new();
            let mut file = ganbench_files::open(&path).map_err(io)?;
            std::io::copy(&mut file, &mut HashWriter(&mut hash)).map_err(io)?;
            check_hash(&path, &hex(&hash.finalize()), self.sha256)?;
        }
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

/// A file of the hub's cache.
struct Cached {
    path: PathBuf,
    /// Known of one that was downloaded just now: it was checked on the way.
    sha256: Option<String>,
}

fn from_hub(
    published: PublishedFile,
    download: bool,
    limits: Option<Limits>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Cached, WeightsError> {
    let failed = |reason: String| WeightsError::Download {
        file: published.file.into(),
        repository: published.repository.into(),
        reason,
    };
    let cache = ganbench_hub::cache().ok_or_else(|| failed(HubError::NoCache.to_string()))?;
    let repository = Repository::new(published.repository, RepoType::Model, published.revision);
    let path = repository.snapshot(&cache).join(published.file);
    if path.is_file() {
        return Ok(Cached { path, sha256: None });
    }
    if !download {
        return Err(failed("downloads are switched off".into()));
    }
    let wanted =
        Wanted { repository: &repository, file: published.file, sha256: Some(published.sha256) };
    match fetched(wanted, &cache, limits, progress) {
        Ok(Fetched { path, sha256 }) => Ok(Cached { path, sha256: Some(sha256) }),
        Err(HubError::Hash { got, expected }) => Err(WeightsError::Hash {
            path,
            got,
            expected,
            advice: "the download was removed; try again",
        }),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn fetched(
    wanted: Wanted<'_>,
    cache: &Path,
    limits: Option<Limits>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Fetched, HubError> {
    if ganbench_hub::is_offline() {
        return Err(HubError::Offline);
    }
    let limits = limits.map_or_else(Limits::from_env, Ok)?;
    // Published weights may be behind a licence that the user has agreed to.
    let token = ganbench_hub::token();
    Hub::new(&ganbench_hub::endpoint(), cache, limits)?.with_token(token).fetch(wanted, progress)
}
