//! The verdicts of all kept experiments: their own pages, and a block of any page that has its
//! marks.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ganbench_files::write_atomic;
use ganbench_reports::claim::{Verdict, holm};

use super::findings::Finding;
use super::{CommandParser, Findings, Folder, all, find, page};

const END: &str = "<!-- /kept -->";

/// What stands between the marks of a page.
#[derive(Clone, Copy)]
enum Block {
    /// A table an experiment, with pictures.
    Whole,
    /// All in one table, without.
    Summary,
}

impl Block {
    const ALL: [Self; 2] = [Self::Whole, Self::Summary];

    fn begin(self) -> &'static str {
        match self {
            Self::Whole => "<!-- kept: written by `make kept` -->",
            Self::Summary => "<!-- kept, summary: written by `make kept` -->",
        }
    }
}

/// A page with the place of its block.
struct Page {
    text: String,
    block: Block,
    /// Bytes of `text` between the marks.
    between: std::ops::Range<usize>,
}

impl Page {
    fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let begin = |block: Block| Some((block, text.find(block.begin())? + block.begin().len()));
        let found = Block::ALL.into_iter().find_map(begin).zip(text.find(END));
        let Some(((block, begin), end)) = found.filter(|((_, begin), end)| begin <= end) else {
            bail!(
                "{} lacks the marks {} and {END} that the verdicts go between, in this order",
                file.display(),
                Block::ALL.map(Block::begin).join(" or ")
            );
        };
        Ok(Self { text, block, between: begin..end })
    }
}

/// Whether `file` is a page with marks.
///
/// # Errors
/// As [`renew`], which writes.
pub fn check(file: &Path) -> Result<()> {
    Page::read(file).map(|_| ())
}

/// Renews the page of each experiment below `root`, and the block between the marks of each of
/// `files`.
///
/// # Errors
/// If a file cannot be read or written, or one of `files` lacks the marks.
pub fn renew(root: &Path, files: &[PathBuf], parser: CommandParser) -> Result<()> {
    let mut experiments = Vec::new();
    for (folder, experiment) in all(root, parser)? {
        let findings = find(&folder, &experiment)?;
        page::page(&folder, &experiment, &findings)?;
        experiments.push((folder, findings));
    }
    files.iter().try_for_each(|file| renew_block(root, &experiments, file))
}

