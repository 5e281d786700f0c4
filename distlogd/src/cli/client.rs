//! Commands that ask a running daemon over HTTP.

use std::io::{self, BufRead, BufReader, Read as _, Write};

use distlog_proto::TaskId;
use http::{Method, StatusCode};

use super::agent::{agent, in_words};
pub(super) use super::answer::Error;
use super::answer::Reply;
use super::direct;
use super::output::tell;
use super::{DaemonArgs, FAILED, LookArgs, NOTHING, WRONG};
use crate::http::NOTHING_AT;

/// A longer problem is cut, in bytes.
const MAX_PROBLEM: u64 = 1 << 20;

pub(super) fn tree(
    daemon: &DaemonArgs,
    id: &str,
    (depth, cursor): (Option<usize>, Option<&str>),
    look: &LookArgs,
) -> u8 {
    let format = if look.json { "json" } else { "text" };
    // Here, since an id is a part of the path.
    let id: TaskId = match id.trim().parse() {
        Ok(id) => id,
        Err(error) => {
            tell!("distlogd: {error} (`distlogd tasks` and `distlogd find --full` show ids)");
            return WRONG;
        }
    };
    let path = format!("/api/v1/tasks/{id}");
    let depth = depth.map(|depth| depth.to_string());
    let mut query = vec![
        ("format", format),
        ("color", flag(look.color())),
        ("full", flag(look.full)),
    ];
    query.extend(depth.as_deref().map(|depth| ("depth", depth)));
    query.extend(cursor.map(|cursor| ("cursor", cursor)));
    let answer = get(daemon, &path, &query);
    report_found(answer.and_then(|body| print_all(body, look.json).map(|()| true)))
}

pub(super) fn tail(
    daemon: &DaemonArgs,
    (filter, task): (Option<String>, Option<String>),
    reorder: bool,
    look: &LookArgs,
) -> u8 {
    let mut query = vec![
        ("format", if look.json { "json" } else { "text" }),
        ("color", flag(look.color())),
        ("full", flag(look.full)),
        ("reorder", flag(reorder)),
    ];
    query.extend(filter.as_deref().map(|filter| ("filter", filter)));
    query.extend(task.as_deref().map(|task| ("task", task)));
    let answer = get(daemon, "/api/v1/tail", &query);
    report_found(answer.and_then(|body| print_events(body).map(|()| true)))
}

pub(super) fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

/// The exit code of a command that finds something or not; says why it failed.
pub(super) fn report_found(result: Result<bool, Error>) -> u8 {
    match result {
        Ok(true) => 0,
        Ok(false) => NOTHING,
        // Whoever read our output has seen enough (`distlogd tail | head`).
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            tell!("distlogd: {error}");
            match error {
                Error::NotFound(_) => NOTHING,
                Error::Wrong(_) => WRONG,
                _ => FAILED,
            }
        }
    }
}

/// Asks the daemon.
pub(super) fn get(
    daemon: &DaemonArgs,
    path: &str,
    query: &[(&str, &str)],
) -> Result<impl io::Read + Send + use<>, Error> {
    ask(Method::GET, daemon, path, (query, "*/*"))
}

/// Has the daemon delete something; its answer in JSON.
pub(super) fn delete<T: serde::de::DeserializeOwned>(
    daemon: &DaemonArgs,
    path: &str,
    query: &[(&str, &str)],
) -> Result<T, Error> {
    let body = ask(Method::DELETE, daemon, path, (query, "*/*"))?;
    serde_json::from_reader(body).map_err(|error| Error::Answer(error.to_string()))
}

/// Has the daemon do something; its answer in JSON.
pub(super) fn post<T: serde::de::DeserializeOwned>(
    daemon: &DaemonArgs,
    path: &str,
) -> Result<T, Error> {
    let body = ask(Method::POST, daemon, path, (&[], "*/*"))?;
    serde_json::from_reader(body).map_err(|error| Error::Answer(error.to_string()))
}

/// Has the daemon set something; its answer in JSON.
pub(super) fn put<T: serde::de::DeserializeOwned>(
    daemon: &DaemonArgs,
    path: &str,
    query: &[(&str, &str)],
) -> Result<T, Error> {
    let body = ask(Method::PUT, daemon, path, (query, "*/*"))?;
    serde_json::from_reader(body).map_err(|error| Error::Answer(error.to_string()))
}

