use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{
    assert_same, copy, has_lines, names, run_of, sixty_steps, start_with_log, states, until,
};
use crate::program::{ganbench, in_own_mounts, ok, refused, strs};

/// A sweep killed in the middle, with two states.
fn killed_half_way(methods: &str, out: &Path) -> Vec<String> {
    let args = sixty_steps(methods, out);
    let mut child = start_with_log(&args, &out.with_extension("log"));
    until("half of the run", || has_lines(out, "train.jsonl", 6));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(states(&run_of(out)).len(), 2);
    assert!(!run_of(out).join("done").exists());
    args
}

/// Standard error of a command that has to succeed.
fn said(args: &[String]) -> String {
    let output = ganbench(&strs(args));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    stderr
}

#[test]
fn a_damaged_state_is_told_and_the_one_before_it_taken() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    ok(&strs(&sixty_steps("hinge", &whole)));
    let cut = dir.path().join("cut");
    killed_half_way("hinge", &cut);
    let newest = states(&run_of(&cut)).pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let n = bytes.len();
    let damages = [
        ("a bit of the header's length", flipped(0)),
        ("a bit of the header", flipped(200)),
        ("a bit in the middle", flipped(n / 2)),
        ("the last bit", flipped(n - 1)),
        ("all behind the middle", bytes[..n / 2].to_vec()),
        ("everything", Vec::new()),
    ];
    for (i, (what, damaged)) in damages.iter().enumerate() {
        let out = dir.path().join(format!("damaged-{i}"));
        copy(&cut, &out);
        let older = states(&run_of(&out))[0].clone();
        fs::write(states(&run_of(&out)).pop().unwrap(), damaged).unwrap();
        let step = older.file_name().unwrap().to_str().unwrap()[6..14].parse::<u64>().unwrap();
        let said = said(&sixty_steps("hinge", &out));
        assert!(
            said.contains("is damaged: its content has hash")
                && said.contains(&format!("going on from the one of step {step}")),
            "{what}: {said}"
        );
        assert_eq!(
            names(&run_of(&out).join("checkpoints"), |n| n.starts_with("damaged-")).len(),
            1
        );
        assert_same(&whole, &out, what);
    }

    let out = dir.path().join("all");
    copy(&cut, &out);
    for state in states(&run_of(&out)) {
        fs::write(state, b"").unwrap();
    }
    let scores = fs::read(run_of(&out).join("scores.jsonl")).unwrap();
    let (code, error) = refused(&strs(&sixty_steps("hinge", &out)));
    assert!(
        code == 1
            && error.contains("none of the checkpoints in")
            && error.contains("delete the run's folder to start it again"),
        "{error}"
    );
    assert_eq!(fs::read(run_of(&out).join("scores.jsonl")).unwrap(), scores);
}

#[test]
fn states_are_told_apart_by_step_whatever_the_clock_said() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    ok(&strs(&sixty_steps("supcon", &whole)));
    let args = killed_half_way("supcon", &cut);
    let year = Duration::from_secs(365 * 24 * 3600);
    for (state, time) in
        states(&run_of(&cut)).iter().zip([SystemTime::now() + year, SystemTime::UNIX_EPOCH + year])
    {
        fs::File::options().write(true).open(state).unwrap().set_modified(time).unwrap();
    }
    assert_eq!(said(&args), "");
    assert_same(&whole, &cut, "with files from the future");
}

#[test]
fn a_history_that_was_shortened_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let args = killed_half_way("gan", &out);
    let history = run_of(&out).join("train.jsonl");
    let text = fs::read_to_string(&history).unwrap();
    let (first, others) = text.split_once('\n').unwrap();
    for (left, said) in [
        (format!("{first}\n"), "train.jsonl lacks records of the first"),
        (others.to_string(), "train.jsonl line 1 was changed, or lines before it were taken out"),
    ] {
        fs::write(&history, left).unwrap();
        let (code, error) = refused(&strs(&args));
        assert!(code == 1 && error.contains(said), "{error}");
    }
    fs::write(&history, text).unwrap();
    ok(&strs(&args));
}

