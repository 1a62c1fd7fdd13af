//! An experiment as its file asks for it: a question, the runs that are to answer it, and the
//! claims that are held against them. A new experiment is one TOML in `reports/experiments`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ganbench_reports::claim::{Scale, Side};
use serde::Deserialize;

use super::measure::Measure;
use crate::plan::request::TableRequest;

/// A question with the runs and claims that belong to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Ends the name of its folder.
    pub name: String,
    /// What the runs are to answer, in words.
    pub question: String,
    /// The tables of runs that it is made of.
    #[serde(rename = "part")]
    pub parts: Vec<Part>,
    /// What is judged by the runs.
    #[serde(rename = "claim")]
    pub claims: Vec<Claim>,
}

/// Runs that share one table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its folder.
    pub name: String,
    /// As pages print it.
    pub title: String,
    /// `reproduce TABLE ...` as on the command line, split at spaces, without `--out` and what only
    /// says where and how fast.
    pub command: String,
    /// `remeasure ...` of its finished runs, without `--runs` and what only says where and how
    /// fast.
    #[serde(default)]
    pub also: Vec<String>,
    /// What `command` asks for.
    #[serde(skip)]
    request: TableRequest,
}

/// What a paper says of some rows against others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub text: String,
    /// Paper and place.
    pub source: String,
    /// The parts that it is looked at in; their rows' effects are averaged.
    pub parts: Vec<String>,
    /// See [`Measure`].
    pub measure: Measure,
    /// Rows that are to lie below those of `than`, one by one; or else in `higher` those that are
    /// to lie above.
    #[serde(default)]
    pub lower: Vec<String>,
    #[serde(default)]
    pub higher: Vec<String>,
    pub than: Vec<String>,
    /// Of the experiment's folder.
    pub picture: String,
    /// Where the claim was written down before any of its runs was started. A claim without it was
    /// asked afterwards: it is exploratory, and never counted as confirmed.
    #[serde(default)]
    pub registered: Option<Registered>,
    /// Why the claim holds by construction, whatever training does. Such a claim does not count
    /// either.
    #[serde(default)]
    pub by_construction: Option<String>,
    /// Constants of ours where the paper has others; left out: the paper's own.
    #[serde(default)]
    pub our_constants: Option<String>,
    /// Numbers of seeds at which the verdict was, or will be, looked at, rising; left out: once.
    #[serde(default)]
    pub looks: Vec<u64>,
}

/// When and in which commit a claim was written down.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// With offset: `2026-11-22T18:45:58Z`.
    pub at: toml::value::Datetime,
    pub commit: String,
}

impl Registered {
    /// Seconds since 1970; `None` for a time without date or offset.
    pub fn unix_s(&self) -> Option<u64> {
        let text = self.at.to_string();
        let time = chrono::DateTime::parse_from_rfc3339(&text).ok()?;
        u64::try_from(time.timestamp()).ok()
    }
}

/// How the verdict on a claim counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Written down before its runs.
    Registered,
    /// Asked when runs were there: exploratory.
    Afterwards,
    /// True whatever training does.
    ByConstruction,
}

impl Counts {
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Afterwards => "afterwards",
            Self::ByConstruction => "by construction",
        }
    }
}

impl Claim {
    /// How it counts, if its first run was started at `first_run_unix_s`.
    pub fn counts(&self, first_run_unix_s: Option<u64>) -> Counts {
        let at = self.registered.as_ref().and_then(Registered::unix_s);
        match (&self.by_construction, at) {
            (Some(_), _) => Counts::ByConstruction,
            (None, Some(at)) if first_run_unix_s.is_none_or(|first| at <= first) => {
                Counts::Registered
            }
            _ => Counts::Afterwards,
        }
    }

    pub fn side(&self) -> Side {
        if self.lower.is_empty() { Side::Higher } else { Side::Lower }
    }

    /// The rows that it speaks of, each with the one that it is held against.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let claimed = self.lower.iter().chain(&self.higher);
        claimed.map(String::as_str).zip(self.than.iter().map(String::as_str))
    }

    pub fn scale(&self) -> Scale {
        self.measure.scale()
    }
}

/// Understands the command lines of an experiment's parts. The command line is the program's, so
/// the program hands this in.
#[derive(Clone, Copy)]
pub struct CommandParser {
    /// What `reproduce TABLE ...` asks for. Refuses what the command leaves to the experiment.
    pub reproduce: fn(&str) -> Result<TableRequest>,
    /// Whether this is `remeasure ...`.
    pub remeasure: fn(&str) -> Result<()>,
}

impl Part {
    /// What its command asks for.
    pub fn request(&self) -> &TableRequest {
        &self.request
    }

