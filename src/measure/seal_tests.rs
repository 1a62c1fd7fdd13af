use super::*;

/// Two sealed files of features in a cache, and the first one's content and seal.
struct Two {
    _dir: tempfile::TempDir,
    files: [PathBuf; 2],
    content: Vec<u8>,
    seal: Vec<u8>,
}

impl Two {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = ["one", "two"].map(|name| dir.path().join(format!("features/{name}.npz")));
        fs::create_dir(dir.path().join("features")).unwrap();
        for (file, name) in files.iter().zip(["one", "two"]) {
            fs::write(file, format!("features of {name}")).unwrap();
            write(file, name, ImagesRead::default()).unwrap();
        }
        let (content, seal) = (fs::read(&files[0]).unwrap(), fs::read(path_of(&files[0])).unwrap());
        Self { _dir: dir, files, content, seal }
    }

    fn restore(&self) {
        fs::write(&self.files[0], &self.content).unwrap();
        fs::write(path_of(&self.files[0]), &self.seal).unwrap();
    }

    fn check(&self) -> Result<Option<ImagesRead>, String> {
        check(&self.files[0], "one")
    }
}

#[test]
fn a_file_copied_over_another_is_not_used_with_its_seal_or_without() {
    let two = Two::new();
    assert!(two.check().unwrap().is_some());
    fs::copy(&two.files[1], &two.files[0]).unwrap();
    assert_eq!(two.check().unwrap_err(), "their content is not what was kept");
    fs::copy(path_of(&two.files[1]), path_of(&two.files[0])).unwrap();
    assert_eq!(two.check().unwrap_err(), "their seal is that of other features");
    two.restore();
    assert!(two.check().unwrap().is_some());
}

#[test]
fn one_flipped_bit_anywhere_or_one_byte_less_or_more_is_noticed() {
    let two = Two::new();
    for (path, whole) in [(two.files[0].clone(), &two.content), (path_of(&two.files[0]), &two.seal)]
    {
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).unwrap();
            two.check().unwrap_err();
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            two.check().unwrap_err();
        }
        fs::write(&path, [whole, &b" "[..]].concat()).unwrap();
        two.check().unwrap_err();
        two.restore();
    }
}

#[test]
fn what_has_no_seal_or_no_features_counts_as_absent() {
    let two = Two::new();
    fs::remove_file(&two.files[0]).unwrap();
    assert!(two.check().unwrap().is_none());
    two.restore();
    remove(&two.files[0]).unwrap();
    remove(&two.files[0]).unwrap();
    assert!(two.check().unwrap().is_none());
}

#[test]
#[cfg(unix)]
fn a_pipe_or_a_link_named_like_a_file_of_the_cache_is_not_opened() {
    let two = Two::new();
    for place in [two.files[0].clone(), path_of(&two.files[0])] {
        fs::remove_file(&place).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&place).status().unwrap().success());
        let error = two.check().unwrap_err();
        let end = "expected a regular file; remove it or give another path";
        assert!(error.ends_with(&format!("it is a FIFO, {end}")), "{error}");
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(&two.files[1], &place).unwrap();
        let error = two.check().unwrap_err();
        assert!(error.ends_with(&format!("it is a link, {end}")), "{error}");
        fs::remove_file(&place).unwrap();
        two.restore();
    }
}
