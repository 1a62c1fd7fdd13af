use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::pictures::Pictures;
use crate::program::{command, ganbench, ok, strs, text, tiny};
use crate::runs::run_of;

/// Sets a terminal's title, clears it, writes from right to left, ends a cell and a row, is markup.
const NAME: &str = "=\u{1b}]0;t\u{7}\u{1b}[31m\u{9b}2J\u{202e}|&<b>$_\"'\n\r";

fn has_hidden(text: &str) -> bool {
    text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r'])
}

/// What a command says, on both streams.
fn said(args: &[&str]) -> String {
    let output = ganbench(args);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    assert!(!has_hidden(&said), "{args:?}: {said:?}");
    said
}

#[test]
fn names_of_files_and_of_what_is_in_them_come_to_the_terminal_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&dir.path().join(name));
    let images = |path: &str| {
        let out = at("o.npz");
        let more = ["--extractor", "pixels", "--no-cache", "--out", &out, "--images", path];
        said(&[&["features"][..], &more].concat())
    };
    // A file of no image, in a folder of such a name, and alone.
    let folder = dir.path().join(NAME);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(format!("{NAME}.png")), "no image").unwrap();
    for path in [text(&folder), text(&folder.join(format!("{NAME}.png"))), at(NAME) + "none"] {
        assert!(images(&path).contains("\\u{1b}[31m\\u{9b}2J\\u{202e}"));
    }
    // A member of an archive, a tensor, a column, a key of a recipe.
    Pictures::noise(1, 4, 8, 0).npz(&dir.path().join("a.npz"));
    let bytes = fs::read(at("a.npz")).unwrap();
    let renamed = replaced(&bytes, b"arr_0", b"a\x1b[3m");
    assert_ne!(renamed, bytes);
    fs::write(at("b.npz"), renamed).unwrap();
    images(&at("b.npz"));
    let header = r#"{"\u001b[31m":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#;
    let tensors = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
    fs::write(at("t.safetensors"), tensors).unwrap();
    images(&at("t.safetensors"));
    fs::write(at("c.csv"), format!("\"{}\",value\na,1\n", NAME.replace('"', "\"\""))).unwrap();
    said(&["drift", "--baseline", &at("c.csv"), "--candidate", &at("c.csv")]);
    fs::write(at("v.csv"), format!("name,value\n\"{}\",1\n", NAME.replace('"', "\"\""))).unwrap();
    fs::write(at("w.csv"), format!("name,value\n\"{}\",2\n", NAME.replace('"', "\"\""))).unwrap();
    let page = at("drift.md");
    let moved = said(&[
        "drift",
        "--baseline",
        &at("v.csv"),
        "--candidate",
        &at("w.csv"),
        "--markdown",
        &page,
    ]);
    assert!(moved.contains("\\u{1b}[31m"), "{moved}");
    assert!(!has_hidden(&fs::read_to_string(&page).unwrap()));
    fs::write(at("r.toml"), "\"\\u001b[31m\" = 1\nmethod = \"gan\"\n").unwrap();
    assert!(said(&["train", &at("r.toml"), "--out", &at("run")]).contains("\\u{1b}[31m"));
    // Of the command line.
    said(&["features", "--\u{1b}[31m"]);
    said(&["\u{1b}[31m"]);
    said(&["list", "\u{1b}[31m"]);
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if &bytes[at..at + from.len()] == from {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    out
}