    /// The rows that its command trains; none of the toy, whose rows are losses.
    fn rows(&self) -> Result<Option<BTreeSet<String>>> {
        if self.request.is_toy() {
            return Ok(None);
        }
        let plans = self.request.plans().with_context(|| format!("part {}", self.name))?;
        Ok(Some(plans.iter().map(|plan| plan.row_name().to_string()).collect()))
    }

    fn parse(&mut self, parser: CommandParser) -> Result<()> {
        let place = |command: &str| format!("part {}: `{command}`", self.name);
        self.request = (parser.reproduce)(&self.command).with_context(|| place(&self.command))?;
        for command in &self.also {
            let words = format!("{command} --runs {}", self.name);
            (parser.remeasure)(&words).with_context(|| place(command))?;
        }
        Ok(())
    }
}

impl Experiment {
    /// # Errors
    /// If the file cannot be read, is no experiment, or names what is not there.
    pub fn read(path: &Path, parser: CommandParser) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let place = || format!("{} is no experiment", path.display());
        let mut experiment: Self = toml::from_str(&text)
            .map_err(|e| anyhow::anyhow!("{}", e.to_string().trim().replace('\n', " ")))
            .with_context(place)?;
        experiment.check_names().with_context(place)?;
        for part in &mut experiment.parts {
            part.parse(parser).with_context(place)?;
        }
        experiment.check_claims().with_context(place)?;
        Ok(experiment)
    }

    fn check_names(&self) -> Result<()> {
        let mut names = vec![("the experiment", self.name.as_str())];
        names.extend(self.parts.iter().map(|part| ("a part", part.name.as_str())));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for (what, name) in names {
            if name.is_empty() || !name.chars().all(plain) {
                bail!(
                    "{what} is called \"{name}\", expected lower-case letters, digits and hyphens"
                );
            }
        }
        for (i, part) in self.parts.iter().enumerate() {
            if self.parts[..i].iter().any(|other| other.name == part.name) {
                bail!("two parts are called {}", part.name);
            }
        }
        Ok(())
    }

    fn check_claims(&self) -> Result<()> {
        let mut texts = self.claims.iter().flat_map(|c| [&c.text, &c.source]);
        if let Some(text) = texts.find(|text| text.contains(['|', '\n'])) {
            bail!("\"{text}\" becomes a cell of a table; write it without | and in one line");
        }
        for claim in &self.claims {
            let place = || format!("the claim \"{}\"", claim.text);
            if claim.looks.windows(2).any(|w| w[0] >= w[1]) {
                bail!("{} has looks {:?}, expected rising numbers of seeds", place(), claim.looks);
            }
            if claim.registered.as_ref().is_some_and(|r| r.unix_s().is_none()) {
                bail!(
                    "{} is registered at a time without date or offset, expected one such as \
                     2026-11-22T18:45:58Z",
                    place()
                );
            }
            if claim.lower.is_empty() == claim.higher.is_empty() {
                bail!("{} needs one of lower and higher", place());
            }
            let claimed = claim.lower.len() + claim.higher.len();
            if claimed != claim.than.len() {
                bail!(
                    "{} has {claimed} rows and {} to hold them against",
                    place(),
                    claim.than.len()
                );
            }
            let unknown =
                claim.parts.iter().find(|name| !self.parts.iter().any(|p| p.name == **name));
            if let Some(name) = unknown {
                bail!("{} names the part {name}, which is not there", place());
            }
            if claim.parts.is_empty() {
                bail!("{} names no part", place());
            }
            for part in self.parts.iter().filter(|part| claim.parts.contains(&part.name)) {
                let Some(rows) = part.rows()? else { continue };
                let named = claim.pairs().flat_map(|(row, other)| [row, other]);
                if let Some(row) = named.into_iter().find(|row| !rows.contains(*row)) {
                    bail!(
                        "{} names the row {row}, which part {} does not train; it trains {}",
                        place(),
                        part.name,
                        rows.into_iter().collect::<Vec<_>>().join(", ")
                    );
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Experiment> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.toml");
        std::fs::write(&path, text).unwrap();
        Experiment::read(&path, crate::cli::COMMANDS)
    }

    const WHOLE: &str = r#"
        name = "a"
        question = "?"
        [[part]]
        name = "p"
        title = "P"
        command = "reproduce table1 --methods gan,kdd"
        [[claim]]
        text = "KDD is better"
        source = "us"
        parts = ["p"]
        measure = "fid"
        lower = ["kdd"]
        than = ["gan"]
        picture = "p/plots/scores.png"
    "#;

    #[test]
    fn every_experiment_that_comes_with_the_program_is_whole_and_its_rows_are_rows_of_its_commands()
    {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/experiments");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let experiment =
                Experiment::read(&path, crate::cli::COMMANDS).unwrap_or_else(|e| panic!("{e:#}"));
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), experiment.name);
            for claim in &experiment.claims {
                for part in experiment.parts.iter().filter(|part| claim.parts.contains(&part.name))
                {
                    if part.request().is_toy() {
                        continue;
                    }
                    let plans = part.request().plans().unwrap();
                    for row in claim.pairs().flat_map(|(a, b)| [a, b]) {
                        let runs = plans.iter().filter(|plan| plan.row_name() == row).count();
                        assert!(runs >= 3, "{}: {row} has {runs} runs", part.command);
                    }
                }
            }
            seen += 1;
        }
        assert!(seen >= 5, "{seen} experiments");
    }

    /// The kept runs of a part, where they lie.
    fn kept_runs(name: &str, part: &str) -> Vec<crate::run::folder::RunFolder> {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/kept");
        let ending = format!("-2core-{name}");
        let folders = std::fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path());
        let is_of = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(&ending);
        let parts = folders.filter(is_of).map(|path| path.join(part));
        let runs = parts.flat_map(|part| crate::results::find_runs(&part).unwrap());
        runs.map(|run| crate::run::folder::RunFolder::at(&run)).collect()
    }

    /// Runs that took machine hours: an experiment must go on knowing them as its own.
    #[test]
    fn every_kept_run_keeps_its_id_and_is_asked_for_by_its_experiment() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/experiments");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let experiment =
                Experiment::read(&entry.unwrap().path(), crate::cli::COMMANDS).unwrap();
            for part in &experiment.parts {
                if part.request().is_toy() {
                    continue;
                }
                let asked = part.request().plans().unwrap();
                for run in kept_runs(&experiment.name, &part.name) {
                    let plan = run.plan().unwrap();
                    let name = run.path().file_name().unwrap().to_string_lossy().into_owned();
                    assert!(name.ends_with(&plan.run_id()), "{name}: {}", plan.run_id());
                    let is_asked_for = asked.iter().any(|asked| plan.is_asked_for_by(asked));
                    assert!(is_asked_for, "{name} is no run of `{}`", part.command);
                    seen += 1;
                }
            }
        }
        assert!(seen >= 120, "{seen} kept runs");
    }

    #[test]
    fn a_claim_counts_as_registered_only_if_it_was_written_down_before_its_first_run() {
        let text = format!("{WHOLE}registered = {{ at = 2026-11-22T18:45:58Z, commit = \"a\" }}");
        let claim = &read(&text).unwrap().claims[0];
        let at = claim.registered.as_ref().unwrap().unix_s().unwrap();
        assert_eq!(at, 1_795_373_158);
        assert_eq!(claim.counts(Some(at)), Counts::Registered);
        assert_eq!(claim.counts(Some(at - 1)), Counts::Afterwards);
        assert_eq!(read(WHOLE).unwrap().claims[0].counts(None), Counts::Afterwards);
        let text = format!("{text}\nby_construction = \"of length 1\"");
        assert_eq!(read(&text).unwrap().claims[0].counts(None), Counts::ByConstruction);
    }

    #[test]
    fn wrong_files_are_told_where_they_are_wrong() {
        assert_eq!(read(WHOLE).unwrap().claims.len(), 1);
        for (from, to, what) in [
            ("name = \"a\"", "name = \"A b\"", "is called \"A b\""),
            ("table1 --methods", "table1 --method", "unexpected argument '--method'"),
            ("reproduce table1 --methods gan,kdd", "list tables", "expected the command reproduce"),
            ("gan,kdd\"", "gan --json\"", "--json are not for an experiment"),
            ("source = \"us\"", "source = \"us|them\"", "write it without |"),
            ("title = \"P\"", "title = \"P\"\nalso = [\"eval x\"]", "part p: `eval x`"),
            ("lower = [\"kdd\"]", "", "needs one of lower and higher"),
            ("than = [\"gan\"]", "than = []", "has 1 rows and 0"),
            ("parts = [\"p\"]", "parts = [\"q\"]", "names the part q"),
            (
                "parts = [\"p\"]",
                "parts = [\"p\"]\nlooks = [5, 3]",
                "expected rising numbers of seeds",
            ),
            (
                "parts = [\"p\"]",
                "parts = [\"p\"]\nregistered = { at = 2026-11-22, commit = \"a\" }",
                "a time without date or offset",
            ),
            (
                "lower = [\"kdd\"]",
                "lower = [\"supcon\"]",
                "names the row supcon, which part p does not train; it trains gan, kdd",
            ),
            (
                "measure = \"fid\"",
                "measure = \"g_grad_norm.odd\"",
                "unknown measure \"g_grad_norm.odd\"",
            ),
        ] {
            let text = WHOLE.replace(from, to);
            assert_ne!(text, WHOLE);
            let error = format!("{:#}", read(&text).unwrap_err());
            assert!(error.contains("is no experiment") && error.contains(what), "{error}");
        }
    }
}
