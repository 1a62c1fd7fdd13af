//! Against a small HTTP server that answers as the hub does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::datasets::parquet;
use crate::fixtures::{Table, no_places};
use crate::{DatasetRequest, catalogue, decode, hex};

const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

/// Serves one file at every address that ends in `.parquet`.
struct Server {
    endpoint: String,
    state: Arc<State>,
}

struct State {
    content: Vec<u8>,
    etag: String,
    /// So many answers with content are cut off in their middle.
    cuts: AtomicUsize,
    /// `Range` of every request, in order.
    ranges: Mutex<Vec<String>>,
    closed: AtomicBool,
    /// What it lists of its repository.
    files: Mutex<Vec<&'static str>>,
}

impl Server {
    fn new(content: &[u8], etag: &str, cuts: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            content: content.to_vec(),
            etag: etag.to_owned(),
            cuts: AtomicUsize::new(cuts),
            ranges: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            files: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.closed.load(Ordering::SeqCst) {
                    break;
                }
                // A client that goes away is no fault of the server.
                let _ = shared.answer(stream.unwrap());
            }
        });
        Self { endpoint, state }
    }

    fn ranges(&self) -> Vec<String> {
        self.state.ranges.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        // Wakes the thread; it may be gone already.
        let _ = TcpStream::connect(self.endpoint.trim_start_matches("http://"));
    }
}

impl State {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let mut range = String::new();
        for line in lines {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("range: bytes=") {
                range = value.to_owned();
            }
        }
        self.ranges.lock().unwrap().push(range.clone());
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/api/") {
            let files = self.files.lock().unwrap().clone();
            let files: Vec<String> =
                files.iter().map(|name| format!("{{\"rfilename\": \"{name}\"}}")).collect();
            let json = format!("{{\"siblings\": [{}], \"sha\": \"{REVISION}\"}}", files.join(", "));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            return write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{json}", json.len());
        }
        if !path.ends_with(".parquet") {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        let (from, to) = range.split_once('-').unwrap_or(("0", ""));
        let (from, size) = (from.parse().unwrap_or(0), self.content.len());
        let end = to.parse().map_or(size, |to: usize| to + 1);
        if from >= size {
            let head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n";
            return stream.write_all(head.as_bytes());
        }
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes \
             {from}-{}/{size}\r\nETag: \"{}\"\r\nx-repo-commit: {REVISION}\r\nConnection: close\r\n\r\n",
            end - from,
            end - 1,
            self.etag
        )?;
        let is_content = end == size && end - from > 1;
        let cut = is_content
            && self
                .cuts
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok();
        let end = if cut { from + (end - from) / 2 } else { end };
        stream.write_all(&self.content[from..end])
    }
}

/// A dataset `toy` of one file, its folder of caches, and the file.
struct Toy {
    folder: TempDir,
    entry: catalogue::HubEntry,
    content: Vec<u8>,
}

impl Toy {
    fn new(pinned: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made.parquet");
        Table::cifar10(20).write(&made);
        let pin = pinned.map_or(String::new(), |hash| format!(", sha256 = \"{hash}\""));
        let table = format!(
            r#"
            [[dataset]]
            name = "toy"
            summary = "s"
            licence = "l"
            repository = "made/toy"
            revision = "{REVISION}"
            folder = "data"
            image_column = "img"
            label_column = "label"
            height = 32
            width = 32
            channels = 3
            default_extractor = "small-cifar10"
            classes = 10
            test_prefix = "valid"
            files.train = [{{ name = "train-0.parquet"{pin} }}]
            files.test = [{{ name = "valid-0.parquet" }}]
            "#
        );
        let entry = catalogue::parse(&table).unwrap().remove(0);
        Self { entry, content: std::fs::read(made).unwrap(), folder }
    }

    fn find(&self, endpoint: &str) -> Result<Vec<PathBuf>, DataError> {
        self.find_with(endpoint, &mut |_| {})
    }