/// Asks for one item a line.
pub(super) fn get_lines(
    daemon: &DaemonArgs,
    path: &str,
    query: &[(&str, String)],
) -> Result<impl io::Read + Send + use<>, Error> {
    let query: Vec<(&str, &str)> = query
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    ask(Method::GET, daemon, path, (&query, "application/x-ndjson"))
}

/// Parameters of the API that the command line calls otherwise.
const FLAGS: [(&str, &str); 18] = [
    ("from", "--since"),
    ("to", "--until"),
    ("q", "TEXT"),
    ("limit", "-n"),
    ("producers", "-n"),
    ("min_duration", "--min-duration"),
    ("depth", "--depth"),
    ("filter", "--filter"),
    ("severity", "--severity"),
    ("by", "--by"),
    ("every", "--every"),
    ("cursor", "--cursor"),
    ("timeout", "--timeout"),
    ("trace", "--trace"),
    ("task", "--task"),
    ("process", "--process"),
    ("levels", "LEVELS"),
    ("for", "--for"),
];

/// Names a parameter that the daemon refused as the command line does.
fn with_flags(why: &str) -> String {
    let named = FLAGS.iter().find_map(|(name, flag)| {
        let rest = why.strip_prefix(&format!("`{name}`"))?;
        Some(format!("`{flag}`{rest}"))
    });
    let named = named.unwrap_or_else(|| why.to_owned());
    named.replace("is not before `to`", "is not before `--until`")
}

/// The variable that has a token.
const TOKEN: &str = "DISTLOGD_TOKEN";

/// The token to send, if there is one.
///
/// # Errors
/// If it cannot be read, or others could read along.
fn token(daemon: &DaemonArgs) -> Result<Option<String>, Error> {
    let text = match &daemon.token_file {
        Some(file) => {
            let read = std::fs::read_to_string(file);
            let cannot = |error| format!("cannot read the token in {}: {error}", file.display());
            read.map_err(|error| Error::Wrong(cannot(error)))?
        }
        None => std::env::var(TOKEN).unwrap_or_default(),
    };
    let token = text.trim();
    if token.is_empty() {
        return match &daemon.token_file {
            Some(file) => Err(Error::Wrong(format!("no token is in {}", file.display()))),
            None => Ok(None),
        };
    }
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        let why = "a token is one line like `distlog_…`, as `distlogd token new` prints it";
        return Err(Error::Wrong(why.to_owned()));
    }
    if !daemon.plaintext && !is_private(&daemon.url) {
        return Err(Error::Wrong(format!(
            "others could read the token on its way to {}: ask by https://, or add --plaintext if you trust the network",
            daemon.url
        )));
    }
    Ok(Some(token.to_owned()))
}

/// Whether nobody reads along who asks there.
fn is_private(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    url.scheme_str() == Some("https")
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
}

/// What is read of a problem by RFC 9457.
#[derive(serde::Deserialize)]
struct Problem {
    detail: String,
}

fn ask(
    method: Method,
    daemon: &DaemonArgs,
    path: &str,
    asked: (&[(&str, &str)], &str),
) -> Result<Box<dyn io::Read + Send>, Error> {
    if let Some(from) = daemon.from.url()? {
        let reply = direct::ask(&from, method, path, asked)?;
        return answer(reply, "the database", true);
    }
    let token = token(daemon)?;
    let reply = ask_daemon(method, daemon, token.as_deref(), path, asked)?;
    answer(reply, daemon.url.trim_end_matches('/'), token.is_some())
}

fn ask_daemon(
    method: Method,
    daemon: &DaemonArgs,
    token: Option<&str>,
    path: &str,
    (query, accept): (&[(&str, &str)], &str),
) -> Result<Reply, Error> {
    let url = daemon.url.trim_end_matches('/');
    let agent = agent(daemon)?;
    let address = format!("{url}{path}");
    let response = match method {
        Method::POST => with(agent.post(address), token, query, accept).send_empty(),
        Method::PUT => with(agent.put(address), token, query, accept).send_empty(),
        Method::DELETE => with(agent.delete(address), token, query, accept).call(),
        _ => with(agent.get(address), token, query, accept).call(),
    };
    let response = response.map_err(|error| Error::Unreachable {
        url: url.to_owned(),
        reason: in_words(&error),
    })?;
    Ok(Reply {
        status: response.status(),
        is_page: response.body().mime_type() == Some("text/html"),
        body: Box::new(response.into_body().into_reader()),
    })
}

