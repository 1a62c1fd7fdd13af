//! Against a small HTTP server that answers as the hub does.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::pictures::Pictures;
use crate::program::{command, dataset_names, refused, text};

/// Of the weights of `inception`: a hub that answers with another commit is refused.
const REVISION: &str = "6040b4d40fdcde446a0cf753b0527585b6b77c54";

/// Serves one file at every address.
struct Server {
    content: Vec<u8>,
    tag: String,
    /// So many answers with content are cut off in their middle.
    cuts: AtomicUsize,
    /// First byte asked for by each request.
    starts: Mutex<Vec<usize>>,
}

impl Server {
    /// The server and its address. Its thread ends with the test program.
    fn start(content: Vec<u8>, cuts: usize) -> (Arc<Self>, String) {
        Self::tagged("abc", content, cuts)
    }

    fn tagged(tag: &str, content: Vec<u8>, cuts: usize) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let cuts = AtomicUsize::new(cuts);
        let server = Arc::new(Self { content, tag: tag.into(), cuts, starts: Mutex::default() });
        let shared = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away is no fault of the server.
                let _ = stream.and_then(|stream| shared.answer(stream));
            }
        });
        (server, endpoint)
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut range = String::new();
        for line in BufReader::new(stream.try_clone()?).lines() {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("range: bytes=") {
                range = value.to_owned();
            }
        }
        let (from, to) = range.split_once('-').unwrap_or(("0", ""));
        let (from, size) = (from.parse().unwrap_or(0), self.content.len());
        let end = to.parse().map_or(size, |to: usize| to + 1);
        self.starts.lock().unwrap().push(from);
        if from >= size {
            return stream
                .write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
        }
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{size}\r\n\
             ETag: \"{}\"\r\nx-repo-commit: {REVISION}\r\nConnection: close\r\n\r\n",
            end - from,
            end - 1,
            self.tag,
        )?;
        let take = |n: usize| n.checked_sub(1);
        let cut = end - from > 1
            && self.cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        let end = if cut { from + (end - from) / 2 } else { end };
        stream.write_all(&self.content[from..end])
    }
}

#[test]
fn a_download_that_was_cut_off_goes_on_and_is_held_against_the_published_hash() {
    let home = tempfile::tempdir().unwrap();
    let (server, endpoint) = Server::start(vec![7; 4000], 1);
    let fetch = |offline: &str| {
        let mut command = command(&["fetch", "extractor", "inception", "--quiet"]);
        command.env("HF_ENDPOINT", &endpoint).env("HF_HOME", home.path());
        let output = command.env("HF_HUB_OFFLINE", offline).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.stdout.is_empty() && !said.contains("panicked"), "{said}");
        (output.status.code(), said)
    };
    let (code, said) = fetch("1");
    assert!(code == Some(1) && said.ends_with("failed: HF_HUB_OFFLINE is set\n"), "{said}");
    assert!(server.starts.lock().unwrap().is_empty(), "asked although offline");

    let (code, said) = fetch("0");
    assert_eq!(code, Some(1));
    // The rest was asked for where the first answer was cut off. It is not what was published.
    assert!(
        said.starts_with("error: downloaded weights ") && said.contains("have sha256"),
        "{said}"
    );
    assert!(said.ends_with("; the download was removed; try again\n"), "{said}");
    let starts = server.starts.lock().unwrap().clone();
    assert!(starts.contains(&2000), "began anew: {starts:?}");
    // Nothing is taken for whole that is not, by eval either, which finds nothing in the cache.
    let mut eval = command(&["eval", "--real", "x.npz", "--fake", "y.npz", "--quiet"]);
    let output = eval.env("HF_ENDPOINT", &endpoint).env("HF_HOME", home.path()).output().unwrap();
    let again = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && again.contains("HF_HUB_OFFLINE is set"), "{again}");
}

