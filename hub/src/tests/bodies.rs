//! Hubs whose content is not what they promised, or does not come.

use std::sync::Arc;
use std::time::Duration;

use super::hostile::{Answers, Case, case, is_ok, run};
use super::server::{Asked, Server, Step, head, reply};
use super::{RepoType, Toy, content, kinds};
use crate::Limits;

/// The answer for the content: `answers` after an honest one for names and length.
fn body(
    name: &str,
    says: &str,
    answers: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
) -> Case {
    case(name, says, move |asked, _| if asked.is_probe() { is_ok(asked) } else { answers(asked) })
}

#[test]
fn a_body_ends_where_it_was_promised_to_end() {
    let endless = |headers: &[(&str, &str)], piece: &[u8]| {
        let mut steps = head("200 OK", headers);
        steps.push(Step::Repeat(piece.to_vec(), Duration::ZERO));
        steps
    };
    let mebibyte = vec![0; 1 << 20];
    let chunk = [b"100000\r\n", &mebibyte[..], b"\r\n"].concat();
    let long = "more than the promised 5000 bytes came from HUB";
    run(&[
        body("endless", long, move |_| endless(&[], &mebibyte)),
        body("endless in chunks", long, move |_| {
            endless(&[("Transfer-Encoding", "chunked")], &chunk)
        }),
        body("long", long, |_| reply("206 Partial Content", &[], &[7; 100_000])),
        body("one byte more", long, |_| reply("200 OK", &[], &[7; 5001])),
        body("packed", "has Content-Encoding \"gzip\", expected none", |_| {
            reply("200 OK", &[("Content-Encoding", "gzip")], &[0x1f, 0x8b, 8, 0])
        }),
        body("chunk of no size", "0 of 5000 bytes came: ", |_| {
            let mut steps = head("200 OK", &[("Transfer-Encoding", "chunked")]);
            steps.push(Step::Send(b"zzz\r\n".to_vec()));
            steps
        }),
        body("short", "4999 of 5000 bytes came", |asked| {
            let content = content();
            let from = asked.range.trim_end_matches('-').parse::<usize>().unwrap();
            let range = format!("bytes {from}-4999/5000");
            reply("206 Partial Content", &[("Content-Range", &range)], &content[from..4999])
        }),
        body("nothing", "0 of 5000 bytes came", |_| reply("206 Partial Content", &[], b"")),
    ]);
}

#[test]
fn a_part_that_was_not_asked_for_is_refused() {
    let mut cases = Vec::new();
    for range in [
        "bytes 1-4999/5000",
        "bytes 0-4998/5000",
        "bytes 0-4999/5001",
        "bytes 0-4999/*",
        "bytes 4999-0/5000",
        "bytes=0-4999/5000",
        "0-4999",
        "items 0-4999/5000",
        "",
    ] {
        let says = format!("has Content-Range {range:?}, expected \"bytes 0-4999/5000\"");
        cases.push(body(range, &says, move |_| {
            reply("206 Partial Content", &[("Content-Range", range)], &content())
        }));
    }
    run(&cases);
}

/// Times so short that a silent hub is soon given up. `answer` and `idle` in milliseconds.
fn hurried(toy: &mut Toy, answer: u64, idle: u64) {
    let (answer, idle) = (Duration::from_millis(answer), Duration::from_millis(idle));
    toy.limits = Limits { answer, idle, attempts: 1, ..toy.limits };
}

#[test]
fn a_hub_that_is_silent_or_slow_is_given_up() {
    let drip = |bytes: &[u8]| Step::Repeat(bytes.to_vec(), Duration::from_millis(20));
    let promised = || head("206 Partial Content", &[("Content-Length", "5000")]);
    let answers: [(&str, u64, u64, &str, Answers); 6] = [
        (
            "silent",
            400,
            60_000,
            "no whole answer of HUB within 0.4 s",
            Arc::new(|_, _| vec![Step::Hold]),
        ),
        (
            "slow head",
            400,
            60_000,
            "no whole answer of HUB within 0.4 s",
            Arc::new(move |_, _| {
                vec![Step::Send(b"HTTP/1.1 206 Partial Content\r\nX: ".to_vec()), drip(b"a")]
            }),
        ),
        (
            "silent for content",
            2000,
            60_000,
            "no whole answer of HUB within 2 s",
            Arc::new(|asked, _| if asked.is_probe() { is_ok(asked) } else { vec![Step::Hold] }),
        ),
        (
            "silent body",
            60_000,
            2000,
            "HUB sent less than 1 KiB per second for 2 s, so that 0 of 5000",
            Arc::new(move |asked, _| {
                if asked.is_probe() {
                    is_ok(asked)
                } else {
                    [promised(), vec![Step::Hold]].concat()
                }
            }),
        ),
        (
            "slow body",
            60_000,
            2000,
            "HUB sent less than 1 KiB per second for 2 s, so that ",
            Arc::new(move |asked, _| {
                if asked.is_probe() {
                    is_ok(asked)
                } else {
                    [promised(), vec![drip(b"x")]].concat()
                }
            }),
        ),
        (
            "slow chunks",
            60_000,
            2000,
            "HUB sent less than 1 KiB per second for 2 s, so that ",
            Arc::new(move |asked, _| {
                let chunked = head("200 OK", &[("Transfer-Encoding", "chunked")]);
                if asked.is_probe() {
                    is_ok(asked)
                } else {
                    [chunked, vec![drip(b"1\r\nx\r\n")]].concat()
                }
            }),
        ),
    ];
    std::thread::scope(|scope| {
        for (name, answer, idle, says, answers) in &answers {
            for mut toy in kinds() {
                scope.spawn(move || {
                    hurried(&mut toy, *answer, *idle);
                    let answers = Arc::clone(answers);
                    let server = Server::new(move |asked, before| answers(asked, before));
                    let message = toy.message(&server);
                    assert!(message.contains(says), "{name}: {message}");
                    toy.check_victim(name);
                });
            }
        }
    });
}

