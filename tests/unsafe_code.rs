use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that may hold `unsafe`, and why it stands there. Another one needs a line here, and a
/// reason.
const FILES: [(&str, &str); 31] = [
    ("data/src/datasets/prepared.rs", "maps a file"),
    ("metrics/tests/fuzz/allocator.rs", "an allocator that counts"),
    ("nn/src/kernels/activation.rs", "outputs that are not filled with zeros first"),
    ("nn/src/kernels/batch_norm.rs", "outputs that are not filled with zeros first"),
    ("nn/src/kernels/gemm.rs", "vectors by pointer"),
    ("nn/src/kernels/nhwc/conv.rs", "vectors by pointer"),
    ("nn/src/kernels/nhwc/window.rs", "vectors by pointer"),
    ("nn/src/kernels/packed.rs", "vectors by pointer"),
    ("nn/src/kernels/real.rs", "outputs that are not filled with zeros first"),
    ("nn/src/kernels/resample.rs", "outputs that are not filled with zeros first"),
    ("nn/src/kernels/scratch.rs", "memory that is kept between calls"),
    ("nn/src/kernels/simd/avx2.rs", "instructions that not every CPU has"),
    ("nn/src/kernels/simd/avx512.rs", "instructions that not every CPU has"),
    ("nn/src/kernels/simd/mod.rs", "instructions that not every CPU has"),
    ("nn/src/kernels/simd/portable.rs", "vectors by pointer"),
    ("nn/src/kernels/softmax.rs", "outputs that are not filled with zeros first"),
    ("nn/src/kernels/tile.rs", "vectors by pointer"),
    ("nn/src/kernels/winograd/filters.rs", "vectors by pointer"),
    ("nn/src/kernels/winograd/forward.rs", "vectors by pointer"),
    ("nn/src/kernels/winograd/input_grad.rs", "vectors by pointer"),
    ("nn/src/kernels/winograd/maps.rs", "vectors by pointer"),
    ("nn/src/kernels/winograd/mod.rs", "threads that write parts of one array"),
    ("nn/src/kernels/winograd/points.rs", "vectors by pointer"),
    ("nn/src/kernels/winograd/strips.rs", "vectors by pointer"),
    ("nn/src/kernels/winograd/weight_grad.rs", "vectors by pointer"),
    ("src/bench/process.rs", "calls of the system"),
    ("src/cli/kept.rs", "calls of the system"),
    ("src/cli/process.rs", "the allocator, and variables of the environment before threads start"),
    ("src/machine/mod.rs", "calls of the system"),
    ("tests/program.rs", "a signal to a child"),
    ("tests/runs/locks.rs", "a signal to a child"),
];

/// All of the workspace's Rust files, relative to its root.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let members = ["files", "hub", "data", "nn", "metrics", "baselines", "reports", "src", "tests"];
    let mut folders: Vec<PathBuf> = members.map(|name| root.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path.strip_prefix(root).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// A line without its strings and its comment.
fn code(line: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::new(), false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '/' if !in_string && line[at..].starts_with("//") => break,
            _ if !in_string => out.push(c),
            _ => {}
        }
    }
    out
}

fn is_unsafe(line: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code(line).split(|c| !is_part(c)).any(|word| word == "unsafe")
}

/// Whether the contract of an `unsafe` stands above its statement or above an item or statement
/// that holds it: a comment with `SAFETY`, or documentation with `# Safety`. One comment may stand
/// above several closures in a row.
fn has_contract(lines: &[&str], at: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (mut within, mut is_next) = (indent(lines[at]), true);
    for line in lines[..at].iter().rev() {
        let text = line.trim();
        if text.starts_with("//") {
            let is_contract = text.contains("SAFETY") || text.contains("# Safety");
            if is_next && is_contract && indent(line) <= within {
                return true;
            }
        } else if text.is_empty() {
            is_next = false;
        } else if !text.starts_with("#[") {
            let opens = indent(line) < within && text != "}";
            within = if opens { indent(line) } else { within };
            // Of a closure before: its lines, its end and its beginning.
            let of_row = indent(line) > within || text == "}," || is_unsafe(line);
            is_next = opens || (is_next && of_row);
        }
    }
    false
}

#[test]
fn every_unsafe_says_what_it_relies_on_and_stands_where_it_is_allowed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut bare, mut files) = (Vec::new(), BTreeSet::new());
    for path in sources(root) {
        let text = fs::read_to_string(root.join(&path)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for at in (0..lines.len()).filter(|&at| is_unsafe(lines[at])) {
            files.insert(path.to_str().unwrap().to_string());
            if !has_contract(&lines, at) {
                bare.push(format!("{} line {}: {}", path.display(), at + 1, lines[at].trim()));
            }
        }
    }
    assert!(bare.is_empty(), "no contract (// SAFETY: …) above:\n{}", bare.join("\n"));
    let allowed: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_string()).collect();
    assert_eq!(files, allowed, "files with unsafe, and those of the list");
}

#[test]
fn a_contract_is_found_where_it_stands_and_missed_where_it_does_not() {
    let says = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        has_contract(&lines, lines.iter().rposition(|line| is_unsafe(line)).unwrap())
    };
    assert!(says("// SAFETY: so.\nlet x = unsafe { y() };"));
    assert!(says("// SAFETY: so.\n#[inline]\nlet x =\n    unsafe { y() };"));
    assert!(says("/// # Safety\n/// Of the caller.\npub unsafe fn x() {}"));
    assert!(says("// SAFETY: of all.\nimpl A {\n    fn b() {\n        unsafe { c() }\n    }\n}"));
    assert!(says("// SAFETY: both.\nf(\n    |a| unsafe { a() },\n    |b| unsafe { b() },\n);"));
    assert!(!says("let x = unsafe { y() };"));
    assert!(!says("// SAFETY: so.\n\nlet x = unsafe { y() };"));
    assert!(!says("// SAFETY: so.\nlet z = 1;\nlet x = unsafe { y() };"));
    assert!(!says("// Why.\nlet x = unsafe { y() };"));
    assert!(
        !is_unsafe("let text = \"unsafe \\\" unsafe\"; // unsafe") && !is_unsafe("unsafe_code")
    );
}
