//! Hubs that mean harm or are broken. Whatever they answer, nothing outside of the cache is
//! touched, nothing is taken for whole that is not, no more than was promised lies on the disk, and
//! the fault is said in one sentence.

use std::sync::Arc;

use super::server::{Asked, COMMIT, Server, Step, head, honest, reply};
use super::{bytes_below, content, kinds};
pub type Answers = Arc<dyn Fn(&Asked, usize) -> Vec<Step> + Send + Sync>;

/// A hub, and how the sentence about it ends or what it holds.
pub struct Case {
    name: String,
    answers: Answers,
    says: String,
}

pub fn case(
    name: impl Into<String>,
    says: impl Into<String>,
    answers: impl Fn(&Asked, usize) -> Vec<Step> + Send + Sync + 'static,
) -> Case {
    Case { name: name.into(), says: says.into(), answers: Arc::new(answers) }
}

pub fn is_ok(asked: &Asked) -> Vec<Step> {
    honest(asked, &content(), "tag")
}

/// The answer for names and length with other headers.
fn probe(headers: &[(&str, &str)]) -> Vec<Step> {
    reply("206 Partial Content", headers, b"x")
}

/// Runs every case for data sets and for weights.
pub fn run(cases: &[Case]) {
    for case in cases {
        for mut toy in kinds() {
            toy.limits.attempts = 2;
            let answers = Arc::clone(&case.answers);
            let server = Server::new(move |asked, before| answers(asked, before));
            let message = toy.message(&server);
            let what = format!("{}: {message}", case.name);
            assert!(message.contains(&case.says), "{what}, expected {}", case.says);
            assert!(!message.contains(['\n', '\u{1b}', '\0']) && message.len() < 700, "{what}");
            toy.check_victim(&what);
            // A lock, a part, and no more.
            assert!(bytes_below(&toy.cache()) <= toy.content.len() as u64 + 200, "{what}");
            assert!(!toy.repository().snapshot(&toy.cache()).join(super::FILE).exists(), "{what}");
            assert!(server.asked().len() <= 24, "{what}: {} requests", server.asked().len());
        }
    }
}

const NAMES: [&str; 12] = [
    "/etc/passwd",
    "/tmp/../victim",
    "../../../../victim",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    ".hidden",
    "a b",
    "tag.part",
    "tag.lock",
];

#[test]
fn a_name_that_leads_out_of_the_cache_is_refused_in_whichever_answer_it_comes() {
    let long = "a".repeat(300);
    let mut cases = Vec::new();
    for name in NAMES.into_iter().chain([long.as_str(), "\u{e9}", "x\u{1b}[31m"]) {
        for header in ["ETag", "X-Linked-Etag", "X-Repo-Commit"] {
            let says = if name.is_ascii() && !name.contains('\u{1b}') {
                let called = if header == "X-Repo-Commit" { header } else { "ETag" };
                format!("the answer of HUB has {called} ")
            } else {
                // Not every byte is one of a header.
                "HUB".to_owned()
            };
            let headers = move |asked: &Asked, name: &str| {
                let Step::Send(head) = is_ok(asked).remove(0) else { unreachable!() };
                let text = String::from_utf8(head).unwrap();
                let of =
                    |header: &str| text.lines().find(|l| l.starts_with(header)).unwrap().to_owned();
                let old = of(if header == "X-Repo-Commit" { header } else { "ETag" });
                let mut steps = is_ok(asked);
                steps[0] =
                    Step::Send(text.replace(&old, &format!("{header}: {name}")).into_bytes());
                steps
            };
            let always = name.to_owned();
            cases.push(case(format!("{header} {name:?}"), &says, move |asked, _| {
                headers(asked, &always)
            }));
            // The first answer is harmless, and the next one is not.
            let second = name.to_owned();
            cases.push(case(format!("second {header} {name:?}"), &says, move |asked, _| {
                if asked.is_probe() { is_ok(asked) } else { headers(asked, &second) }
            }));
        }
    }
    assert_eq!(cases.len(), 90);
    run(&cases);
}

