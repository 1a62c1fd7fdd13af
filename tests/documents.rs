use std::fs;
use std::path::{Path, PathBuf};

/// The documents that a reader begins with, and all chapters of the guide.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "reports/kept/README.md",
    ];
    let mut documents: Vec<PathBuf> = top.iter().map(|name| root.join(name)).collect();
    for entry in fs::read_dir(root.join("docs/src")).unwrap() {
        documents.push(entry.unwrap().path());
    }
    documents
}

/// Targets of Markdown links and images.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("](").filter_map(|(at, _)| {
        let target = &text[at + 2..];
        target.find(')').map(|end| &target[..end])
    })
}

#[test]
fn every_relative_link_of_the_documents_leads_to_something() {
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap();
        for target in targets(&text).filter(|target| !target.contains("://")) {
            let path = target.split('#').next().unwrap();
            assert!(folder.join(path).exists(), "{}: {target}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} links");
}

#[test]
fn every_chapter_stands_in_the_summary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name}");
    }
}

#[test]
fn the_readme_is_short_enough_to_be_read() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.len() <= 9 * 1024, "{} bytes", readme.len());
    assert!(readme.lines().count() <= 150);
}

/// Lines of comments that are wider than a reader's window, in the Rust files below a folder.
fn wide_comments(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            wide_comments(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for (i, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
                if line.trim_start().starts_with("//") && line.chars().count() > 100 {
                    found.push(format!("{}:{}", path.display(), i + 1));
                }
            }
        }
    }
}

#[test]
fn no_comment_is_wider_than_100_columns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["files", "hub", "data", "nn", "baselines", "metrics", "reports", "src", "tests"]
    {
        wide_comments(&root.join(folder), &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