#[test]
fn a_state_of_an_older_version_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let args = killed_half_way("gan", &out);
    let checkpoints = run_of(&out).join("checkpoints");
    fs::create_dir(checkpoints.join("state")).unwrap();
    fs::write(checkpoints.join("state/state.json"), "{}").unwrap();
    let (code, error) = refused(&strs(&args));
    assert!(
        code == 1
            && error.contains("is a checkpoint of an older ganbench")
            && error.contains("provenance.toml"),
        "{error}"
    );
}

#[test]
fn result_files_cut_off_or_half_written_are_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let args = sixty_steps("gan", &out);
    ok(&strs(&args));
    let whole: Vec<Vec<u8>> = ["results.parquet", "results.csv", "table.md"]
        .iter()
        .map(|f| fs::read(out.join(f)).unwrap())
        .collect();
    fs::write(out.join("results.parquet"), &whole[0][..whole[0].len() / 2]).unwrap();
    fs::write(out.join("results.csv"), b"").unwrap();
    let leftovers = [out.join(".ganbench-abc"), out.join("plots/.ganbench-abc")];
    leftovers.iter().for_each(|path| fs::write(path, b"half").unwrap());
    // As a kill in the middle of the last line leaves it.
    fs::remove_file(run_of(&out).join("done")).unwrap();
    let scores = run_of(&out).join("scores.jsonl");
    let text = fs::read(&scores).unwrap();
    fs::write(&scores, &text[..text.len() - 40]).unwrap();
    ok(&strs(&args));
    assert!(!leftovers.iter().any(|path| path.exists()));
    let csv = |bytes: &[u8]| super::without_clocks("results.csv", bytes.to_vec());
    assert_eq!(csv(&fs::read(out.join("results.csv")).unwrap()), csv(&whole[1]));
    assert_eq!(
        super::without_clocks("scores.jsonl", fs::read(&scores).unwrap()),
        super::without_clocks("scores.jsonl", text)
    );
}

/// Draws the images of `dataset:folder`.
fn folder_of_images(dir: &Path) -> PathBuf {
    let images = dir.join("images");
    fs::create_dir_all(images.join("a")).unwrap();
    for i in 0..40u8 {
        let picture = image::RgbImage::from_fn(32, 32, |x, y| {
            image::Rgb([i.wrapping_mul(6), (x * 8) as u8, (y * 8) as u8])
        });
        picture.save(images.join("a").join(format!("{i:02}.png"))).unwrap();
    }
    images
}

#[test]
fn data_that_changed_since_the_start_are_refused_by_hash() {
    let dir = tempfile::tempdir().unwrap();
    let images = folder_of_images(dir.path());
    let out = dir.path().join("out");
    let mut args = sixty_steps("gan", &out);
    args.extend(["--dataset".into(), format!("folder:{}", images.display())]);
    args.extend(["--extractor".into(), "small-shapes".into()]);
    ok(&strs(&args));
    let before = fs::read(run_of(&out).join("scores.jsonl")).unwrap();
    fs::remove_file(run_of(&out).join("done")).unwrap();
    image::RgbImage::new(32, 32).save(images.join("a/00.png")).unwrap();
    let (code, error) = refused(&strs(&args));
    assert!(
        code == 1
            && error.contains("the data changed since")
            && error.contains("put back what was there, or choose another --out"),
        "{error}"
    );
    assert_eq!(fs::read(run_of(&out).join("scores.jsonl")).unwrap(), before);
}