#[test]
fn a_title_of_a_plan_comes_into_every_file_of_a_report_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut args = tiny("gan", "0", &out);
    let title = toml_string(NAME);
    args.extend(["--set".into(), format!("row={{ name = \"mine\", title = {title} }}")]);
    ok(&strs(&args));
    assert!(text(&run_of(&out)).contains("mine-s0-"));
    let mut files = 0;
    for folder in [out.clone(), out.join("plots")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ends = ["md", "tex", "csv", "svg"];
            if !path.extension().is_some_and(|e| ends.contains(&e.to_str().unwrap())) {
                continue;
            }
            files += 1;
            let content = fs::read_to_string(&path).unwrap();
            assert!(!has_hidden(&content), "{}", path.display());
            if path.extension().unwrap() == "csv" {
                assert!(!content.contains("\n=") && !content.contains(",="), "{content}");
            }
            if path.extension().unwrap() == "svg" {
                assert!(!content.contains("<b>"), "{}", path.display());
            }
        }
    }
    assert!(files >= 7, "{files}");
    let table = fs::read_to_string(out.join("table.md")).unwrap();
    assert!(table.contains("=\\\\u{1b}\\]0;t"), "{table}");
    let table = fs::read_to_string(out.join("table.tex")).unwrap();
    assert!(table.contains("=\\textbackslash{}u\\{1b\\}]0;t"), "{table}");
    let table = fs::read_to_string(out.join("table.csv")).unwrap();
    assert!(table.contains("'=\\u{1b}]0;t"), "{table}");
    // On the terminal, and again from the results as CSV.
    let shown = said(&["report", "--runs", &text(&out), "--out", &text(&dir.path().join("r"))]);
    assert!(shown.contains("\\u{1b}]0;t"), "{shown}");
    fs::remove_file(out.join("results.parquet")).unwrap();
    said(&[
        "report",
        "--runs",
        &text(&out.join("results.csv")),
        "--out",
        &text(&dir.path().join("s")),
    ]);
}

fn toml_string(text: &str) -> String {
    let code = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(code).collect::<String>())
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error_of_every_command_that_prints() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&dir.path().join(name));
    let out = dir.path().join("out");
    ok(&strs(&tiny("gan", "0", &out)));
    let run = text(&run_of(&out));
    Pictures::noise(1, 40, 32, 0).npz(Path::new(&at("a.npz")));
    Pictures::noise(2, 40, 32, 0).npz(Path::new(&at("b.npz")));
    fs::write(at("v.csv"), "name,value\na,1\n").unwrap();
    let (a, b, v, f) = (at("a.npz"), at("b.npz"), at("v.csv"), at("f.npz"));
    let (results, page) = (text(&out.join("results.csv")), at("page"));
    let eval = ["--real", &a, "--fake", &b, "--extractor", "pixels", "--no-cache"];
    let commands: Vec<Vec<&str>> = vec![
        vec!["--help"],
        vec!["--version"],
        vec!["eval", "--help"],
        vec!["completions", "bash"],
        vec!["list", "methods"],
        vec!["list", "metrics", "--json"],
        [&["eval"], &eval[..]].concat(),
        [&["eval"], &eval[..], &["--json"]].concat(),
        vec!["features", "--images", &a, "--extractor", "pixels", "--no-cache", "--out", &f],
        vec!["drift", "--baseline", &v, "--candidate", &v],
        vec!["drift", "--baseline", &v, "--candidate", &v, "--json"],
        vec!["compare", &results, &results],
        vec!["report", "--runs", &results, "--out", &page],
        vec!["sample", "--run", &run, "--n", "2", "--out", &page],
        vec!["verify", &run, "--quiet"],
        vec![
            "reproduce",
            "table1",
            "--methods",
            "gan",
            "--budget",
            "smoke",
            "--dry-run",
            "--quiet",
        ],
    ];
    for args in commands {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(&args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.contains("error: the output could not be written to stdout: No space left"),
            "{args:?}: {said}"
        );
    }
}

#[test]
#[cfg(unix)]
fn a_path_that_is_no_utf8_is_used_or_refused_with_a_sentence() {
    use std::os::unix::ffi::OsStrExt as _;

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let mut args = tiny("gan", "0", &dir.path().join("x"));
    args.pop();
    let output = command(&strs(&args)).arg(&out).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let provenance = fs::read_to_string(run_of(&out).join("provenance.toml")).unwrap();
    assert!(provenance.contains("caf\u{fffd}"), "{provenance}");
}
