//! The shards of a set whose entry names none: those that the hub lists, noted at first use.
//!
//! The note holds the commit and the files of that day, so that a later run reads the same ones,
//! whatever was added to the repository; the hash of each is recorded as of any file without a
//! pinned one (`hub_hash.rs`).

use std::path::Path;

use ganbench_hub::{RepoType, Repository};
use serde::{Deserialize, Serialize};

use super::hash::write_note;
use super::hub;
use super::places::Places;
use crate::Split;
use crate::catalogue::HubEntry;

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
pub(crate) fn listed(places: &Places, entry: &HubEntry, split: Split) -> Result<HubEntry, String> {
    let repository = Repository::new(&entry.repository, RepoType::Dataset, BRANCH);
    let cache =
        places.cache.as_ref().ok_or("there is no cache to note them in (GANBENCH_CACHE)")?;
    let note = cache.join("hub-listings").join(format!("{}.json", repository.folder_name()));
    let listing = match std::fs::read(&note) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|_| format!("the note {} is damaged; delete it", note.display()))?,
        Err(_) => ask(places, &repository, &note)?,
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

fn ask(places: &Places, repository: &Repository, note: &Path) -> Result<Listing, String> {
    let cache =
        places.hub_cache.as_deref().ok_or("there is no hub cache (HF_HUB_CACHE, HF_HOME)")?;
    let listed = hub(places, cache).and_then(|hub| hub.listing(repository));
    let ganbench_hub::Listing { commit, files } = listed.map_err(|error| error.to_string())?;
    let listing = Listing { revision: commit, files };
    let text = serde_json::to_vec(&listing).map_err(|error| error.to_string())?;
    write_note(note, &text).map_err(|error| format!("cannot write {}: {error}", note.display()))?;
    Ok(listing)
}