    fn find_with(
        &self,
        endpoint: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<PathBuf>, DataError> {
        let mut places = no_places(self.folder.path());
        (places.endpoint, places.offline) = (endpoint.into(), false);
        find(&places, &self.entry, Split::Train, Vec::new(), progress)
    }

    fn message(&self, endpoint: &str) -> String {
        let message = self.find(endpoint).unwrap_err().to_string();
        message.replace(&self.folder.path().display().to_string(), "DIR").replace(endpoint, "HUB")
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("hub/datasets--made--toy")
    }

    fn snapshot(&self) -> PathBuf {
        self.repo().join("snapshots").join(REVISION).join("data/train-0.parquet")
    }

    fn record(&self) -> PathBuf {
        let records = self.folder.path().join("ganbench/hub-sha256/datasets--made--toy");
        records.join(REVISION).join("data/train-0.parquet.sha256")
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

fn read(files: &[PathBuf]) -> Vec<u8> {
    assert_eq!(files.len(), 1);
    std::fs::read(&files[0]).unwrap()
}

/// Port 9 of the own machine, where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:9";

#[test]
fn the_first_use_records_the_hash_and_the_second_needs_no_network() {
    let toy = Toy::new(None);
    let server = Server::new(&toy.content, "some-etag", 0);
    let mut last = None;
    let files = toy.find_with(&server.endpoint, &mut |p| last = Some(p)).unwrap();
    let size = toy.content.len() as u64;
    assert_eq!(last, Some(Progress { stage: Stage::Downloading, done: size, total: size }));
    assert_eq!(read(&files), toy.content);
    assert_eq!(std::fs::read_to_string(toy.record()).unwrap().trim(), sha256(&toy.content));
    drop(server);
    assert_eq!(read(&toy.find(NOWHERE).unwrap()), toy.content);
}

#[test]
fn a_split_of_another_name_is_downloaded_and_read() {
    let toy = Toy::new(None);
    let server = Server::new(&toy.content, "some-etag", 0);
    let mut places = no_places(toy.folder.path());
    (places.endpoint, places.offline) = (server.endpoint.clone(), false);
    let files = find(&places, &toy.entry, Split::Test, Vec::new(), &mut |_| {}).unwrap();
    assert!(files[0].ends_with("data/valid-0.parquet"), "{files:?}");
    let request = DatasetRequest::new("toy", Split::Test);
    let target = decode::Target::of_entry(&toy.entry, &request).unwrap();
    let set = parquet::load(&toy.entry, &files, target, &request, &places, &mut |_| {}).unwrap();
    assert_eq!((set.images.len(), set.class_names.len()), (20, 10));
}

#[test]
fn a_file_that_changed_since_its_first_use_is_refused() {
    let toy = Toy::new(None);
    let server = Server::new(&toy.content, "some-etag", 0);
    let file = toy.find(&server.endpoint).unwrap().remove(0);
    let mut changed = toy.content.clone();
    changed[100] ^= 1;
    std::fs::write(std::fs::canonicalize(file).unwrap(), &changed).unwrap();
    assert_eq!(
        toy.message(NOWHERE),
        format!(
            "DIR/hub/datasets--made--toy/snapshots/{REVISION}/data/train-0.parquet has sha256 {} but \
             {} is recorded at first use in DIR/ganbench/hub-sha256/datasets--made--toy/{REVISION}/\
             data/train-0.parquet.sha256; delete the file to download it again",
            sha256(&changed),
            sha256(&toy.content)
        )
    );
    // Deleted and downloaded again it is right again.
    std::fs::remove_file(toy.repo().join("blobs/some-etag")).unwrap();
    std::fs::remove_file(toy.snapshot()).unwrap();
    assert_eq!(read(&toy.find(&server.endpoint).unwrap()), toy.content);
}

#[test]
fn a_download_that_is_not_what_was_pinned_or_promised_does_not_stay() {
    let other = "f".repeat(64);
    for (pinned, etag, origin) in [
        (Some(other.as_str()), "some-etag", "pinned"),
        (None, other.as_str(), "what the hub promised"),
    ] {
        let toy = Toy::new(pinned);
        let server = Server::new(&toy.content, etag, 0);
        assert_eq!(
            toy.message(&server.endpoint),
            format!(
                "DIR/hub/datasets--made--toy/snapshots/{REVISION}/data/train-0.parquet has sha256 {} \
                 but {other} is {origin}; the download was removed; try again",
                sha256(&toy.content)
            )
        );
        assert!(!toy.snapshot().exists());
        assert!(!toy.repo().join("blobs").join(etag).exists());
        assert!(!toy.record().exists());
    }
}

#[test]
fn a_pinned_file_needs_no_record() {
    let content = Toy::new(None).content;
    let toy = Toy::new(Some(&sha256(&content)));
    let server = Server::new(&toy.content, &sha256(&content), 0);
    assert_eq!(read(&toy.find(&server.endpoint).unwrap()), content);
    assert!(!toy.record().exists());
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let toy = Toy::new(None);
    let server = Server::new(&toy.content, &sha256(&toy.content), 1);
    assert_eq!(read(&toy.find(&server.endpoint).unwrap()), toy.content);
    // The size is asked for by `0-0`.
    let content: Vec<_> = server.ranges().into_iter().filter(|range| range != "0-0").collect();
    assert_eq!(content, ["0-".to_owned(), format!("{}-", toy.content.len() / 2)]);
}

#[test]
fn a_download_that_stays_cut_off_leaves_nothing_that_could_be_taken_for_whole() {
    let toy = Toy::new(None);
    let etag = sha256(&toy.content);
    let server = Server::new(&toy.content, &etag, usize::MAX);
    let message = toy.message(&server.endpoint);
    let start = format!(
        "no train split of toy found: looked for DIR/hub/datasets--made--toy/snapshots/{REVISION}/\
         data/train-0.parquet; downloading it from HUB/datasets/made/toy/resolve/{REVISION}/data/\
         train-0.parquet failed: "
    );
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains(&format!(" of {} bytes came", toy.content.len())), "{message}");
    assert!(!toy.snapshot().exists());
    assert!(!toy.repo().join("blobs").join(&etag).exists());
    let part = toy.repo().join("blobs").join(&etag).with_extension("part");
    let got = std::fs::metadata(part).unwrap().len();
    // The next run takes up what is there.
    let server = Server::new(&toy.content, &etag, 0);
    assert_eq!(read(&toy.find(&server.endpoint).unwrap()), toy.content);
    assert!(server.ranges().contains(&format!("{got}-")), "{:?}", server.ranges());
}

#[test]
fn a_run_killed_before_the_renaming_does_not_block_the_next() {
    let toy = Toy::new(None);
    let etag = sha256(&toy.content);
    let blobs = toy.repo().join("blobs");
    for extra in [0, 7] {
        std::fs::create_dir_all(&blobs).unwrap();
        let mut part = toy.content.clone();
        part.extend(vec![0; extra]);
        std::fs::write(blobs.join(&etag).with_extension("part"), part).unwrap();
        let server = Server::new(&toy.content, &etag, 0);
        assert_eq!(read(&toy.find(&server.endpoint).unwrap()), toy.content, "{extra} bytes more");
        std::fs::remove_dir_all(toy.repo()).unwrap();
    }
}

#[test]
fn a_tampered_part_is_found_out() {
    let toy = Toy::new(None);
    let etag = sha256(&toy.content);
    let blobs = toy.repo().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(&etag).with_extension("part"), [7; 50]).unwrap();
    let server = Server::new(&toy.content, &etag, 0);
    let message = toy.message(&server.endpoint);
    assert!(
        message.ends_with("what the hub promised; the download was removed; try again"),
        "{message}"
    );
    assert_eq!(read(&toy.find(&server.endpoint).unwrap()), toy.content);
}

#[test]
fn a_hub_that_names_a_path_as_the_files_tag_writes_nothing() {
    for etag in ["../../../escaped", "/escaped", "..", "a/b", "a\\b", ""] {
        let toy = Toy::new(None);
        let server = Server::new(&toy.content, etag, 0);
        let message = toy.message(&server.endpoint);
        let wanted = format!(
            "has ETag {etag:?}, expected a name of letters, digits, '-', '_' and '.'; give --data DIR"
        );
        assert!(message.contains(&wanted), "{message}");
        let left: Vec<_> = std::fs::read_dir(toy.folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

#[test]
fn a_hub_that_cannot_be_reached_is_an_error() {
    let message = Toy::new(None).message(NOWHERE);
    assert!(message.contains("failed: no connection to 127.0.0.1:9: "), "{message}");
    assert!(message.ends_with("or use --dataset shapes, which needs no data"), "{message}");
}

#[test]
fn a_record_that_cannot_be_written_is_an_error() {
    let toy = Toy::new(None);
    std::fs::write(toy.folder.path().join("ganbench"), "a file where a folder should be").unwrap();
    let server = Server::new(&toy.content, "some-etag", 0);
    let message = toy.message(&server.endpoint);
    assert!(message.starts_with("cannot "), "{message}");
    assert!(message.contains("DIR/ganbench/hub-sha256"), "{message}");
}

#[test]
fn without_a_home_the_variable_to_set_is_named() {
    let toy = Toy::new(None);
    let mut places = no_places(Path::new("."));
    places.hub_cache = None;
    let found = find(&places, &toy.entry, Split::Train, Vec::new(), &mut |_| {});
    assert_eq!(
        found.unwrap_err().to_string(),
        "no folder for the hub cache: neither HF_HUB_CACHE, HF_HOME nor a home folder is set; set one \
         of them"
    );
}

#[test]
fn a_set_without_files_in_the_table_takes_those_that_the_hub_lists_and_notes_them() {
    let mut toy = Toy::new(None);
    toy.entry = toy.entry.with_shards("", Vec::new(), Vec::new());
    let server = Server::new(&toy.content, "some-etag", 0);
    let list = |files: &[&'static str]| *server.state.files.lock().unwrap() = files.to_vec();
    list(&["README.md", "data/valid-0.parquet"]);
    let error = toy.message(&server.endpoint);
    assert!(
        error.contains(&format!("commit {REVISION} has no file data/train-*.parquet")),
        "{error}"
    );

    // What was noted is not asked for again.
    let note = toy.folder.path().join("ganbench/hub-listings/datasets--made--toy.json");
    std::fs::remove_file(&note).unwrap();
    list(&[
        "data/train-1.parquet",
        "data/../../train-0.parquet",
        "data/train-0.parquet",
        "x/train-2.parquet",
    ]);
    let files = toy.find(&server.endpoint).unwrap();
    let names: Vec<_> =
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["train-0.parquet", "train-1.parquet"]);
    assert!(files[0].starts_with(toy.repo().join("snapshots").join(REVISION)), "{files:?}");
    list(&["data/train-9.parquet"]);
    assert_eq!(toy.find(&server.endpoint).unwrap(), files);
    drop(server);
    assert_eq!(toy.find(NOWHERE).unwrap(), files);

    std::fs::write(&note, "{").unwrap();
    let error = toy.message(NOWHERE);
    assert!(error.contains("datasets--made--toy.json is damaged; delete it"), "{error}");
    std::fs::remove_file(&note).unwrap();
    let error = toy.message(NOWHERE);
    assert!(error.contains("could not be listed: "), "{error}");
}
