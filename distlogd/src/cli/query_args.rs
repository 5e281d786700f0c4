//! What the commands that search have in common: which records, and the lines of their answers.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;

use super::client::Error;
use super::output::tell;

/// Which records.
#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// Words that stand next to each other in a record: in its message, fields, error or task. Case does not count;
    /// `word*` finds what begins so. Several texts must all be found.
    text: Vec<String>,
    /// Only records that match this CEL condition, like 'fields.amount > 100 && has(fields.user)'.
    #[arg(long, short, value_name = "CEL")]
    filter: Option<String>,
    /// Only records of this service.
    #[arg(long, short, value_name = "NAME")]
    service: Option<String>,
    /// Only records at least this severe: trace, debug, info, warn, error or fatal.
    #[arg(long, value_name = "LEVEL")]
    severity: Option<String>,
    /// Only records from this time on: `90m` or `2d` ago, or a time in UTC like '2026-11-28 17:00'.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only records before this time; `now` is one, too.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Answer after this time with what was found.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: String,
}

impl QueryArgs {
    /// As parameters of the API.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let quoted = |text: &String| format!("\"{}\"", text.replace('"', " "));
        let words: Vec<String> = self.text.iter().map(quoted).collect();
        let mut query = vec![("timeout", self.timeout.clone())];
        if !words.is_empty() {
            query.push(("q", words.join(" ")));
        }
        for (name, value) in [
            ("filter", &self.filter),
            ("service", &self.service),
            ("severity", &self.severity),
            ("from", &self.since),
            ("to", &self.until),
        ] {
            query.extend(value.as_ref().map(|value| (name, value.clone())));
        }
        query
    }

    /// What to write where the words look like a field, as lines of records show it.
    pub(super) fn field_hint(&self) -> Option<String> {
        self.text.iter().find_map(|text| {
            let (name, value) = text.split_once('=')?;
            let in_name = |c: char| c.is_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(in_name) || value.is_empty() {
                return None;
            }
            let number = value.parse::<f64>().is_ok() || matches!(value, "true" | "false");
            let quote = if number { "" } else { "\"" };
            let value = value.trim_matches('"');
            Some(format!(
                "a field is found by -f 'fields.{name} == {quote}{value}{quote}'"
            ))
        })
    }
}

/// The last line of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct End {
    /// Where more is.
    pub(super) next: Option<String>,
    /// Whether everything was looked at.
    pub(super) complete: bool,
    /// How many groups there are.
    #[serde(default)]
    pub(super) groups: usize,
    /// There were too many groups.
    #[serde(default)]
    pub(super) truncated: bool,
}

#[derive(Deserialize)]
struct Line {
    progress: Progress,
}

#[derive(Deserialize)]
struct Progress {
    blocks: u64,
    of: u64,
    found: u64,
}

/// Hands over the items of an answer, one a line, and shows how far it is.
///
/// # Errors
/// If the answer cannot be read, or breaks off.
pub(super) fn each_item(
    body: impl Read,
    mut take: impl FnMut(String) -> Result<(), Error>,
) -> Result<End, Error> {
    let mut status = Status::new();
    let unreadable = |error: &dyn std::fmt::Display| Error::Answer(error.to_string());
    for line in BufReader::new(body).lines() {
        let line = line.map_err(Error::BrokenOff)?;
        if line.starts_with("{\"progress\":") {
            let Line { progress } = serde_json::from_str(&line).map_err(|e| unreadable(&e))?;
            status.show(&progress);
        } else if line.starts_with("{\"next\":") {
            return serde_json::from_str(&line).map_err(|error| unreadable(&error));
        } else {
            status.clear();
            take(line)?;
        }
    }
    Err(unreadable(&"it ends in the middle"))
}

/// A line on a terminal that says how far a query is, when it takes long.
struct Status {
    begun: Instant,
    terminal: bool,
    shown: bool,
}

/// Nothing is said about a query that takes no longer.
const QUICK: Duration = Duration::from_millis(500);

impl Status {
    fn new() -> Status {
        Status {
            begun: Instant::now(),
            terminal: io::stderr().is_terminal(),
            shown: false,
        }
    }

    fn show(&mut self, Progress { blocks, of, found }: &Progress) {
        if self.terminal && self.begun.elapsed() >= QUICK {
            self.shown = true;
            let _ = write!(
                io::stderr(),
                "\r\x1b[Klooked at {blocks} of {of} blocks, found {found}"
            );
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Says where more is, and what was not looked at. Gives whether anything was found.
///
/// # Errors
/// If nothing was found, and not all was looked at: what is asked for may be there.
pub(super) fn tell_end(found: bool, end: &End, nothing: &str) -> Result<bool, Error> {
    let rest = match &end.next {
        Some(next) => format!("go on with --cursor {next}"),
        None => "--timeout gives it more".to_owned(),
    };
    if !end.complete {
        let why = format!("not all was looked at in this time: {rest}");
        if !found {
            return Err(Error::Incomplete(why));
        }
        tell!("… {why}");
        return Ok(true);
    }
    if !found {
        tell!("{nothing}");
    }
    if let Some(next) = &end.next {
        tell!("… older ones: --cursor {next}");
    }
    Ok(found)
}
