//! A small HTTP server that answers as it is told, honestly or not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub path: String,
    /// As in `0-0`.
    pub range: String,
    pub authorization: String,
}

impl Asked {
    /// Whether it is the one for names and length.
    pub fn is_probe(&self) -> bool {
        self.range == "0-0"
    }
}

/// A piece of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// Sends this again and again until the client goes away, or a gibibyte was sent.
    Repeat(Vec<u8>, Duration),
    /// Waits until the client goes away.
    Hold,
}

type Answers = dyn Fn(&Asked, usize) -> Vec<Step> + Send + Sync;

pub struct Server {
    pub endpoint: String,
    closed: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// `answers` is given each request and how many came before.
    pub fn new(answers: impl Fn(&Asked, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (closed, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let answers: Arc<Answers> = Arc::new(answers);
        let (is_closed, log) = (Arc::clone(&closed), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_closed.load(Ordering::SeqCst) {
                    break;
                }
                let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
                // A client that goes away is no fault of the server.
                std::thread::spawn(move || {
                    stream.and_then(|stream| answer(stream, &log, answers.as_ref()))
                });
            }
        });
        Self { endpoint, closed, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the thread; it may be gone already.
        let _ = TcpStream::connect(self.endpoint.trim_start_matches("http://"));
    }
}

fn answer(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    answers: &Answers,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut asked = Asked { path, ..Asked::default() };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = value.trim_start_matches("bytes=").to_owned(),
            "authorization" => asked.authorization = value.to_owned(),
            _ => {}
        }
    }
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    for step in answers(&asked, before) {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes)?,
            Step::Repeat(bytes, pause) => {
                for _ in 0..(1 << 30) / bytes.len() {
                    stream.write_all(&bytes)?;
                    stream.flush()?;
                    std::thread::sleep(pause);
                }
            }
            Step::Hold => {
                stream.read_to_end(&mut Vec::new())?;
            }
        }
    }
    Ok(())
}

/// A whole answer that says how long it is.
pub fn reply(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let length = body.len().to_string();
    let mut steps = head(status, &[headers, &[("Content-Length", &length)]].concat());
    steps.push(Step::Send(body.to_vec()));
    steps
}

/// The head of an answer.
pub fn head(status: &str, headers: &[(&str, &str)]) -> Vec<Step> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for (name, value) in headers {
        text.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    text.extend(b"\r\n");
    vec![Step::Send(text)]
}

/// As the hub answers for a file.
pub fn honest(asked: &Asked, content: &[u8], etag: &str) -> Vec<Step> {
    let (from, to) = asked.range.split_once('-').unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let end = to.parse().map_or(content.len(), |to: usize| to + 1);
    if from >= content.len() {
        return reply("416 Range Not Satisfiable", &[], b"");
    }
    let range = format!("bytes {from}-{}/{}", end - 1, content.len());
    let names = [("ETag", etag), ("X-Repo-Commit", COMMIT), ("Content-Range", &range)];
    reply("206 Partial Content", &names, &content[from..end])
}
