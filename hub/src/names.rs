//! Which of the names that a hub gives may become paths of the cache.

use ureq::http::HeaderMap;

use crate::error::HubError;

/// Longer names do not fit into every file system, with the endings that the cache adds.
const LONGEST: usize = 200;

/// Letters, digits and signs that lead to no other folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST && !name.starts_with('.') && name.bytes().all(plain)
}

/// A file's path inside of a repository.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.split('/').all(is_plain_name)
}

/// 40 hexadecimal digits: what no branch can move.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Content of large files is named after its hash.
pub(crate) fn is_sha256(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What an answer of the hub calls a file's content and the commit that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub etag: String,
    pub commit: String,
    /// Of a file that lies elsewhere.
    pub bytes: Option<u64>,
}

impl Names {
    /// None where the answer does not name both, as those of the servers to which a hub leads.
    ///
    /// # Errors
    /// If a name leads out of the cache.
    pub fn from_headers(host: &str, headers: &HeaderMap) -> Result<Option<Self>, HubError> {
        let Some(commit) = text(host, headers, "x-repo-commit")? else { return Ok(None) };
        let linked = text(host, headers, "x-linked-etag")?;
        let etag = linked.map_or_else(|| text(host, headers, "etag"), |tag| Ok(Some(tag)))?;
        let Some(etag) = etag else { return Ok(None) };
        let etag = etag.strip_prefix("W/").unwrap_or(&etag).replace('"', "");
        for (header, name) in [("ETag", &etag), ("X-Repo-Commit", &commit)] {
            // The endings belong to the files that stand beside the content.
            if !is_plain_name(name) || name.ends_with(".part") || name.ends_with(".lock") {
                let expected = "a name of letters, digits, '-', '_' and '.'";
                return Err(HubError::header(host, header, name, expected));
            }
        }
        let bytes = match text(host, headers, "x-linked-size")? {
            None => None,
            Some(size) => Some(size.parse().map_err(|_| {
                HubError::header(host, "X-Linked-Size", &size, "a number of bytes")
            })?),
        };
        Ok(Some(Self { etag, commit, bytes }))
    }

    /// Whether a later answer is about the same content of the same commit.
    ///
    /// # Errors
    /// If it is not.
    pub fn check_same(&self, later: &Self) -> Result<(), HubError> {
        for (what, first, second) in
            [("commit", &self.commit, &later.commit), ("content", &self.etag, &later.etag)]
        {
            if first != second {
                let (first, second) = (first.clone(), second.clone());
                return Err(HubError::Changed { what, first, second });
            }
        }
        Ok(())
    }
}

/// A header's value, where there is one.
///
/// # Errors
/// If it is not text.
pub(crate) fn text(
    host: &str,
    headers: &HeaderMap,
    name: &'static str,
) -> Result<Option<String>, HubError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(_) => {
            let value = String::from_utf8_lossy(value.as_bytes());
            Err(HubError::header(host, name, &value, "printable text"))
        }
    }
}