#[test]
fn names_that_change_between_two_answers_are_an_error() {
    let other = "1".repeat(40);
    let commit = other.clone();
    let with = |asked: &Asked, etag: &str, commit: &str| {
        let Step::Send(head) = honest(asked, &content(), etag).remove(0) else { unreachable!() };
        let head = String::from_utf8(head).unwrap().replace(COMMIT, commit);
        let mut steps = honest(asked, &content(), etag);
        steps[0] = Step::Send(head.into_bytes());
        steps
    };
    run(&[
        case(
            "content",
            "the content changed between two answers, from \"tag\" to \"other\"; try again",
            move |asked, _| with(asked, if asked.is_probe() { "tag" } else { "other" }, COMMIT),
        ),
        case(
            "commit",
            format!("the commit changed between two answers, from \"{COMMIT}\" to \"{commit}\""),
            move |asked, _| with(asked, "tag", if asked.is_probe() { COMMIT } else { &commit }),
        ),
        case(
            "another commit",
            format!("the hub answers with commit \"{other}\", expected {COMMIT}"),
            move |asked, _| with(asked, "tag", &"1".repeat(40)),
        ),
        case("none", "has no ETag or no X-Repo-Commit", |_, _| {
            probe(&[("Content-Range", "bytes 0-0/5000")])
        }),
        case("no commit", "has no ETag or no X-Repo-Commit", |_, _| {
            probe(&[("Content-Range", "bytes 0-0/5000"), ("ETag", "tag")])
        }),
    ]);
}

#[test]
fn a_length_that_is_missing_wrong_or_too_large_is_refused() {
    let mut cases: Vec<Case> = Vec::new();
    for (range, says) in [
        ("bytes 0-0/*", "has Content-Range \"bytes 0-0/*\", expected \"bytes 0-0/LENGTH\""),
        ("bytes 0-0", "has Content-Range"),
        ("", "has Content-Range"),
        ("bytes 0-0/-1", "has Content-Range"),
        ("bytes 0-0/1e9", "has Content-Range"),
        ("bytes 0-0/99999999999999999999999", "has Content-Range"),
        ("bytes 0-0/18446744073709551615", "bytes were promised, at most 68719476736 are taken"),
        ("bytes 0-0/68719476737", "bytes were promised, at most 68719476736 are taken"),
        ("bytes 0-0/0", "HUB says that the file is empty"),
    ] {
        cases.push(case(range, says, move |_, _| {
            probe(&[("Content-Range", range), ("ETag", "tag"), ("X-Repo-Commit", COMMIT)])
        }));
    }
    let names = [("ETag", "tag"), ("X-Repo-Commit", COMMIT)];
    cases.push(case("no range", "did not say how long the file is", move |_, _| probe(&names)));
    cases.push(case("no length", "did not say how long the file is", move |_, _| {
        let mut steps = head("200 OK", &names);
        steps.push(Step::Send(b"x".to_vec()));
        steps
    }));
    cases.push(case("two lengths", "5000 bytes were promised, expected 4000", move |asked, _| {
        let range = [("X-Linked-Size", "4000"), ("Content-Range", "bytes 0-0/5000")];
        if asked.is_probe() { probe(&[names, range].concat()) } else { is_ok(asked) }
    }));
    cases.push(case(
        "linked length",
        "has X-Linked-Size \"many\", expected a number",
        move |_, _| probe(&[&names[..], &[("X-Linked-Size", "many")]].concat()),
    ));
    run(&cases);
}

