//! Pages of a list: tasks, problems.

use super::client::{Error, get_lines, print};
use super::query_args::{End, each_item, tell_end};
use super::{DaemonArgs, LookArgs};

/// Which part of a list to show.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Show what happened since then: 90m, 2d (so long ago), or a time in UTC like '2026-11-28 17:00'.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Show what happened before that; `now` is a time, too.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Number of lines.
    #[arg(long, short = 'n', default_value_t = 20, allow_negative_numbers = true)]
    limit: usize,
    /// Continue where the previous answer ended.
    #[arg(long)]
    cursor: Option<String>,
    /// Answer after this time with what was found.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: String,
}

/// A page of a list.
pub(super) struct Listing<T> {
    /// In the order of the answer; empty with `--json`.
    pub(super) items: Vec<T>,
    /// Whether there are any.
    found: bool,
    end: End,
}

impl<T> Listing<T> {
    /// Some were left out.
    pub(super) fn truncated(&self) -> bool {
        self.end.truncated
    }

    /// Says what the page does not have, or that there is `nothing`. Gives whether it has anything.
    ///
    /// # Errors
    /// As [`tell_end`].
    pub(super) fn tell_end(&self, nothing: &str) -> Result<bool, Error> {
        tell_end(self.found, &self.end, nothing)
    }
}

/// Asks for a page of a list, and shows how far it is. With `--json` it prints the items, one a line.
pub(super) fn list<T: serde::de::DeserializeOwned>(
    daemon: &DaemonArgs,
    path: &str,
    filters: &[(&'static str, &str)],
    args: &ListArgs,
    look: &LookArgs,
) -> Result<Listing<T>, Error> {
    let filters = filters
        .iter()
        .map(|(name, text)| (*name, (*text).to_owned()));
    let mut query: Vec<(&str, String)> = filters.collect();
    query.push(("limit", args.limit.to_string()));
    query.push(("timeout", args.timeout.clone()));
    query.push(("progress", "true".to_owned()));
    let texts = [
        ("from", &args.since),
        ("to", &args.until),
        ("cursor", &args.cursor),
    ];
    query.extend(
        texts
            .iter()
            .filter_map(|(name, text)| Some((*name, (*text).clone()?))),
    );
    let (mut items, mut found) = (Vec::new(), false);
    let end = each_item(get_lines(daemon, path, &query)?, |item| {
        found = true;
        if look.json {
            return print(&format!("{item}\n"));
        }
        items.push(serde_json::from_str(&item).map_err(|error| Error::Answer(error.to_string()))?);
        Ok(())
    })?;
    Ok(Listing { items, found, end })
}
