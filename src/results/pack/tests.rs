use std::fs;

use ganbench_baselines::train::Diverged;
use ganbench_reports::Status;

use super::*;
use crate::results::{find_runs, rebuild};
use crate::run::folder::{DIVERGED_NAME, PROVENANCE_NAME, RESUMED_NAME, RunFolder};
use crate::run::integrity;
use crate::run::integrity::finished_run;

/// Runs that are kept in the repository.
fn kept() -> Vec<PathBuf> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/kept");
    let part = kept.join("2026-11-22-epyc-2core-kdd/cifar10");
    find_runs(&part).unwrap()
}

/// All files of a run by name, from wherever it is.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = [PLAN_NAME, SCORES_NAME, RECORDS_NAME, DONE_NAME];
    let beside = [PROVENANCE_NAME, RESUMED_NAME, DIVERGED_NAME];
    let read = |name: &str| Some((name.to_string(), read(&run.join(name)).unwrap()?));
    names.into_iter().chain(beside).filter_map(read).collect()
}

/// A part with a run of each kind: as this version writes it, of the version before, diverged,
/// resumed with rows that were measured twice, and of the version before with rows of this one.
fn part(dir: &Path) -> PathBuf {
    let part = dir.join("part");
    let runs = part.join(RUNS);
    let kept = kept();
    let new = |i: usize| finished_run(&runs, &RunFolder::at(&kept[i]));
    let old = |i: usize| {
        let run = RunFolder::at(&runs.join(kept[i].file_name().unwrap()));
        fs::create_dir_all(run.path()).unwrap();
        for (name, content) in files(&kept[i]) {
            fs::write(run.path().join(name), content).unwrap();
        }
        run
    };
    new(0);
    old(1);
    let diverged = new(2);
    let mut rows = diverged.scores().unwrap();
    for row in rows.iter_mut().rev().take(3) {
        (row.value, row.ci_low, row.ci_high) = (None, None, None);
        row.status = Status::Diverged;
    }
    diverged.keep_scores(&rows).unwrap();
    let terms = BTreeMap::from([("d_loss".to_string(), "NaN".to_string())]);
    let what = "d_loss".to_string();
    diverged.add_divergence(&Diverged { g_step: 7, real_kimg: 0.5, what, terms }).unwrap();
    diverged.finish("diverged").unwrap();
    let resumed = new(3);
    let provenance = read(&resumed.path().join(PROVENANCE_NAME)).unwrap().unwrap();
    fs::write(resumed.path().join(RESUMED_NAME), provenance).unwrap();
    let mut again = resumed.scores().unwrap()[2..4].to_vec();
    again[0].value = Some(0.1 + 0.2);
    resumed.add_scores(&again).unwrap();
    resumed.finish("ok").unwrap();
    let measured = old(4);
    let mut more = measured.scores().unwrap().split_off(1);
    more.truncate(2);
    more.iter_mut().for_each(|row| row.protocol = "tables".into());
    measured.add_scores(&more).unwrap();
    part
}

fn sources(part: &Path) -> Vec<Source> {
    let runs = find_runs(part).unwrap();
    runs.into_iter().map(|run| Source { run, samples: None }).collect()
}

fn packed(part: &Path) {
    write(part, &sources(part)).unwrap();
    for run in find_runs(part).unwrap() {
        remove_packed(&run).unwrap();
    }
    fs::remove_dir_all(part.join(RUNS)).unwrap();
}

type Content = Vec<(PathBuf, BTreeMap<String, Vec<u8>>)>;

fn content(part: &Path) -> Content {
    find_runs(part).unwrap().into_iter().map(|run| (run.clone(), files(&run))).collect()
}

#[test]
fn every_kind_of_run_comes_back_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let part = part(dir.path());
    let before = content(&part);
    assert_eq!(before.len(), 5);
    packed(&part);
    assert!(!part.join(RUNS).exists());
    assert!(content(&part) == before);
    for (run, _) in &before {
        integrity::check(run).unwrap();
        assert!(RunFolder::open(run).unwrap().is_done());
    }
    // By the part, its runs, and one run.
    assert_eq!(find_runs(&part.join(RUNS)).unwrap().len(), 5);
    assert_eq!(find_runs(&before[2].0).unwrap(), [before[2].0.clone()]);
    // The pack's results are those that are made of the runs.
    let results = fs::read(part.join(PARQUET_NAME)).unwrap();
    let out = dir.path().join("out");
    rebuild(&out, &find_runs(&part).unwrap()).unwrap();
    assert!(fs::read(out.join(PARQUET_NAME)).unwrap() == results);

    // A run that goes on has its folder again, and is packed with what was added.
    let run = RunFolder::at(&before[0].0);
    run.unpack().unwrap();
    assert!(files(run.path()) == before[0].1 && run.path().join(PLAN_NAME).is_file());
    let mut more = run.scores().unwrap()[..1].to_vec();
    more[0].protocol = "tables".into();
    run.add_scores(&more).unwrap();
    run.finish("ok").unwrap();
    let after = content(&part);
    assert!(after != before && after[1..] == before[1..]);
    check_goes_on(run.path()).unwrap();
    packed(&part);
    assert!(content(&part) == after);
}

