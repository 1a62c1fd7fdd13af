use super::*;

#[test]
fn a_regular_file_and_a_link_to_one_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    std::fs::write(&file, "some text").unwrap();
    assert_eq!(read(&file).unwrap(), b"some text");
    assert_eq!(read_to_string(&file).unwrap(), "some text");
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"some text");
    }
}

#[test]
fn a_folder_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        read(folder.path()).unwrap_err().to_string(),
        "it is a folder, expected a regular file; remove it or give another path"
    );
}

#[cfg(unix)]
#[test]
fn a_fifo_a_socket_and_a_device_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo.png");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let socket = folder.path().join("socket.png");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let device = folder.path().join("device.png");
    std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
    for (path, found) in [(fifo, "a FIFO"), (socket, "a socket"), (device, "a device")] {
        let error = open(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("it is {found}, expected a regular file")), "{error}");
    }
}

#[test]
fn a_file_that_is_larger_than_the_memory_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    // No disk holds so much: the file has a length and no blocks.
    File::create(&path).unwrap().set_len(1 << 42).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.starts_with("the whole file needs about 4.0 TiB of memory, but "), "{error}");
}
