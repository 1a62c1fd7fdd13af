//! Against a small HTTP server, for data sets and for weights.

mod bodies;
mod hostile;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use server::{Asked, COMMIT, Server, Step, head, honest, reply};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{Hub, HubError, Limits, RepoType, Repository, Wanted};

const FILE: &str = "data/train-0.parquet";

/// A folder with a cache and a file that no hub may touch.
struct Toy {
    folder: TempDir,
    kind: RepoType,
    content: Vec<u8>,
    limits: Limits,
}

impl Toy {
    fn new(kind: RepoType) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("victim"), "precious").unwrap();
        // Long times, since a busy machine stops for a moment now and then.
        let long = Duration::from_secs(60);
        let limits = Limits { pause: Duration::from_millis(1), ..Limits::default() };
        Self { folder, kind, content: content(), limits: limits.with_timeout(long) }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn repository(&self) -> Repository {
        Repository::new("made/toy", self.kind, COMMIT)
    }

    fn hub(&self, endpoint: &str) -> Hub {
        Hub::new(endpoint, &self.cache(), self.limits).unwrap()
    }

    fn fetch(&self, endpoint: &str) -> Result<Vec<u8>, HubError> {
        let repository = self.repository();
        let wanted = Wanted { repository: &repository, file: FILE, sha256: None };
        let fetched = self.hub(endpoint).fetch(wanted, &mut |_, _| {})?;
        assert_eq!(fetched.path, repository.snapshot(&self.cache()).join(FILE));
        let bytes = fs::read(&fetched.path).unwrap();
        assert_eq!(fetched.sha256, sha256(&bytes));
        Ok(bytes)
    }

    fn message(&self, server: &Server) -> String {
        self.said(&self.fetch(&server.endpoint).unwrap_err(), &server.endpoint)
    }

    /// With the address and the folder of the test cut out.
    fn said(&self, error: &HubError, endpoint: &str) -> String {
        let text = error.to_string().replace(&self.folder.path().display().to_string(), "DIR");
        text.replace(endpoint.trim_start_matches("http://"), "HUB")
    }

    fn beside_blob(&self, name: &str) -> PathBuf {
        self.cache().join(self.repository().folder_name()).join("blobs").join(name)
    }

    fn put_beside(&self, name: &str, bytes: &[u8]) {
        let path = self.beside_blob(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn check_victim(&self, what: &str) {
        assert_eq!(fs::read(self.folder.path().join("victim")).unwrap(), b"precious", "{what}");
        let mut names: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.retain(|name| name != "cache");
        assert_eq!(names, ["victim"], "{what}");
    }
}

/// What the hub has.
fn content() -> Vec<u8> {
    (0..5000u32).map(|i| (i * i / 7) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kinds() -> [Toy; 2] {
    [RepoType::Dataset, RepoType::Model].map(Toy::new)
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let entries = entries.map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => bytes_below(&entry.path()),
        kind if kind.is_file() => entry.metadata().unwrap().len(),
        _ => 0,
    });
    bytes.sum()
}

#[test]
fn a_file_lands_where_huggingface_hub_looks_for_it() {
    for toy in kinds() {
        let content = toy.content.clone();
        let server = Server::new(move |asked, _| honest(asked, &content, "\"tag\""));
        assert_eq!(toy.fetch(&server.endpoint).unwrap(), toy.content);
        let repo = toy.cache().join(toy.repository().folder_name());
        assert_eq!(fs::read_to_string(repo.join("refs").join(COMMIT)).unwrap(), COMMIT);
        assert_eq!(fs::read(repo.join("blobs/tag")).unwrap(), toy.content);
        #[cfg(unix)]
        {
            let link = fs::read_link(repo.join("snapshots").join(COMMIT).join(FILE)).unwrap();
            assert_eq!(link, Path::new("../../../blobs/tag"));
        }
        // Content that is there already is only pointed to.
        fs::remove_dir_all(repo.join("snapshots")).unwrap();
        assert_eq!(toy.fetch(&server.endpoint).unwrap(), toy.content);
        let ranges: Vec<_> = server.asked().into_iter().map(|asked| asked.range).collect();
        assert_eq!(ranges, ["0-0", "0-", "0-0"]);
    }
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    for toy in kinds() {
        let content = toy.content.clone();
        let server = Server::new(move |asked, before| {
            let mut steps = honest(asked, &content, "tag");
            if before == 1 {
                // The head promises the whole.
                steps[1] = Step::Send(content[..1234].to_vec());
            }
            steps
        });
        let mut done = Vec::new();
        let repository = toy.repository();
        let wanted = Wanted { repository: &repository, file: FILE, sha256: None };
        toy.hub(&server.endpoint).fetch(wanted, &mut |got, _| done.push(got)).unwrap();
        let ranges: Vec<_> = server.asked().into_iter().map(|asked| asked.range).collect();
        assert_eq!(ranges, ["0-0", "0-", "0-0", "1234-"]);
        assert!(done.contains(&1234) && done.last() == Some(&5000), "{done:?}");
    }
}

#[test]
fn a_server_that_ignores_or_forgets_where_to_go_on_is_asked_for_the_whole() {
    type Answers = fn(&Asked, &[u8]) -> Vec<Step>;
    let ignores: Answers =
        |_, content| reply("200 OK", &[("ETag", "tag"), ("X-Repo-Commit", COMMIT)], content);
    let refuses: Answers = |asked, content| match asked.range.as_str() {
        "0-0" | "0-" => honest(asked, content, "tag"),
        _ => reply("416 Range Not Satisfiable", &[], b""),
    };
    let forgets: Answers = |asked, content| match asked.range.as_str() {
        "0-0" | "0-" => honest(asked, content, "tag"),
        _ => reply("206 Partial Content", &[], &content[100..]),
    };
    for answers in [ignores, refuses, forgets] {
        for toy in kinds() {
            let content = toy.content.clone();
            let server = Server::new(move |asked, _| answers(asked, &content));
            toy.put_beside("tag.part", &toy.content[..100]);
            assert_eq!(toy.fetch(&server.endpoint).unwrap(), toy.content);
        }
    }
}

#[test]
fn a_server_that_brings_much_and_begins_anew_each_time_is_given_up() {
    let toy = Toy::new(RepoType::Dataset);
    let names = [("ETag", "tag"), ("X-Repo-Commit", COMMIT), ("Content-Length", "6000000")];
    let server = Server::new(move |asked, _| {
        let whole = head("200 OK", &names);
        let piece = if asked.is_probe() { Vec::new() } else { vec![7; 3 << 20] };
        [whole, vec![Step::Send(piece)]].concat()
    });
    let message = toy.message(&server);
    assert!(message.starts_with("3145728 of 6000000 bytes came"), "{message}");
    assert_eq!(server.asked().len() as u32, 2 * toy.limits.attempts);
}

#[test]
fn a_line_that_breaks_off_more_often_than_attempts_are_made_is_enough_if_it_brings_much() {
    let mut toy = Toy::new(RepoType::Dataset);
    let content = vec![7; 9 << 20];
    toy.limits.attempts = 2;
    let etag = sha256(&content);
    let server = Server::new(move |asked, _| {
        let mut steps = honest(asked, &content, &etag);
        if let Step::Send(bytes) = &mut steps[1] {
            bytes.truncate(2 << 20);
        }
        steps
    });
    assert_eq!(toy.fetch(&server.endpoint).unwrap().len(), 9 << 20);
    assert_eq!(server.asked().len(), 10);
}

#[test]
fn a_part_of_other_content_is_found_out_by_its_hash_and_removed() {
    for toy in kinds() {
        let (content, etag) = (toy.content.clone(), sha256(&toy.content));
        let (part, tag) = (format!("{etag}.part"), etag.clone());
        let server = Server::new(move |asked, _| honest(asked, &content, &tag));
        toy.put_beside(&part, &[7; 50]);
        let message = toy.message(&server);
        assert!(
            message.ends_with(&format!("expected {etag}; the download was removed; try again"))
        );
        assert!(!toy.beside_blob(&part).exists() && !toy.beside_blob(&etag).exists());
        // Whole, too long, and content under the name that is not what it says.
        for (name, bytes) in [
            (&part, toy.content.clone()),
            (&part, [&toy.content[..], b"more"].concat()),
            (&etag, vec![7; 5000]),
            (&etag, vec![7; 50]),
        ] {
            toy.put_beside(name, &bytes);
            assert_eq!(toy.fetch(&server.endpoint).unwrap(), toy.content);
            fs::remove_dir_all(toy.cache()).unwrap();
        }
    }
}

#[test]
fn a_pinned_hash_counts_more_than_the_hubs() {
    let toy = Toy::new(RepoType::Model);
    let (content, etag) = (toy.content.clone(), sha256(&toy.content));
    let server = Server::new(move |asked, _| honest(asked, &content, &etag));
    let (repository, other) = (toy.repository(), "F".repeat(64));
    let wanted = Wanted { repository: &repository, file: FILE, sha256: Some(&other) };
    let error = toy.hub(&server.endpoint).fetch(wanted, &mut |_, _| {}).unwrap_err();
    let (got, expected) = (sha256(&toy.content), "f".repeat(64));
    assert!(matches!(error, HubError::Hash { got: g, expected: e } if g == got && e == expected));
}

#[test]
#[cfg(unix)]
fn links_in_the_cache_are_refused_or_replaced_and_never_written_through() {
    for toy in kinds() {
        let content = toy.content.clone();
        let server = Server::new(move |asked, _| honest(asked, &content, "tag"));
        let repo = toy.cache().join(toy.repository().folder_name());
        let victim = toy.folder.path().join("victim");
        let link = |place: &str| {
            let path = repo.join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(&victim, &path).unwrap();
            path
        };
        for place in ["blobs/tag.lock", "blobs/tag.part"] {
            let path = link(place);
            let message = toy.message(&server);
            let end = "it is a link, expected a regular file; remove it or give another path";
            assert!(message.ends_with(end) && message.contains(place), "{message}");
            fs::remove_file(path).unwrap();
        }
        // A second name of the file, which is no link.
        fs::hard_link(&victim, repo.join("blobs/tag.part")).unwrap();
        let pointer = format!("snapshots/{COMMIT}/{FILE}");
        for place in ["blobs/tag", &format!("refs/{COMMIT}"), &pointer] {
            link(place);
        }
        assert_eq!(toy.fetch(&server.endpoint).unwrap(), toy.content);
        toy.check_victim("links");
    }
}

#[test]
fn a_file_that_another_process_downloads_is_left_to_it() {
    let mut toy = Toy::new(RepoType::Dataset);
    toy.limits.patience = Duration::from_millis(20);
    let content = toy.content.clone();
    let server = Server::new(move |asked, _| honest(asked, &content, "tag"));
    toy.put_beside("tag.lock", b"");
    let lock =
        ganbench_files::shared::Lock::try_take(&toy.beside_blob("tag.lock")).unwrap().unwrap();
    let message = toy.message(&server);
    assert!(message.starts_with(&format!("process {}", std::process::id())), "{message}");
    assert!(message.contains(" is downloading it (it holds DIR/cache/"), "{message}");
    drop(lock);
    assert_eq!(toy.fetch(&server.endpoint).unwrap(), toy.content);
}

#[test]
fn the_token_goes_to_the_hub_and_not_to_where_it_leads() {
    let toy = Toy::new(RepoType::Model);
    let content = toy.content.clone();
    let elsewhere = Server::new(move |asked, _| honest(asked, &content, "other"));
    let target = format!("{}/signed?key=1", elsewhere.endpoint);
    let hub = Server::new(move |asked, _| match asked.path.as_str() {
        "/renamed" => reply(
            "302 Found",
            &[
                ("Location", &target),
                ("X-Linked-Etag", "\"tag\""),
                ("ETag", "\"of the redirect\""),
                ("X-Repo-Commit", COMMIT),
                ("X-Linked-Size", "5000"),
            ],
            b"",
        ),
        _ => reply("307 Temporary Redirect", &[("Location", "/renamed")], b""),
    });
    let (repository, cache) = (toy.repository(), toy.cache());
    let wanted = Wanted { repository: &repository, file: FILE, sha256: None };
    let client = Hub::new(&hub.endpoint, &cache, toy.limits).unwrap();
    let client = client.with_token(Some("secret".into()));
    // The other server names a commit of its own, as no store does: it contradicts the hub.
    let error = client.fetch(wanted, &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("the content changed between two answers, from \"tag\""), "{error}");
    assert!(hub.asked().iter().all(|asked| asked.authorization == "Bearer secret"));
    assert!(!elsewhere.asked().is_empty());
    assert!(elsewhere.asked().iter().all(|asked| asked.authorization.is_empty()));
}

#[test]
fn names_come_from_the_hub_and_content_from_the_store_that_it_leads_to() {
    for toy in kinds() {
        let content = toy.content.clone();
        let store = Server::new(move |asked, _| {
            let mut steps = honest(asked, &content, "\"of the store\"");
            if let Step::Send(head) = &mut steps[0] {
                let text = String::from_utf8(head.clone()).unwrap();
                *head = text.replace("X-Repo-Commit", "X-Nothing").into_bytes();
            }
            steps
        });
        let target = format!("{}/signed", store.endpoint);
        let names = [("X-Linked-Etag", "\"tag\""), ("X-Repo-Commit", COMMIT)];
        let hub = Server::new(move |_, _| {
            let headers = [&names[..], &[("X-Linked-Size", "5000"), ("Location", &target)]];
            reply("302 Found", &headers.concat(), b"")
        });
        assert_eq!(toy.fetch(&hub.endpoint).unwrap(), toy.content);
        assert!(toy.beside_blob("tag").is_file());
    }
}

#[test]
fn a_busy_hub_is_asked_again_and_one_that_asks_for_long_waits_is_not_waited_for() {
    for toy in kinds() {
        let content = toy.content.clone();
        let server = Server::new(move |asked, before| match before {
            0 => reply("503 Service Unavailable", &[], b""),
            1 => reply("429 Too Many Requests", &[("Retry-After", "1")], b""),
            _ => honest(asked, &content, "tag"),
        });
        let start = std::time::Instant::now();
        assert_eq!(toy.fetch(&server.endpoint).unwrap(), toy.content);
        assert!(start.elapsed() >= Duration::from_secs(1), "did not wait as asked");

        let busy = Server::new(|_, _| reply("429 Slow Down", &[("Retry-After", "3600")], b""));
        assert_eq!(toy.message(&busy), "HUB answered with status 429 and asks to wait 3600 s");
        assert_eq!(busy.asked().len(), 1);
        let down = Server::new(|_, _| reply("500 Oh", &[("Retry-After", "soon")], b""));
        assert_eq!(toy.message(&down), "HUB answered with status 500");
        assert_eq!(down.asked().len() as u32, toy.limits.attempts);
    }
}

#[test]
fn a_listing_has_the_files_whose_names_may_become_paths() {
    let toy = Toy::new(RepoType::Dataset);
    let server = Server::new(|asked, _| {
        assert_eq!(asked.path, format!("/api/datasets/made/toy/revision/{COMMIT}"));
        let names =
            ["b/2", "/etc/passwd", "b/../../x", "a\\u0000b", "\\u001b[31m", "", "b/1", "b/1"];
        let names = names.map(|name| format!("{{\"rfilename\": \"{name}\", \"size\": 1}}"));
        let json =
            format!("{{\"x\": [], \"sha\": \"{COMMIT}\", \"siblings\": [{}]}}", names.join(","));
        reply("200 OK", &[], json.as_bytes())
    });
    let listing = toy.hub(&server.endpoint).listing(&toy.repository()).unwrap();
    assert_eq!(
        (listing.commit.as_str(), listing.files),
        (COMMIT, vec!["b/1".into(), "b/2".into()])
    );
}

#[test]
fn names_of_the_caller_that_lead_out_of_the_cache_are_refused_before_a_request() {
    let toy = Toy::new(RepoType::Dataset);
    let hub = toy.hub("http://127.0.0.1:9");
    for (id, revision, file) in [
        ("../x", COMMIT, FILE),
        ("a/b", "a/b", FILE),
        ("a/b", COMMIT, "/x"),
        ("a/b", COMMIT, "x/.."),
    ] {
        let repository = Repository::new(id, RepoType::Dataset, revision);
        let wanted = Wanted { repository: &repository, file, sha256: None };
        let error = hub.fetch(wanted, &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.ends_with("leads out of the cache"), "{error}");
    }
    assert!(!toy.cache().exists());
}

#[test]
fn times_are_taken_from_the_variables_and_other_text_is_refused() {
    let of = |text: &str| {
        Limits::from_variables(|name| (name == "HF_HUB_ETAG_TIMEOUT").then(|| text.to_owned()))
    };
    let limits = of("2.5").unwrap();
    let time = Duration::from_millis(2500);
    assert_eq!(limits, Limits { connect: time, answer: time, ..Limits::default() });
    assert_eq!(of("").unwrap(), Limits::default());
    for text in ["0", "-1", "nan", "inf", "1e300", "soon", "86401"] {
        assert_eq!(
            of(text).unwrap_err().to_string(),
            format!(
                "HF_HUB_ETAG_TIMEOUT is {text:?}, expected a number of seconds from 0.001 to 86400"
            )
        );
    }
    for endpoint in ["", "hub", "ftp://hub", "http://", "file:///etc", "https://hub/?a=b"] {
        let made = Hub::new(endpoint, Path::new("."), Limits::default());
        let error = made.err().unwrap().to_string();
        let end = "expected an http or https address; correct HF_ENDPOINT";
        assert_eq!(error, format!("the endpoint is {endpoint:?}, {end}"));
    }
}

#[test]
fn a_location_is_read_as_a_browser_reads_it() {
    let from = "https://hub.co:8443/a/b?c=d".parse().unwrap();
    for (location, to) in [
        ("http://x/y", Some("http://x/y")),
        ("//x/y?z", Some("https://x/y?z")),
        ("/y#part", Some("https://hub.co:8443/y")),
        ("y:z", None),
        ("y/z", Some("https://hub.co:8443/a/y/z")),
        ("?q", Some("https://hub.co:8443/a/b?q")),
        ("https://[::1", None),
    ] {
        let got = crate::http::resolved(&from, location).filter(|to| to.scheme().is_some());
        assert_eq!(got.map(|uri| uri.to_string()).as_deref(), to, "{location}");
    }
}