#[test]
fn a_run_whose_lines_would_not_come_back_is_left_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let part = part(dir.path());
    let run = find_runs(&part).unwrap().remove(1);
    for (name, change) in [
        (SCORES_NAME, &(|text: &str| text.replacen("\":", "\": ", 1)) as &dyn Fn(&str) -> String),
        (SCORES_NAME, &|text: &str| text.trim_end().to_string()),
        (RECORDS_NAME, &|text: &str| text.replacen("\"g_step\":1,", "\"g_step\":1,\"x\":2,", 1)),
        (RECORDS_NAME, &|text: &str| format!("{text}{{\"g_st")),
    ] {
        let path = run.join(name);
        let whole = fs::read_to_string(&path).unwrap();
        let changed = change(&whole);
        assert_ne!(changed, whole);
        fs::write(&path, &changed).unwrap();
        let error = write(&part, &sources(&part)).unwrap_err().to_string();
        assert!(error.contains(" cannot be packed: "), "{error}");
        assert!(error.contains(name), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
        assert!(Pack::open(&part).unwrap().is_none());
        fs::write(&path, whole).unwrap();
    }
    write(&part, &sources(&part)).unwrap();
    // Nor does another run take the place of a packed one.
    let path = run.join(SCORES_NAME);
    let other = fs::read_to_string(&path).unwrap().replacen("\"seed\":", "\"seed\":1", 1);
    fs::write(&path, other).unwrap();
    let error = check_goes_on(&run).unwrap_err().to_string();
    assert!(error.contains("does not go on from the run of this name in"), "{error}");
    let error = remove_packed(&run).unwrap_err().to_string();
    assert!(error.contains("the file is another one than the pack has"), "{error}");
    assert!(path.is_file());
}

#[test]
fn a_damaged_pack_is_refused_by_name_and_nothing_of_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let part = part(dir.path());
    packed(&part);
    let index = fs::read_to_string(part.join(INDEX_NAME)).unwrap();
    let other = dir.path().join("other");
    fs::create_dir_all(&other).unwrap();
    let some: Vec<Source> = sources(&part).into_iter().skip(1).collect();
    write(&other, &some).unwrap();
    let of_other = |name: &str| fs::read(other.join(name)).unwrap();
    for (name, damaged) in [
        (INDEX_NAME, index.replacen("sha256 = \"", "sha256 = \"0", 1).into_bytes()),
        (INDEX_NAME, index.replacen("columns = ", "columns = 1", 1).into_bytes()),
        (INDEX_NAME, b"format = 2\n".to_vec()),
        (INDEX_NAME, b"no index".to_vec()),
        (PARQUET_NAME, of_other(PARQUET_NAME)),
        (PARQUET_NAME, b"PAR1".to_vec()),
        (TRAIN_NAME, of_other(TRAIN_NAME)),
        (TRAIN_NAME, b"PAR1".to_vec()),
    ] {
        let path = part.join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &damaged).unwrap();
        let error = find_runs(&part).unwrap_err().to_string();
        assert!(error.contains(part.to_str().unwrap()), "{error}");
        let places = [INDEX_NAME, PARQUET_NAME, TRAIN_NAME];
        assert!(places.iter().any(|place| error.contains(place)), "{name}: {error}");
        assert_eq!(fs::read(&path).unwrap(), damaged);
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_earlier_pack_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let part = part(dir.path());
    let all = sources(&part);
    let after = content(&part);
    // The new pack, made elsewhere of the same runs.
    write(&part, &all).unwrap();
    let made = dir.path().join("made");
    fs::create_dir_all(&made).unwrap();
    let names = [PARQUET_NAME, TRAIN_NAME, INDEX_NAME];
    for name in names {
        fs::rename(part.join(name), made.join(name)).unwrap();
    }
    // The earlier one, of fewer runs.
    write(&part, &all[..2]).unwrap();
    let old = names.map(|name| fs::read(part.join(name)).unwrap());
    fs::rename(part.join(RUNS), dir.path().join("runs of before")).unwrap();
    let before = content(&part);
    assert!(before.len() == 2 && before[..] == after[..2]);
    let put = |folder: &Path, names: &[&str]| {
        fs::create_dir_all(folder).unwrap();
        for name in names {
            fs::copy(made.join(name), folder.join(name)).unwrap();
        }
    };
    for written in 0..=3 {
        put(&part.join("packing.unfinished"), &names[..written]);
        assert!(content(&part) == before, "{written} files written");
    }
    for moved in 0..=3 {
        for (name, content) in names.iter().zip(&old) {
            fs::write(part.join(name), content).unwrap();
        }
        put(&part.join(COMING), &names[moved..]);
        put(&part, &names[..moved]);
        assert!(content(&part) == after, "{moved} files moved");
        // The next one to pack clears up first.
        write(&part, &sources(&part)).unwrap();
        assert!(content(&part) == after);
        assert_eq!(fs::read_dir(&part).unwrap().count(), 3, "{moved} files moved");
    }
}

#[test]
fn samples_come_back_from_the_sheet() {
    let dir = tempfile::tempdir().unwrap();
    let part = part(dir.path());
    let size = ImageSize::new(3, 4, 3);
    let images = |from: u8| {
        let pixels = (0..20 * 36u16).map(|i| (i % 251) as u8 ^ from).collect();
        ImageBatch::new(size, pixels, None, None).unwrap()
    };
    let mut all = sources(&part);
    (all[1].samples, all[3].samples) = (Some(images(7)), Some(images(90)));
    write(&part, &all).unwrap();
    let pixels = |i: usize| {
        let images = samples(&all[i].run).unwrap()?;
        Some((0..images.len()).flat_map(|k| images.image(k).to_vec()).collect::<Vec<u8>>())
    };
    let expected = |from| (0..20).flat_map(|k| images(from).image(k).to_vec()).collect::<Vec<u8>>();
    assert_eq!((pixels(0), pixels(1), pixels(3)), (None, Some(expected(7)), Some(expected(90))));
    fs::write(part.join(SAMPLES_NAME), b"no picture").unwrap();
    let error = samples(&all[1].run).unwrap_err().to_string();
    assert!(error.contains("samples.png is damaged"), "{error}");
}