#[test]
fn a_listing_that_is_none_or_too_long_is_refused() {
    let json = |text: String| reply("200 OK", &[], text.as_bytes());
    let sha = |sha: &str| format!("{{\"sha\": {sha}, \"siblings\": []}}");
    let endless = |headers: &[(&str, &str)], piece: &[u8]| {
        [head("200 OK", headers), vec![Step::Repeat(piece.to_vec(), Duration::ZERO)]].concat()
    };
    let long = "the list of files is longer than 16777216 bytes";
    let wrong = "the list of files is not as expected: ";
    let cases: Vec<(&str, &str, Answers)> = vec![
        ("html", wrong, Arc::new(move |_, _| json("<html>".into()))),
        ("nothing", wrong, Arc::new(move |_, _| json(String::new()))),
        ("null", wrong, Arc::new(move |_, _| json("{\"sha\": null, \"siblings\": null}".into()))),
        ("deep", wrong, Arc::new(move |_, _| json(format!("{{\"sha\":{}", "[".repeat(1_000_000))))),
        (
            "deep aside",
            wrong,
            Arc::new(move |_, _| json(format!("{{\"x\":{}", "[".repeat(1_000_000)))),
        ),
        (
            "path",
            "the commit is \"../../x\", expected",
            Arc::new(move |_, _| json(sha("\"../../x\""))),
        ),
        (
            "escape",
            "the commit is \"\\u{1b}[31m\"",
            Arc::new(move |_, _| json(sha("\"\\u001b[31m\""))),
        ),
        (
            "long sha",
            "expected 40 hexadecimal digits",
            Arc::new(move |_, _| json(sha(&format!("\"{}\"", "a".repeat(100_000))))),
        ),
        ("bytes", wrong, Arc::new(|_, _| reply("200 OK", &[], &[0xff; 100]))),
        ("endless", long, Arc::new(move |_, _| endless(&[], &[b' '; 1 << 20]))),
        (
            "promised to be long",
            long,
            Arc::new(|_, _| head("200 OK", &[("Content-Length", "16777217")])),
        ),
        (
            "packed",
            "has Content-Encoding \"gzip\"",
            Arc::new(|_, _| reply("200 OK", &[("Content-Encoding", "gzip")], &[0x1f, 0x8b, 8, 0])),
        ),
        (
            "cut off",
            "bytes came: ",
            Arc::new(|_, _| {
                [head("200 OK", &[("Content-Length", "90")]), vec![Step::Send(b"{".to_vec())]]
                    .concat()
            }),
        ),
        ("status", "HUB answered with status 404", Arc::new(|_, _| reply("404 No", &[], b"x"))),
        (
            "loop",
            "more than 10 redirects",
            Arc::new(|_, _| reply("302 X", &[("Location", "/")], b"")),
        ),
    ];
    for (name, says, answers) in &cases {
        let mut toy = Toy::new(RepoType::Dataset);
        toy.limits.attempts = 2;
        let answers = Arc::clone(answers);
        let server = Server::new(move |asked, before| answers(asked, before));
        let error = toy.hub(&server.endpoint).listing(&toy.repository()).unwrap_err();
        let message = toy.said(&error, &server.endpoint);
        assert!(message.contains(says), "{name}: {message}");
        assert!(!message.contains(['\n', '\u{1b}']) && message.len() < 700, "{name}: {message}");
        assert!(!toy.cache().exists(), "{name}");
    }
}
