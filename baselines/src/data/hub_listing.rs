//! The shards of a set whose entry names none: those that the hub lists, noted at first use.
//!
//! The note holds the commit and the files of that day, so that a later run reads the same ones, whatever was
//! added to the repository; the hash of each is recorded as of any file without a pinned one (`hub_hash.rs`).

use std::path::Path;

use hf_hub::{Repo, RepoType};
use serde::{Deserialize, Serialize};

use super::Split;
use super::catalogue::HubEntry;
use super::hub::{is_plain_name, public_api};
use super::hub_hash::write_note;
use super::places::Places;

/// The branch that is asked for; what counts is the commit that it stands for.
const BRANCH: &str = "main";

#[derive(Serialize, Deserialize)]
struct Listing {
    revision: String,
    files: Vec<String>,
}

/// The entry with a commit and the shards of both splits.
///
/// # Errors
/// Why there are none, as a clause.
pub(super) fn listed(places: &Places, entry: &HubEntry, split: Split) -> Result<HubEntry, String> {
    let repo = Repo::with_revision(entry.repository.clone(), RepoType::Dataset, BRANCH.into());
    let cache =
        places.cache.as_ref().ok_or("there is no cache to note them in (GANBENCH_CACHE)")?;
    let note = cache.join("hub-listings").join(format!("{}.json", repo.folder_name()));
    let listing = match std::fs::read(&note) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|_| format!("the note {} is damaged; delete it", note.display()))?,
        Err(_) => ask(places, &repo, &note)?,
    };
    let shards = |split: Split| -> Vec<String> {
        let start = format!("{}/{}-", entry.folder, entry.file_prefix(split));
        let of_split = |file: &&String| file.starts_with(&start) && file.ends_with(".parquet");
        let names = listing.files.iter().filter(of_split);
        names.map(|file| file[entry.folder.len() + 1..].to_owned()).collect()
    };
    if shards(split).is_empty() {
        return Err(format!(
            "commit {} has no file {}/{}-*.parquet",
            listing.revision,
            entry.folder,
            entry.file_prefix(split)
        ));
    }
    Ok(entry.with_shards(&listing.revision, shards(Split::Train), shards(Split::Test)))
}

fn ask(places: &Places, repo: &Repo, note: &Path) -> Result<Listing, String> {
    if places.offline {
        return Err("HF_HUB_OFFLINE is set".into());
    }
    let cache =
        places.hub_cache.as_deref().ok_or("there is no hub cache (HF_HUB_CACHE, HF_HOME)")?;
    let info = public_api(places, cache)
        .and_then(|api| api.repo(repo.clone()).info())
        .map_err(|error| error.to_string())?;
    if !is_plain_name(&info.sha) {
        return Err(format!("the hub calls the commit {:?}", info.sha));
    }
    let mut files: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
    // Names become paths of the cache.
    files.retain(|file| file.split('/').all(is_plain_name));
    files.sort_unstable();
    let listing = Listing { revision: info.sha, files };
    let text = serde_json::to_vec(&listing).map_err(|error| error.to_string())?;
    write_note(note, &text).map_err(|error| format!("cannot write {}: {error}", note.display()))?;
    Ok(listing)
}