/// The way from one folder to another, as links are written: `../../reports/kept`.
///
/// # Errors
/// If the current folder is unknown, on which relative paths depend.
fn relative(from: &Path, to: &Path) -> std::io::Result<PathBuf> {
    let (from, to) = (std::path::absolute(from.join("."))?, std::path::absolute(to)?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    Ok(up.chain(to.components().skip(shared)).collect())
}

fn renew_block(root: &Path, experiments: &[(Folder, Findings)], file: &Path) -> Result<()> {
    let Page { text, block, between } = Page::read(file)?;
    let from = file.parent().unwrap_or(Path::new(""));
    let place = relative(from, root)?;
    let mut new = text[..between.start].to_string();
    new.push('\n');
    if matches!(block, Block::Summary) {
        new.push_str(
            "\n| experiment | claim | verdict | measure | effect (95 %) | seeds |\n|:--|:--|:--|:--|:--|--:|\n",
        );
    }
    let mut open = 0;
    for (folder, findings) in experiments {
        open += findings.findings.iter().filter(|f| f.is_open()).count();
        let place = place.join(folder.path().file_name().unwrap_or_default());
        let place = place.display().to_string();
        new.push_str(&match block {
            Block::Whole => whole(folder, findings, &place),
            Block::Summary => page::summary(findings, &place),
        });
    }
    if matches!(block, Block::Summary) && open > 0 {
        let claims = if open == 1 { "claim is" } else { "claims are" };
        let _ = write!(new, "\n{open} more {claims} open: fewer than two seeds are trained.\n");
    }
    let all = experiments.iter().flat_map(|(_, findings)| &findings.findings);
    new.push_str(&together(&all.collect::<Vec<_>>()));
    new.push('\n');
    new.push_str(&text[between.end..]);
    Ok(write_atomic(file, new.as_bytes())?)
}

/// What is left of the registered claims' verdicts when all are taken together, and how many claims
/// do not count.
fn together(all: &[&Finding]) -> String {
    let judged: Vec<&Finding> =
        all.iter().copied().filter(|f| !f.is_open() && f.is_registered()).collect();
    let others = all.iter().filter(|f| !f.is_open() && !f.is_registered()).count();
    let p: Vec<f64> = judged.iter().map(|f| f.p.unwrap_or(1.0)).collect();
    let decided = judged.iter().filter(|f| f.verdict != Verdict::Undecided.name()).count();
    let exploratory = match others {
        0 => String::new(),
        n => format!(
            " {n} more were asked afterwards or hold by construction; these are exploratory and do not count."
        ),
    };
    if decided == 0 {
        return match (judged.len(), others) {
            (0, 0) => String::new(),
            (n, _) => format!(
                "\nOf {n} registered claims none is confirmed or contradicted.{exploratory}\n"
            ),
        };
    }
    let hold: Vec<String> = judged
        .iter()
        .zip(holm(&p))
        .filter(|(f, holds)| *holds && f.verdict != Verdict::Undecided.name())
        .map(|(f, _)| match &f.our_constants {
            Some(_) => format!("{} (constants of ours)", f.claim),
            None => f.claim.clone(),
        })
        .collect();
    format!(
        "\nEach interval is for itself alone. Of {} claims that were registered before their first run, {decided} are \
         confirmed or contradicted; all taken together (Holm's correction, 5 %), {}.{exploratory}\n",
        judged.len(),
        match hold.len() {
            0 => "none of these is".to_string(),
            n if n == decided => "all of these are".to_string(),
            _ => format!("these are: {}", hold.join("; ")),
        }
    )
}

fn whole(folder: &Folder, findings: &Findings, place: &str) -> String {
    let (done, planned) = findings
        .parts
        .iter()
        .fold((0, 0), |(done, planned), part| (done + part.runs_done, planned + part.runs_planned));
    format!(
        "\n**[{}]({place}/README.md)**: {} {done} of {planned} runs, {:.1} h.\n\n{}\n",
        findings.name,
        findings.question,
        findings.hours(),
        page::verdicts(folder, findings, &format!("{place}/"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(claim: &str, verdict: Verdict, p: f64) -> Finding {
        serde_json::from_value(serde_json::json!({
            "claim": claim, "source": "", "measure": "", "verdict": verdict.name(), "scale": "ratio", "p": p,
            "seeds": 3, "seeds_planned": 3, "counts": "registered", "seeds_without_value": [], "leans_to_claim": true, "picture": ""
        }))
        .unwrap()
    }

    #[test]
    fn a_link_leads_from_the_folder_of_its_page() {
        let link = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).unwrap();
        assert_eq!(link("", "reports/kept"), Path::new("reports/kept"));
        assert_eq!(link("reports/kept", "reports/kept"), Path::new(""));
        assert_eq!(link("docs/src", "reports/kept"), Path::new("../../reports/kept"));
        assert_eq!(link("/a/b", "/a/c"), Path::new("../c"));
    }

    #[test]
    fn what_is_left_of_all_verdicts_together_is_named() {
        let (confirmed, undecided) = (Verdict::Confirmed, Verdict::Undecided);
        let (a, b, c) = (
            finding("A", confirmed, 0.001),
            finding("B", confirmed, 0.04),
            finding("C", undecided, 0.3),
        );
        let text = together(&[&a, &b, &c]);
        assert!(
            text.contains("Of 3 claims that were registered before their first run, 2 are"),
            "{text}"
        );
        assert!(text.contains("5 %), these are: A."), "{text}");
        assert!(together(&[&b, &c]).contains("none of these is."));
        assert!(together(&[&a]).contains("all of these are."));
        assert!(together(&[&c]).contains("Of 1 registered claims none is"));
        assert_eq!(together(&[]), "");
        // A claim that was asked afterwards is in no family and never confirmed.
        let later = Finding { counts: "afterwards".into(), ..finding("D", confirmed, 1e-6) };
        let text = together(&[&a, &later]);
        assert!(text.contains("Of 1 claims that") && text.contains("all of these are"), "{text}");
        assert!(text.contains(" 1 more were asked afterwards") && !text.contains("; D"), "{text}");
    }

    #[test]
    fn only_what_stands_between_the_marks_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("README.md");
        for (block, inside) in [(Block::Whole, ""), (Block::Summary, "\n| experiment |")] {
            let begin = block.begin();
            std::fs::write(&file, format!("before\n{begin}\nold\n{END}\nafter\n")).unwrap();
            renew(&folder.path().join("kept"), std::slice::from_ref(&file), crate::cli::COMMANDS)
                .unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with(&format!("before\n{begin}\n{inside}")), "{text}");
            assert!(
                text.ends_with(&format!("\n{END}\nafter\n")) && !text.contains("old"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_page_without_marks_is_refused_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("README.md");
        for text in ["no marks".to_string(), format!("{END}{}", Block::Whole.begin())] {
            std::fs::write(&file, &text).unwrap();
            let error = renew(folder.path(), std::slice::from_ref(&file), crate::cli::COMMANDS)
                .unwrap_err()
                .to_string();
            assert!(error.contains("marks"), "{error}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }
}
