//! What a folder data set is called in tables, captions, rows and file names.

use std::path::Path;

use super::datasets;

/// For a folder whose own name says nothing, such as `/`.
const NAMELESS: &str = "folder";
const LONGEST: usize = 64;

/// The name of the data set `folder:PATH`: that of the folder, made fit for paths by
/// [`plain_name`]. Where a data set of the table has that name, `folder-` comes before it, so that
/// the published numbers of one are never held against the other.
pub fn folder_name(path: &Path) -> String {
    let own = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    // `.` and `..` have no name of their own.
    let name = own(path).or_else(|| own(&path.canonicalize().ok()?)).unwrap_or_default();
    let name = plain_name(&name);
    match name.is_empty() {
        true => NAMELESS.into(),
        false if is_known(&name) => format!("{NAMELESS}-{name}"),
        false => name,
    }
}

/// Whether a data set of the table is called so.
pub fn is_known(name: &str) -> bool {
    datasets().iter().any(|info| info.name == name)
}

/// `name` with `-` for every run of characters other than letters, digits, `-`, `_` and `.`,
/// without `-` and `.` at its ends, and of at most 64 characters. May come out empty.
pub fn plain_name(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            plain.push(c);
        } else if !plain.ends_with('-') {
            plain.push('-');
        }
    }
    let at_ends = ['-', '.'];
    let short: String = plain.trim_matches(at_ends).chars().take(LONGEST).collect();
    short.trim_end_matches(at_ends).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_set_is_called_as_its_folder() {
        let name = |path: &str| folder_name(Path::new(path));
        assert_eq!(name("/data/my-flowers"), "my-flowers");
        assert_eq!(name("/data/my-flowers/"), "my-flowers");
        assert_eq!(name("my_flowers.v2/."), "my_flowers.v2");
        assert_eq!(name("/data/My flowers (2024)"), "My-flowers-2024");
        assert_eq!(name("/"), "folder");
        assert_eq!(name("/data/???"), "folder");
        let here = std::env::current_dir().unwrap();
        assert_eq!(name("."), folder_name(&here));
        assert_eq!(name(".."), folder_name(here.parent().unwrap()));
    }

    #[test]
    fn a_folder_is_never_called_as_a_data_set_of_the_table() {
        for info in datasets() {
            let name = folder_name(&Path::new("/data").join(&info.name));
            assert_eq!(name, format!("folder-{}", info.name));
            assert!(!is_known(&name));
        }
    }

    #[test]
    fn a_plain_name_is_one_part_of_a_path_and_stays_itself() {
        for name in ["../../x", "a/b\\c", "a:b", "--out", ".hidden", "a\nb", "ä ö", "x. "] {
            let plain = plain_name(name);
            assert_eq!(Path::new(&plain).components().count(), 1, "{name:?} {plain:?}");
            assert!(!plain.starts_with(['-', '.']) && plain != "..", "{name:?} {plain:?}");
            assert_eq!(plain_name(&plain), plain);
        }
        assert_eq!(plain_name("../../x"), "x");
        assert_eq!(plain_name(&"a".repeat(100)).len(), 64);
    }
}
