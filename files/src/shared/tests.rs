use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use super::lock::holder;
use super::*;

/// A folder for one test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
#[cfg(unix)]
fn a_lock_or_a_part_that_is_a_link_a_pipe_or_a_folder_is_refused_and_touches_nothing() {
    let dir = folder();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let [link, dangling, inner, pipe] =
        ["link", "dangling", "inner", "pipe"].map(|name| dir.path().join(name));
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &dangling).unwrap();
    fs::create_dir(&inner).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, is) in
        [(&link, "a link"), (&dangling, "a link"), (&inner, "a folder"), (&pipe, "a FIFO")]
    {
        let expected =
            format!("it is {is}, expected a regular file; remove it or give another path");
        let error = Lock::try_take(path).unwrap_err().to_string();
        assert_eq!(error, expected);
        let mut options = OpenOptions::new();
        let error = open_regular(path, options.read(true)).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn who_waits_is_told_once_which_process_holds_the_lock_and_takes_it_afterwards() {
    let dir = folder();
    let path = dir.path().join("lock");
    let first = Lock::try_take(&path).unwrap().unwrap();
    assert!(Lock::try_take(&path).unwrap().is_none());
    let (told, hears) = mpsc::channel();
    let waits = {
        let path = path.clone();
        std::thread::spawn(move || {
            let patience = Duration::from_millis(20);
            let notice = &mut |holder: &str| told.send(holder.to_owned()).unwrap();
            Lock::wait_for(&path, patience, notice).unwrap()
        })
    };
    let said = hears.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(said.starts_with(&format!("process {}", std::process::id())), "{said}");
    drop(first);
    let second = waits.join().unwrap();
    assert!(hears.try_recv().is_err(), "told twice");
    assert!(Lock::try_take(&path).unwrap().is_none());
    drop(second);
    assert_eq!(fs::read(&path).unwrap(), b"", "it says who held it");
    let free = &mut |_: &str| panic!("told although it is free");
    Lock::wait_for(&path, Duration::ZERO, free).unwrap();
}

#[test]
fn a_lock_file_that_says_something_else_is_not_repeated() {
    let dir = folder();
    let path = dir.path().join("lock");
    for text in ["", "process 1\u{1b}[31m", "rm -rf", "process 7\nand more"] {
        fs::write(&path, text).unwrap();
        assert_eq!(holder(&path), "another process", "{text:?}");
    }
}

#[test]
fn what_a_dead_process_left_is_removed_and_what_a_living_one_writes_is_not() {
    let dir = folder();
    let old = |path: &Path| {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    };
    let mut living = Unfinished::beside(&dir.path().join("table.md")).unwrap();
    living.write_all(b"half").unwrap();
    let living_path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let [dead, young, other] =
        [".ganbench-dead", ".ganbench-young", "other"].map(|name| dir.path().join(name));
    for path in [&dead, &young, &other] {
        fs::write(path, "left").unwrap();
    }
    for path in [&living_path, &dead, &other] {
        old(path);
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&other, dir.path().join(".ganbench-link")).unwrap();
    let below = dir.path().join("below/further");
    fs::create_dir_all(&below).unwrap();
    fs::write(below.join(".ganbench-dead"), "of another folder").unwrap();
    old(&below.join(".ganbench-dead"));
    let found = LeftBehind { files: 2, bytes: 4 + 17 };
    assert_eq!(count_left_behind(dir.path()).unwrap(), found);
    assert_eq!(remove_left_behind(dir.path()).unwrap(), 1);
    assert!(!dead.exists() && young.exists() && other.exists() && living_path.exists());
    living.persist(&dir.path().join("table.md")).unwrap();
    assert_eq!(fs::read(dir.path().join("table.md")).unwrap(), b"half");
}

#[test]
fn the_first_file_in_a_folder_removes_what_was_left_behind_and_a_dropped_one_leaves_nothing() {
    let dir = folder();
    let inner = dir.path().join("made/here");
    fs::create_dir_all(&inner).unwrap();
    let dead = inner.join(".ganbench-dead");
    fs::write(&dead, "left").unwrap();
    let file = fs::File::options().append(true).open(&dead).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    drop(Unfinished::beside(&inner.join("a")).unwrap());
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
}
