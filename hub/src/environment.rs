//! What the environment says of the hub: the variables of Python's `huggingface_hub`.

use std::env;
use std::path::PathBuf;

/// `$HF_ENDPOINT` or `https://huggingface.co`.
pub fn endpoint() -> String {
    env::var("HF_ENDPOINT")
        .ok()
        .filter(|endpoint| !endpoint.is_empty())
        .unwrap_or_else(|| "https://huggingface.co".into())
}

/// `$HF_HUB_CACHE`, `$HF_HOME/hub`, or `~/.cache/huggingface/hub`; none without a home.
pub fn cache() -> Option<PathBuf> {
    folder("HF_HUB_CACHE").or_else(|| Some(home()?.join("hub")))
}

/// The token that `huggingface-cli login` left in `$HF_HOME`.
pub fn token() -> Option<String> {
    hf_hub::Cache::new(home()?.join("hub")).token()
}

/// `$HF_HOME` or `~/.cache/huggingface`.
fn home() -> Option<PathBuf> {
    let home = || env::home_dir().filter(|home| !home.as_os_str().is_empty());
    folder("HF_HOME").or_else(|| Some(home()?.join(".cache/huggingface")))
}

fn folder(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `$HF_HUB_OFFLINE` is set to something other than 0: nothing is downloaded.
pub fn is_offline() -> bool {
    env::var("HF_HUB_OFFLINE").is_ok_and(|value| !value.is_empty() && value != "0")
}