#[test]
fn redirects_end_and_lead_to_the_web_only() {
    let mut cases = Vec::new();
    for (to, says) in [
        (None, "answered with status 302 but not where to go: Location is missing"),
        (Some(""), "answered with status 302 but not where to go: Location is missing"),
        (Some("/again"), "more than 10 redirects, the last one by HUB"),
        (Some("again"), "more than 10 redirects, the last one by HUB"),
        (Some("?again"), "more than 10 redirects, the last one by HUB"),
        (Some("//"), "HUB leads to \"//\", expected an http or https address"),
        (Some("file:///etc/passwd"), "leads to \"file:///etc/passwd\", expected an http"),
        (Some("ftp://127.0.0.1/x"), "expected an http or https address"),
        (Some("javascript:alert(1)"), "expected an http or https address"),
        (Some("http://"), "expected an http or https address"),
        (Some("http:///x"), "expected an http or https address"),
        (Some("http://[::1"), "expected an http or https address"),
        (Some("http://127.0.0.1:99999/"), "expected an http or https address"),
        (Some("http://127.0.0.1:9/"), "no connection to 127.0.0.1:9: "),
        (Some("ht!tp://x"), "expected an http or https address"),
    ] {
        for status in ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"] {
            let number = &status[..3];
            let says = says.replace("302", number);
            let redirect = move || match to {
                Some(to) => reply(status, &[("Location", to)], b""),
                None => reply(status, &[], b""),
            };
            cases.push(case(format!("{status} to {to:?}"), &says, move |_, _| redirect()));
            cases.push(case(format!("content, {status} to {to:?}"), &says, move |asked, _| {
                if asked.is_probe() { is_ok(asked) } else { redirect() }
            }));
        }
    }
    run(&cases);
}

#[test]
fn a_way_from_https_to_http_is_refused() {
    use ureq::http::{HeaderMap, HeaderValue, Uri};
    let from: Uri = "https://hub.co/a/b".parse().unwrap();
    for (location, is_refused) in
        [("http://hub.co/a", true), ("https://x/", false), ("//x/", false), ("/x", false)]
    {
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_static(location));
        let next = crate::http::next(&from, "hub.co", 302, &headers);
        if is_refused {
            let end = "which anyone on the way could change";
            let wanted = format!("hub.co leads from https to {location:?}, {end}");
            assert_eq!(next.unwrap_err().to_string(), wanted);
        } else {
            assert_eq!(next.unwrap().scheme_str(), Some("https"));
        }
    }
}

#[test]
fn every_other_status_is_named() {
    let mut cases = Vec::new();
    for status in [
        201, 204, 205, 207, 299, 300, 304, 305, 306, 399, 400, 401, 403, 404, 405, 410, 416, 418,
        429, 451, 500, 501, 502, 503, 504, 511, 599,
    ] {
        let says = format!("HUB answered with status {status}");
        let line = format!("{status} Status");
        let text = line.clone();
        cases.push(case(&line, &says, move |_, _| {
            let names = [("ETag", "tag"), ("X-Repo-Commit", COMMIT)];
            // These have no body.
            if [204, 205, 304].contains(&status) {
                head(&text, &names)
            } else {
                reply(&text, &names, b"x")
            }
        }));
        let text = line.clone();
        cases.push(case(format!("content, {line}"), &says, move |asked, _| {
            if asked.is_probe() { is_ok(asked) } else { head(&text, &[]) }
        }));
    }
    run(&cases);
}

#[test]
fn what_is_no_http_is_an_error() {
    let many = "X-Much: 1\r\n".repeat(20_000);
    let long = format!("HTTP/1.1 206 Partial Content\r\nX-Long: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("HTTP/1.1 206 Partial Content\r\n{many}\r\n");
    let mut cases = Vec::new();
    for raw in [
        "",
        "\r\n\r\n",
        "HTTP/1.1",
        "HTTP/1.1 206",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nETag: tag\r\nX-Repo-Commit: ",
        long.as_str(),
        many.as_str(),
    ] {
        let bytes = raw.as_bytes().to_vec();
        let name = format!("raw {:?}", raw.chars().take(40).collect::<String>());
        let content = bytes.clone();
        cases.push(case(&name, "HUB", move |_, _| vec![Step::Send(bytes.clone())]));
        cases.push(case(format!("content, {name}"), "HUB", move |asked, _| {
            if asked.is_probe() { is_ok(asked) } else { vec![Step::Send(content.clone())] }
        }));
    }
    for length in ["many", "-5", "99999999999999999999999", "1, 2"] {
        cases.push(case(format!("length {length}"), "", move |_, _| {
            head(
                "200 OK",
                &[("Content-Length", length), ("ETag", "tag"), ("X-Repo-Commit", COMMIT)],
            )
        }));
    }
    run(&cases);
}