/// The request with all that it says.
fn with<B>(
    mut request: ureq::RequestBuilder<B>,
    token: Option<&str>,
    query: &[(&str, &str)],
    accept: &str,
) -> ureq::RequestBuilder<B> {
    request = request.header("accept", accept);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in query {
        request = request.query(name, value);
    }
    request
}

/// The body of an answer, or why it is none; `knows` says whether a token was shown.
fn answer(reply: Reply, url: &str, knows: bool) -> Result<Box<dyn io::Read + Send>, Error> {
    let Reply {
        status,
        is_page,
        mut body,
    } = reply;
    if status.is_success() && !is_page {
        return Ok(body);
    }
    let mut why = String::new();
    // What is no text is of a stranger.
    let _ = body.by_ref().take(MAX_PROBLEM).read_to_string(&mut why);
    let why = match serde_json::from_str::<Problem>(&why) {
        Ok(problem) if !problem.detail.starts_with(NOTHING_AT) => problem.detail,
        found => {
            let why = found.map_or_else(
                |_| format!("the answer is {status}"),
                |problem| problem.detail,
            );
            let url = url.to_owned();
            return Err(Error::Stranger { url, why });
        }
    };
    Err(match status {
        StatusCode::NOT_FOUND => Error::NotFound(why),
        StatusCode::BAD_REQUEST => Error::Wrong(with_flags(&why)),
        StatusCode::UNPROCESSABLE_ENTITY => Error::Wrong(why),
        StatusCode::UNAUTHORIZED if !knows => Error::Wrong(
            "the daemon asks for a token: `--token-file FILE` or the variable DISTLOGD_TOKEN has one, and `distlogd token \
             new NAME --may read` makes one"
                .to_owned(),
        ),
        _ => Error::Refused(why),
    })
}

/// Prints a text.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}

/// Prints an answer as it is.
pub(super) fn print_all(mut body: impl io::Read, line_feed: bool) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    io::copy(&mut body, &mut out).map_err(Error::Output)?;
    if line_feed {
        writeln!(out).map_err(Error::Output)?;
    }
    out.flush().map_err(Error::Output)
}

/// Prints the data of server-sent events, a line for each
/// (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
fn print_events(body: impl io::Read) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    each_event(body, |event| match event {
        Event::Skipped(records) => {
            tell!("distlogd: {records} records were removed before they could be shown");
            Ok(true)
        }
        Event::Data(data) => writeln!(out, "{data}")
            .and_then(|()| out.flush())
            .map(|()| true)
            .map_err(Error::Output),
    })
}

/// An event of the tail.
pub(super) enum Event<'l> {
    /// A line of data.
    Data(&'l str),
    /// So many records were removed before they could be sent.
    Skipped(&'l str),
}

/// Hands over the events of a tail, until `take` wants no more.
///
/// # Errors
/// If the connection breaks off, or `take` fails.
pub(super) fn each_event(
    body: impl io::Read,
    mut take: impl FnMut(Event<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut skipped = false;
    for line in BufReader::new(body).lines() {
        let line = line.map_err(Error::BrokenOff)?;
        if let Some(event) = line.strip_prefix("event:") {
            skipped = event.trim() == "skipped";
        } else if let Some(data) = line.strip_prefix("data:") {
            let data = data.strip_prefix(' ').unwrap_or(data);
            let event = if skipped {
                Event::Skipped(data)
            } else {
                Event::Data(data)
            };
            if !take(event)? {
                return Ok(());
            }
        } else if line.is_empty() {
            skipped = false;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_where_nobody_reads_along() {
        for url in [
            "https://logs.example",
            "http://localhost:5080",
            "http://127.0.0.1:5080",
            "http://[::1]:5080/",
        ] {
            assert!(is_private(url), "{url}");
        }
        for url in [
            "http://logs.example",
            "http://10.0.0.1:5080",
            "http://localhost.example",
            "http://127.0.0.1@evil.example",
            "http://",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }

    #[test]
    fn what_the_daemon_refuses_is_named_as_the_command_line_does() {
        for (why, named) in [
            (
                "`depth` is wrong: found `0`",
                "`--depth` is wrong: found `0`",
            ),
            ("`filter`: line 1: `to`", "`--filter`: line 1: `to`"),
            (
                "`from` is wrong: found a time that is not before `to`, expected an earlier one",
                "`--since` is wrong: found a time that is not before `--until`, expected an earlier one",
            ),
            ("`byte` is wrong", "`byte` is wrong"),
            ("the store is closed", "the store is closed"),
        ] {
            assert_eq!(with_flags(why), named);
        }
    }
}