#[test]
fn a_run_that_diverges_says_where_and_keeps_its_last_good_state() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut args = sixty_steps("gan", &out);
    for optimizer in ["g", "d"] {
        args.extend(["--set".into(), format!("train.optimizer_{optimizer}.lr=3e9")]);
    }
    let table = ok(&strs(&args));
    assert!(table.contains("diverged"), "{table}");
    let run = run_of(&out);
    let text = fs::read_to_string(run.join("diverged.json")).unwrap();
    let diverged: serde_json::Value = serde_json::from_str(&text).unwrap();
    let step = diverged["g_step"].as_u64().unwrap();
    assert!(step > 1, "{text}");
    let terms = diverged["terms"].as_object().unwrap();
    assert!(terms.contains_key("d_loss") && terms.contains_key("g_grad_norm"), "{text}");
    assert!(diverged["what"].as_str().unwrap().len() > 5, "{text}");
    let kept = states(&run);
    assert!(!kept.is_empty());
    for row in fs::read_to_string(run.join("scores.jsonl")).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        if row["checkpoint"] == "last" {
            assert!(
                row["status"] == "diverged" && row["g_steps"] == step && row["value"].is_null()
            );
        }
    }
    // Given again it stays as it is.
    ok(&strs(&args));
    assert_eq!(fs::read_to_string(run.join("diverged.json")).unwrap(), text);
}

/// Exit code of a script in which disks can be mounted, and all that it said.
fn with_disks(script: &str) -> Option<(i32, String)> {
    let output = in_own_mounts(script, &[])?;
    let text = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    Some((output.status.code().unwrap_or(-1), text.concat()))
}

/// The command line as a shell reads it.
fn quoted(args: &[String]) -> String {
    let program = env!("CARGO_BIN_EXE_ganbench").to_string();
    let words = std::iter::once(&program).chain(args);
    words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_full_disk_stops_a_run_which_goes_on_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    ok(&strs(&sixty_steps("gan", &whole)));
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let run = quoted(&sixty_steps("gan", &disk.join("out")));
    let shown = disk.display();
    // A disk too small for the checkpoints, and one that another program fills once the run is
    // trained.
    let small = |kib: u64| {
        format!(
            "mount -t tmpfs -o size={kib}k none {shown} || exit 99\n{run} > /dev/null; echo \"code $?\"\n"
        )
    };
    let filled = format!(
        "mount -t tmpfs -o size=16m none {shown} || exit 99\n{run} > /dev/null || exit 97\n\
         cd {shown}/out; rm runs/*/done results.*; cat /dev/zero > {shown}/filler 2> /dev/null\n\
         {run} > /dev/null; echo \"code $?\"\nrm {shown}/filler\n"
    );
    for (i, first) in [small(16), small(1500), small(3000), filled].iter().enumerate() {
        let kept = dir.path().join(format!("kept-{i}"));
        let script = format!(
            "{first}find {shown} -name '.ganbench-*' | sed 's/^/unfinished: /'\n\
             mount -o remount,size=64m {shown} || exit 99\n\
             {run} > /dev/null || exit 98\n\
             cp -a {shown}/out {}\n",
            kept.display()
        );
        let Some((code, text)) = with_disks(&script) else { return };
        assert_eq!(code, 0, "{first}: {text}");
        assert!(text.contains("code 1\n") && text.contains("No space left on device"), "{text}");
        assert!(!text.contains("panicked") && !text.contains("unfinished: "), "{text}");
        let error = text.lines().find(|l| l.starts_with("error: ")).unwrap();
        let what = ["cannot write the checkpoint", "could not be written"][i / 3];
        assert!(error.contains(what), "{error}");
        assert_same(&whole, &kept, error);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let run = quoted(&sixty_steps("gan", &disk.join("out")));
    let script = format!("mount -t tmpfs -o ro none {0} || exit 99\n{run}", disk.display());
    if let Some((code, text)) = with_disks(&script) {
        assert!(code == 1 && text.contains("cannot make the folder"), "{code} {text}");
        assert!(text.contains("Read-only file system"), "{text}");
    }
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    let (code, error) = refused(&strs(&sixty_steps("gan", &file)));
    assert!(code == 1 && error.contains("cannot make the folder"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}
