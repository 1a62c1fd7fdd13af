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
    let folder = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || env::home_dir().filter(|home| !home.as_os_str().is_empty());
    folder("HF_HUB_CACHE")
        .or_else(|| folder("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| home().map(|home| home.join(".cache/huggingface/hub")))
}

/// `$HF_HUB_OFFLINE` is set to something other than 0: nothing is downloaded.
pub fn is_offline() -> bool {
    env::var("HF_HUB_OFFLINE").is_ok_and(|value| !value.is_empty() && value != "0")
}
