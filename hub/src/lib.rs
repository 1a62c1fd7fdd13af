//! Files of the Hugging Face hub, downloaded into the cache that Python's `huggingface_hub` shares.
//!
//! A hub may be anyone's, so nothing that it says is believed before it is checked: names become
//! paths only where they lead to no other folder, a body ends where its length was promised to end,
//! and every wait has an end. The layout of the cache is `hf-hub`'s; the requests are made here.
//!
//! # Example
//!
//! ```no_run
//! use ganbench_hub::{Hub, Limits, RepoType, Repository, Wanted, cache, endpoint};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = cache().ok_or("there is no home folder")?;
//! let hub = Hub::new(&endpoint(), &folder, Limits::default())?;
//! let repository = Repository::new("uoft-cs/cifar10", RepoType::Dataset, "main");
//! let wanted = Wanted { repository: &repository, file: "README.md", sha256: None };
//! let fetched = hub.fetch(wanted, &mut |done, total| eprintln!("{done} of {total} bytes"))?;
//! println!("{} {}", fetched.sha256, fetched.path.display());
//! # Ok(())
//! # }
//! ```

mod cached;
mod download;
mod environment;
mod error;
mod http;
mod limits;
mod listing;
mod names;
mod part;

#[cfg(test)]
mod tests;

pub use cached::Repository;
pub use download::{Fetched, Hub, Wanted};
pub use environment::{cache, endpoint, is_offline, token};
pub use error::HubError;
pub use hf_hub::RepoType;
pub use limits::{Limits, seconds};
pub use listing::Listing;
