//! Where the cache has what: `blobs/<etag>` is content, `snapshots/<commit>/<file>` a link to it,
//! and `refs/<revision>` a commit.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ganbench_files::shared::Unfinished;
use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use crate::error::HubError;
use crate::names::{Names, is_plain_name, is_plain_path};

/// A repository of the hub at a revision.
#[derive(Clone, Debug)]
pub struct Repository {
    /// As in `user/name`.
    pub id: String,
    /// Whether it holds a model, a dataset or a space; its address on the hub depends on that.
    pub kind: RepoType,
    /// A commit, or a branch.
    pub revision: String,
}

impl Repository {
    /// The parts are not checked here; an impossible one fails where the repository is used.
    pub fn new(id: impl Into<String>, kind: RepoType, revision: impl Into<String>) -> Self {
        Self { id: id.into(), kind, revision: revision.into() }
    }

    fn repo(&self) -> Repo {
        Repo::with_revision(self.id.clone(), self.kind, self.revision.clone())
    }

    fn cached(&self, cache: &Path) -> CacheRepo {
        Cache::new(cache.to_owned()).repo(self.repo())
    }

    /// What its folder in the cache is called.
    pub fn folder_name(&self) -> String {
        self.repo().folder_name()
    }

    /// The folder of its files in the cache, where the revision is a commit.
    pub fn snapshot(&self, cache: &Path) -> PathBuf {
        self.cached(cache).pointer_path(&self.revision)
    }

    /// Where a file of it is, below the endpoint.
    pub fn path(&self, file: &str) -> String {
        let kind = match self.kind {
            RepoType::Model => "",
            RepoType::Dataset => "datasets/",
            RepoType::Space => "spaces/",
        };
        format!("{kind}{}/resolve/{}/{file}", self.id, self.revision)
    }

    /// Where the list of its files is, below the endpoint.
    pub(crate) fn listing_path(&self) -> String {
        let kind = match self.kind {
            RepoType::Model => "models",
            RepoType::Dataset => "datasets",
            RepoType::Space => "spaces",
        };
        format!("api/{kind}/{}/revision/{}", self.id, self.revision)
    }

    /// # Errors
    /// If a name leads out of the cache.
    pub(crate) fn check(&self, file: &str) -> Result<(), HubError> {
        let wrong = |name: &str| Err(HubError::Name { name: name.to_owned() });
        if !is_plain_path(&self.id) {
            return wrong(&self.id);
        }
        if !is_plain_name(&self.revision) {
            return wrong(&self.revision);
        }
        if is_plain_path(file) { Ok(()) } else { wrong(file) }
    }
}

/// One file of a repository in the cache. Its names have been checked.
pub(crate) struct Place {
    folder: PathBuf,
    pub blob: PathBuf,
    /// Of the file in the commit's snapshot.
    pub pointer: PathBuf,
    names: Names,
    revision: String,
    depth: usize,
}

impl Place {
    pub fn new(cache: &Path, repository: &Repository, file: &str, names: &Names) -> Self {
        let folder = cache.join(repository.folder_name());
        let snapshot = repository.cached(cache).pointer_path(&names.commit);
        Self {
            blob: folder.join("blobs").join(&names.etag),
            pointer: snapshot.join(file),
            folder,
            names: names.clone(),
            revision: repository.revision.clone(),
            depth: file.split('/').count(),
        }
    }

    /// A file beside the content.
    pub fn beside(&self, ending: &str) -> PathBuf {
        self.blob.with_file_name(format!("{}.{ending}", self.names.etag))
    }

    /// # Errors
    /// If they cannot be made.
    pub fn make_folders(&self) -> Result<(), HubError> {
        for path in [&self.blob, &self.pointer] {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(HubError::io("make the folder", folder))?;
        }
        Ok(())
    }

    /// Makes the content known under the file's name and the revision.
    ///
    /// # Errors
    /// If the cache cannot be written to.
    pub fn publish(&self) -> Result<(), HubError> {
        self.point().map_err(HubError::io("make the link", &self.pointer))?;
        let reference = self.folder.join("refs").join(&self.revision);
        let written = Unfinished::beside(&reference).and_then(|mut file| {
            file.write_all(self.names.commit.as_bytes())?;
            file.persist(&reference)
        });
        written.map_err(HubError::io("write", &reference))
    }

    fn point(&self) -> io::Result<()> {
        let whole = |path: &Path| fs::canonicalize(path).ok();
        if whole(&self.pointer).is_some_and(|path| Some(path) == whole(&self.blob)) {
            return Ok(());
        }
        match fs::remove_file(&self.pointer) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Relative, so that the cache may be moved: out of the file's folders, the commit and
        // `snapshots`.
        #[cfg(unix)]
        {
            let up = "../".repeat(self.depth + 1);
            std::os::unix::fs::symlink(format!("{up}blobs/{}", self.names.etag), &self.pointer)
        }
        #[cfg(not(unix))]
        fs::hard_link(&self.blob, &self.pointer)
            .or_else(|_| fs::copy(&self.blob, &self.pointer).map(drop))
    }
}
