//! Pages of a list: tasks, problems.

use super::LookArgs;
use super::client::{Error, get_lines, print};
use super::output::tell;
use super::query_args::{End, each_item};

/// Which part of a list to show.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Show what happened since then: 90m, 2d (so long ago), or a time as 2026-11-28T17:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show what happened before that.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Number of lines.
    #[arg(long, short = 'n', default_value_t = 20)]
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
    pub(super) found: bool,
    end: End,
}

impl<T> Listing<T> {
    /// Some were left out.
    pub(super) fn truncated(&self) -> bool {
        self.end.truncated
    }

    /// Says what the page does not have.
    pub(super) fn say_rest(&self, command: &str) {
        if !self.end.complete {
            tell!("… not all was looked at in this time: --timeout gives it more");
        }
        if let Some(next) = &self.end.next {
            tell!("… more: distlogd {command} --cursor {next} (with the same filters)");
        }
    }
}

/// Asks for a page of a list, and shows how far it is. With `--json` it prints the items, one a line.
pub(super) fn list<T: serde::de::DeserializeOwned>(
    url: &str,
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
    let end = each_item(get_lines(url, path, &query)?, |item| {
        found = true;
        if look.json {
            return print(&format!("{item}\n"));
        }
        items.push(serde_json::from_str(&item).map_err(|error| Error::Answer(error.to_string()))?);
        Ok(())
    })?;
    Ok(Listing { items, found, end })
}
