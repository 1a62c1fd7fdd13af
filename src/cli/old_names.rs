//! Commands under their names of former versions, which go on working for this version.

use std::ffi::{OsStr, OsString};

/// Former commands, and what they are called now.
const NAMES: [(&str, &[&str]); 5] = [
    ("kept", &["experiment"]),
    ("probe", &["drift", "probe"]),
    ("verify", &["run", "verify"]),
    ("remeasure", &["run", "remeasure"]),
    ("verify-extractor", &["extractor", "verify"]),
];

/// A command line in the words of this version. `words[0]` is the program.
pub fn current(words: Vec<OsString>) -> Vec<OsString> {
    // The one flag that may stand before a command.
    let has_value = words.get(1).is_some_and(|word| word == "--memory-limit");
    let has_flag = words.get(1).is_some_and(|word| is_flag(word));
    let at = 1 + usize::from(has_flag) + usize::from(has_value);
    let Some(name) = words.get(at).and_then(|word| word.to_str()) else { return words };
    let mut now: Vec<OsString> = words[..at].to_vec();
    let mut rest = words[at + 1..].to_vec();
    if let Some((_, names)) = NAMES.iter().find(|(former, _)| *former == name) {
        now.extend(names.iter().map(OsString::from));
    } else if name == "drift" && rest.first().is_some_and(|word| is_flag(word) && word != "--help")
    {
        // `drift --baseline …`, which took `--update` where it is `drift accept` now.
        let update = rest.iter().position(|word| word == "--update");
        let command = if update.is_some() { "accept" } else { "check" };
        update.map(|at| rest.remove(at));
        now.extend(["drift", command].map(OsString::from));
    } else {
        return words;
    }
    now.extend(rest);
    now
}

fn is_flag(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(words: &str) -> String {
        let words = current(words.split(' ').map(OsString::from).collect());
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    #[test]
    fn former_names_are_todays_commands() {
        for (former, today) in [
            ("g kept a.toml --pages-only", "g experiment a.toml --pages-only"),
            ("g probe --out a", "g drift probe --out a"),
            ("g drift --baseline a --candidate b", "g drift check --baseline a --candidate b"),
            (
                "g drift --baseline a --candidate b --update --reason c",
                "g drift accept --baseline a --candidate b --reason c",
            ),
            ("g --memory-limit 1GiB verify run", "g --memory-limit 1GiB run verify run"),
            ("g --memory-limit=1GiB verify run", "g --memory-limit=1GiB run verify run"),
            ("g verify-extractor inception", "g extractor verify inception"),
            ("g remeasure --runs a", "g run remeasure --runs a"),
        ] {
            assert_eq!(now(former), today);
        }
    }

    #[test]
    fn todays_commands_stay_as_they_are() {
        let commands =
            ["g", "g drift --help", "g drift check --baseline a", "g run verify a", "g eval a b"];
        for words in commands {
            assert_eq!(now(words), words);
        }
    }
}
