use std::fs;

use super::{run_of, sixty_steps};
use crate::program::{ganbench, ganbench_with, ok, strs, text};

fn verify(run: &std::path::Path) -> (Option<i32>, String) {
    let output = ganbench(&["verify", &text(run), "--quiet"]);
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_run_is_verified_to_the_bit_and_whatever_differs_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    ok(&strs(&sixty_steps("kdd", &out)));
    let run = run_of(&out);
    let (code, said) = verify(&run);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("identical: 5 records of the first 20 steps and 44 scores"), "{said}");

    // Another instruction set stands for another CPU: other bits, but near.
    let output =
        ganbench_with("GANBENCH_SIMD", "portable", &["verify", &text(&run), "--json", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let verified: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&verified["same_machine"], &verified["verdict"]), (&false.into(), &"apart".into()));
    assert!(verified["machine_differences"][0].as_str().unwrap().ends_with("here portable"));

    let history = run.join("train.jsonl");
    let kept = fs::read_to_string(&history).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(kept.lines().nth(1).unwrap()).unwrap();
    let g_loss = record["losses"]["g_loss"].as_f64().unwrap();
    record["losses"]["g_loss"] = (g_loss * (1.0 + 1e-12)).into();
    let mut lines: Vec<String> = kept.lines().map(String::from).collect();
    lines[1] = record.to_string();
    fs::write(&history, lines.join("\n") + "\n").unwrap();
    let (code, said) = verify(&run);
    assert!(code == Some(3) && said.contains("differs    g_loss at step 6: "), "{said}");
    fs::write(&history, kept).unwrap();

    // Weights of another point of the curve in the place of the last ones.
    let checkpoints = run.join("checkpoints");
    fs::copy(checkpoints.join("ema-0.24.safetensors"), checkpoints.join("ema-0.96.safetensors"))
        .unwrap();
    let (code, said) = verify(&run);
    assert!(code == Some(3) && said.contains("differs    last: fid@small-shapes: "), "{said}");
}