#[test]
fn a_server_that_names_a_path_as_the_files_tag_gets_nothing_written() {
    for tag in ["../../../escaped", "/escaped", ".."] {
        let home = tempfile::tempdir().unwrap();
        let (_, endpoint) = Server::tagged(tag, vec![7; 4000], 0);
        let mut command = command(&["fetch", "extractor", "inception", "--quiet"]);
        command.env("HF_ENDPOINT", &endpoint).env("HF_HOME", home.path());
        let output = command.env("HF_HUB_OFFLINE", "0").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let end = "expected a name of letters, digits, '-', '_' and '.'\n";
        assert!(said.contains(&format!("has ETag {tag:?}")) && said.ends_with(end), "{said}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "{tag}");
    }
}

#[test]
fn a_download_killed_before_its_renaming_does_not_block_the_next() {
    let home = tempfile::tempdir().unwrap();
    let (_, endpoint) = Server::start(vec![7; 4000], 0);
    let fetch = || {
        let mut command = command(&["fetch", "extractor", "inception", "--quiet"]);
        command.env("HF_ENDPOINT", &endpoint).env("HF_HOME", home.path());
        let output = command.env("HF_HUB_OFFLINE", "0").output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(fetch().ends_with("; the download was removed; try again\n"));
    let hub = home.path().join("hub");
    let repo = fs::read_dir(&hub).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    for bytes in [4000, 4007] {
        fs::write(repo.join("blobs/abc.part"), vec![7; bytes]).unwrap();
        let said = fetch();
        assert!(said.contains("have sha256"), "{bytes}: {said}");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error_that_says_what_to_give() {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(&["fetch", "extractor", "inception", "--quiet"]);
    command.env("HF_ENDPOINT", "http://127.0.0.1:9").env("HF_HOME", home.path());
    let output = command.env("HF_HUB_OFFLINE", "0").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("are neither given (--weights, GANBENCH_WEIGHTS)"), "{said}");
}

#[test]
fn a_silent_hub_is_given_up_after_the_time_of_the_flag() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    // Held open and never answered.
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    for what in [["dataset", "cifar10"], ["extractor", "inception"]] {
        let home = tempfile::tempdir().unwrap();
        let fetch = [&["fetch"], &what[..], &["--quiet", "--timeout", "0.25"]].concat();
        let mut command = command(&fetch);
        command.env("HF_ENDPOINT", format!("http://{host}")).env("HF_HOME", home.path());
        command.env("GANBENCH_CACHE", home.path().join("ganbench"));
        let output = command.env("HF_HUB_OFFLINE", "0").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let end = "HF_HUB_ETAG_TIMEOUT sets the seconds";
        let wanted = format!("failed: no whole answer of {host} within 0.25 s; {end}");
        assert!(said.contains(&wanted), "{said}");
    }
    let (code, said) = refused(&["fetch", "dataset", "cifar10", "--timeout", "0"]);
    let wanted = "--timeout is \"0\", expected a number of seconds from 0.001 to 86400";
    assert!(code == 64 && said.contains(wanted), "{said}");
}

#[test]
fn what_cannot_be_fetched_or_verified_is_a_usage_error() {
    for (args, message) in [
        (
            ["fetch", "extractor", "pixels"].as_slice(),
            "error: there is nothing to fetch for pixels: it needs no file\n",
        ),
        (
            &["fetch", "dataset", "cifar11"],
            &format!(
                "error: unknown dataset \"cifar11\"; known: {}, or folder:PATH\n",
                dataset_names()
            ),
        ),
        (
            &["verify-extractor", "pixels"],
            "error: there are no published check values for \"pixels\"; known: inception\n",
        ),
    ] {
        assert_eq!(refused(args), (64, message.into()));
    }
    let (code, said) = refused(&["fetch", "extractor", "vgg"]);
    assert!(code == 64 && said.starts_with("error: unknown extractor \"vgg\"; known: "), "{said}");
}

#[test]
fn a_data_set_that_is_too_small_or_damaged_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = Pictures::noise(1, 12, 32, 0);
    let train = pictures.cifar10(dir.path(), "train");
    pictures.cifar10(dir.path(), "test");
    let data = text(dir.path());
    let verify =
        ["verify-extractor", "inception", "--weights", "made:0", "--data", &data, "--quiet"];
    let (code, said) = refused(&verify);
    let last = said.lines().last().unwrap();
    assert_eq!(
        (code, last),
        (1, "error: 100 images of cifar10 train are needed, got 12; use the whole data set")
    );
    // The first page's header, whose claims polars would take memory by.
    let mut bytes = fs::read(&train).unwrap();
    bytes[4] = 0xff;
    fs::write(&train, bytes).unwrap();
    let real = ["eval", "--real", "dataset:cifar10:train", "--fake", "dataset:cifar10:test"];
    let (code, said) = refused(
        &[&real[..], &["--extractor", "pixels", "--no-cache", "--data", &data, "--quiet"]].concat(),
    );
    let wanted = format!(
        "error: {} is not a whole Parquet file: row group 0 has a damaged page header at byte 0 of a column; copy \
         it or download it again\n",
        text(&train)
    );
    assert_eq!((code, said), (1, wanted));
}
