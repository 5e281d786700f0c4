//! Commands that ask a running daemon over HTTP.

use std::io::{self, BufRead, BufReader, Write};

use distlog_proto::TaskId;
use http::StatusCode;

use super::output::tell;
use super::{FAILED, LookArgs, NOTHING};
use crate::escape::{one_line, put_cut};
use crate::tree::paint::{Look, Style, span_or_dash};

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "cannot reach distlogd at {url}: {reason}; is it running? (--url names another address)"
    )]
    Unreachable { url: String, reason: String },
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    NotFound(String),
    #[error("the daemon's answer cannot be read: {0}")]
    Answer(String),
    #[error("cannot write: {0}")]
    Output(io::Error),
}

pub(super) fn tree(
    url: &str,
    id: &str,
    (depth, cursor): (Option<usize>, Option<&str>),
    look: &LookArgs,
) -> u8 {
    let format = if look.json { "json" } else { "text" };
    // Here, since an id is a part of the path.
    let id: TaskId = match id.trim().parse() {
        Ok(id) => id,
        Err(error) => {
            tell!("distlogd: {error}");
            return FAILED;
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
    let answer = get(url, &path, &query);
    report(answer.and_then(|body| print_all(body, look.json).map(|()| true)))
}

pub(super) fn tail(
    url: &str,
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
    let answer = get(url, "/api/v1/tail", &query);
    report(answer.and_then(|body| print_events(body).map(|()| true)))
}

pub(super) fn tasks(url: &str, limit: usize, look: &LookArgs) -> u8 {
    let answer = get(url, "/api/v1/tasks", &[("limit", &limit.to_string())]);
    report(answer.and_then(|body| {
        if look.json {
            print_all(body, true).map(|()| true)
        } else {
            print_tasks(body, look).map(|()| true)
        }
    }))
}

fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

/// The exit code: `Ok(false)` if nothing was found.
pub(super) fn report(result: Result<bool, Error>) -> u8 {
    match result {
        Ok(true) => 0,
        Ok(false) => NOTHING,
        // Whoever read our output has seen enough (`distlogd tail | head`).
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            tell!("distlogd: {error}");
            if matches!(error, Error::NotFound(_)) {
                NOTHING
            } else {
                FAILED
            }
        }
    }
}

/// Asks the daemon at `url`.
pub(super) fn get(
    url: &str,
    path: &str,
    query: &[(&str, &str)],
) -> Result<impl io::Read + use<>, Error> {
    let url = url.trim_end_matches('/');
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(format!("{url}{path}"));
    for (name, value) in query {
        request = request.query(name, value);
    }
    let unreachable = |reason: String| Error::Unreachable {
        url: url.to_owned(),
        reason,
    };
    let mut response = request
        .call()
        .map_err(|error| unreachable(error.to_string()))?;
    if response.status().is_success() {
        return Ok(response.into_body().into_reader());
    }
    let why = response.body_mut().read_to_string().unwrap_or_default();
    let why = why.trim().to_owned();
    match response.status() {
        StatusCode::NOT_FOUND => Err(Error::NotFound(why)),
        _ => Err(Error::Refused(why)),
    }
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
    let mut skipped = false;
    for line in BufReader::new(body).lines() {
        let line = line.map_err(|error| Error::Answer(error.to_string()))?;
        if let Some(event) = line.strip_prefix("event:") {
            skipped = event.trim() == "skipped";
        } else if let Some(data) = line.strip_prefix("data:") {
            let data = data.strip_prefix(' ').unwrap_or(data);
            if skipped {
                tell!("distlogd: {data} records were removed before they could be shown");
            } else {
                writeln!(out, "{data}")
                    .and_then(|()| out.flush())
                    .map_err(Error::Output)?;
            }
        } else if line.is_empty() {
            skipped = false;
        }
    }
    Ok(())
}

/// Names of tasks and services are cut at this length, in bytes.
const MAX_NAME: usize = 200;

/// What the list of tasks says of each.
#[derive(serde::Deserialize)]
struct Listed {
    id: String,
    name: String,
    service: String,
    begin_ns: Option<u64>,
    outcome: String,
    duration_ns: Option<u64>,
    failed: u32,
    #[serde(default = "yes")]
    root: bool,
}

fn yes() -> bool {
    true
}

fn print_tasks(body: impl io::Read, look: &LookArgs) -> Result<(), Error> {
    let tasks: Vec<Listed> =
        serde_json::from_reader(body).map_err(|error| Error::Answer(error.to_string()))?;
    print(&tasks_text(&tasks, look.look()))
}

/// The list, newest last, one line for each task.
fn tasks_text(tasks: &[Listed], look: Look) -> String {
    let colour = look.colour;
    let mut text = String::new();
    for task in tasks.iter().rev() {
        let (mark, style) = match task.outcome.as_str() {
            "running" => ("▶", Style::Blue),
            "failed" => ("✗", Style::Red),
            "lost" => ("†", Style::Magenta),
            "cancelled" => ("⊘", Style::Yellow),
            "ended" => ("■", Style::Dim),
            "unknown" => ("?", Style::Dim),
            _ => ("✔", Style::Green),
        };
        colour.put(
            &mut text,
            Style::Dim,
            look.clock(task.begin_ns.unwrap_or(0)),
        );
        text.push(' ');
        colour.put(&mut text, style, mark);
        text.push(' ');
        colour.put(&mut text, Style::Dim, one_line(&task.id));
        text.push(' ');
        let (mut name, mut service) = (String::new(), String::new());
        let first = match task.name.lines().next() {
            Some(first) => first,
            None if task.outcome == "unknown" => "(only logs)",
            None => "(no name)",
        };
        put_cut(&mut name, look.limit(MAX_NAME), one_line(first));
        put_cut(&mut service, look.limit(MAX_NAME), one_line(&task.service));
        colour.put(&mut text, Style::Bold, name);
        colour.put(&mut text, Style::Cyan, format_args!(" · {service}"));
        if !task.root {
            colour.put(&mut text, Style::Dim, "  (its root is not here)");
        }
        if task.root && task.outcome != "running" {
            let duration = span_or_dash(task.duration_ns);
            colour.put(&mut text, Style::Dim, format_args!("  {duration}"));
        }
        if task.failed > 0 && task.outcome != "failed" {
            colour.put(
                &mut text,
                Style::Red,
                format_args!("  {} failed inside", task.failed),
            );
        }
        text.push('\n');
    }
    if tasks.is_empty() {
        text.push_str("no tasks yet\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::hostile::{check, texts};
    use crate::tree::paint::Colour;

    proptest! {
        #[test]
        fn a_task_is_one_line_whatever_it_is_called(texts in texts()) {
            let mut next = texts.iter().cycle().cloned();
            let mut text = || next.next().unwrap();
            let tasks: Vec<Listed> = (0..3)
                .map(|at| Listed {
                    id: text(),
                    name: text(),
                    service: text(),
                    begin_ns: Some(1_700_049_600_000_000_000),
                    outcome: if at == 0 { "running".into() } else { text() },
                    duration_ns: (at == 1).then_some(at),
                    failed: 1,
                    root: at != 2,
                })
                .collect();
            let look = Look { now: 1_700_049_600_000_000_000, ..Look::new(Colour::Off, false) };
            let out = tasks_text(&tasks, look);
            check(&out, |line| line.starts_with("12:00:00.000 "), tasks.len())?;
            prop_assert_eq!(out.lines().count(), tasks.len());
        }
    }
}
