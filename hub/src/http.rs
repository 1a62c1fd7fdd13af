//! One request: its redirects, its times, and who gets the token.

use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body, Error, Timeout};

use crate::error::HubError;
use crate::limits::{Limits, MOST_REDIRECTS};
use crate::names::{Names, text};

/// Makes requests to a hub and to where it leads.
pub(crate) struct Http {
    agent: Agent,
    endpoint: Uri,
    /// Goes to the hub itself and to no other host.
    pub token: Option<String>,
    limits: Limits,
}

/// Status 200 or 206, after redirects.
pub(crate) struct Answer {
    pub host: String,
    response: Response<Body>,
    /// As the first answer on the way gave them that did.
    pub names: Option<Names>,
}

impl Http {
    /// # Errors
    /// If the endpoint is no http or https address.
    pub fn new(endpoint: &str, limits: Limits) -> Result<Self, HubError> {
        let wrong = || HubError::Endpoint { endpoint: endpoint.to_owned() };
        let uri: Uri = endpoint.trim_end_matches('/').parse().map_err(|_| wrong())?;
        if !is_web(&uri) || !is_port(&uri) || uri.query().is_some() {
            return Err(wrong());
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, each one looked at.
            .max_redirects(0)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_send_request(Some(limits.answer))
            .timeout_recv_response(Some(limits.answer))
            .timeout_per_read(Some(limits.idle))
            .timeout_per_write(Some(limits.answer))
            .user_agent(concat!("ganbench/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: agent.into(), endpoint: uri, token: None, limits })
    }

    /// An address below the endpoint.
    ///
    /// # Errors
    /// If it cannot be one.
    pub fn address(&self, path: &str) -> Result<Uri, HubError> {
        let endpoint = self.endpoint.to_string();
        let address = format!("{}/{path}", endpoint.trim_end_matches('/'));
        address.parse().map_err(|_| HubError::Name { name: path.to_owned() })
    }

    /// # Errors
    /// If there is no answer in time, it leads to no file, or names on the way contradict each
    /// other.
    pub fn get(&self, address: &Uri, range: Option<&str>) -> Result<Answer, HubError> {
        let mut address = address.clone();
        let mut names: Option<Names> = None;
        for _ in 0..=MOST_REDIRECTS {
            let host = host(&address);
            let response = self.ask(&address, range, &host)?;
            if let Some(here) = Names::from_headers(&host, response.headers())? {
                match &names {
                    Some(first) => first.check_same(&here)?,
                    None => names = Some(here),
                }
            }
            match response.status().as_u16() {
                200 | 206 => {
                    check_plain(&host, response.headers())?;
                    return Ok(Answer { host, response, names });
                }
                status @ (301 | 302 | 303 | 307 | 308) => {
                    address = next(&address, &host, status, response.headers())?;
                }
                status => {
                    let wait = text(&host, response.headers(), "retry-after")?;
                    let wait = wait.and_then(|text| text.parse().ok()).map(Duration::from_secs);
                    return Err(HubError::Status { host, status, wait });
                }
            }
        }
        Err(HubError::Redirects { host: host(&address) })
    }

    fn ask(
        &self,
        address: &Uri,
        range: Option<&str>,
        host: &str,
    ) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(address);
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        if let Some(token) = self.token.as_ref().filter(|_| same_origin(&self.endpoint, address)) {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|error| self.failed(host, error))
    }

    fn failed(&self, host: &str, error: Error) -> HubError {
        let host = host.to_owned();
        match error {
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                HubError::NoConnection { host, time: self.limits.connect }
            }
            Error::Timeout(_) => {
                let time = self.limits.answer.min(self.limits.idle);
                HubError::NoAnswer { host, time }
            }
            Error::HostNotFound => {
                HubError::Connection { host, reason: "no host has this name".into() }
            }
            Error::Io(error) => HubError::Connection { host, reason: error.to_string() },
            Error::ConnectionFailed => HubError::Connection { host, reason: error.to_string() },
            other => HubError::Protocol { host, reason: other.to_string() },
        }
    }
}

impl Answer {
    /// Whether the body is the part that was asked for, and not the whole.
    pub fn is_part(&self) -> bool {
        self.response.status().as_u16() == 206
    }

    /// # Errors
    /// If it is not text.
    pub fn header(&self, name: &'static str) -> Result<Option<String>, HubError> {
        text(&self.host, self.response.headers(), name)
    }

    /// What the answer says of the length of its body.
    ///
    /// # Errors
    /// If that is no number.
    pub fn content_length(&self) -> Result<Option<u64>, HubError> {
        let Some(length) = self.header("content-length")? else { return Ok(None) };
        let wrong =
            |_| HubError::header(&self.host, "Content-Length", &length, "a number of bytes");
        length.parse().map(Some).map_err(wrong)
    }

    /// The body. Whoever reads it counts its bytes.
    pub fn into_reader(self) -> impl std::io::Read {
        self.response.into_body().into_with_config().limit(u64::MAX).reader()
    }
}

/// Whether a body stopped to come.
pub(crate) fn is_timeout(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    error.kind() == std::io::ErrorKind::TimedOut || matches!(inner, Some(Error::Timeout(_)))
}

fn host(address: &Uri) -> String {
    let port = address.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}{port}", address.host().unwrap_or_default())
}

fn is_web(address: &Uri) -> bool {
    matches!(address.scheme_str(), Some("http" | "https"))
        && address.host().is_some_and(|host| !host.is_empty())
}

/// Whether what follows the host is a port or nothing: not every number is one.
fn is_port(address: &Uri) -> bool {
    let Some(authority) = address.authority() else { return false };
    let after_user = authority.as_str().rsplit('@').next().unwrap_or_default();
    after_user.len() == authority.host().len() || authority.port_u16().is_some()
}

/// The same scheme, host and port.
fn same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if is_https(uri) { 443 } else { 80 });
    let host = |uri: &Uri| uri.host().unwrap_or_default().to_ascii_lowercase();
    is_https(a) == is_https(b) && host(a) == host(b) && port(a) == port(b)
}

fn is_https(address: &Uri) -> bool {
    address.scheme_str() == Some("https")
}

/// Nothing was said of packing, so a packed body is none that can be counted.
fn check_plain(host: &str, headers: &HeaderMap) -> Result<(), HubError> {
    match text(host, headers, "content-encoding")? {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(HubError::header(host, "Content-Encoding", &encoding, "none"))
        }
        _ => Ok(()),
    }
}

/// Where a redirect leads.
pub(crate) fn next(
    from: &Uri,
    host: &str,
    status: u16,
    headers: &HeaderMap,
) -> Result<Uri, HubError> {
    let Some(location) = text(host, headers, "location")?.filter(|text| !text.is_empty()) else {
        return Err(HubError::NoLocation { host: host.to_owned(), status });
    };
    let host = host.to_owned();
    let shown = || location.chars().take(crate::error::MOST_SHOWN).collect();
    let Some(to) = resolved(from, &location).filter(|to| is_web(to) && is_port(to)) else {
        return Err(HubError::Location { host, location: shown() });
    };
    if is_https(from) && !is_https(&to) {
        return Err(HubError::Downgrade { host, location: shown() });
    }
    Ok(to)
}

/// `location` as a browser at `from` reads it: a whole address, or what follows its scheme, its
/// host or its last slash.
pub(crate) fn resolved(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let before = location.split(['/', '?']).next().unwrap_or_default();
    let whole = if before.contains(':') {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", from.path())
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    whole.parse().ok()
}
