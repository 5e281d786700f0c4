//! `distlogd find`: the newest records that match.

use std::io::{self, Write};

use clap::Args;

use super::client::{Error, flag, get_lines, report_found};
use super::output::tell;
use super::query_args::{QueryArgs, each_item, tell_end};
use super::{DaemonArgs, LookArgs};

const EXAMPLES: &str = "\
Examples:
  distlogd find                                  the newest records
  distlogd find timeout --since 1h               those of the last hour with this word
  distlogd find \"card refused\" 4711              with these two words together, and a number
  distlogd find --severity error -s payment      errors of a service
  distlogd find -f 'fields.order == 17'          by a field; lines of records show it as order=17
  distlogd find -f 'fields.amount > 100' --json  by a condition, as JSON lines, newest first
  distlogd find --full                           with whole ids for `distlogd tree ID`

Exit codes: 0 found, 1 failed or nothing found in this time, 4 nothing found.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FindArgs {
    #[command(flatten)]
    query: QueryArgs,
    /// Number of records.
    #[arg(long, short = 'n', default_value_t = 50, allow_negative_numbers = true)]
    limit: usize,
    /// Continue where the previous answer ended.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(flatten)]
    look: LookArgs,
}

pub(super) fn find(args: &FindArgs) -> u8 {
    report_found(ask(args))
}

/// Prints what is found: JSON as it comes, texts with the newest last. Gives whether anything is.
fn ask(args: &FindArgs) -> Result<bool, Error> {
    let look = &args.look;
    let mut query = args.query.parameters();
    query.push(("limit", args.limit.to_string()));
    query.push(("progress", "true".to_owned()));
    if !look.json {
        query.push(("format", "text".to_owned()));
        query.push(("color", flag(look.color()).to_owned()));
        query.push(("full", flag(look.full).to_owned()));
    }
    query.extend(args.cursor.clone().map(|cursor| ("cursor", cursor)));
    let body = get_lines(&args.daemon, "/api/v1/records", &query)?;
    let mut out = io::stdout().lock();
    let (mut found, mut texts) = (false, Vec::new());
    let end = each_item(body, |item| {
        found = true;
        if look.json {
            return writeln!(out, "{item}").map_err(Error::Output);
        }
        let text: String =
            serde_json::from_str(&item).map_err(|error| Error::Answer(error.to_string()))?;
        texts.push(text);
        Ok(())
    })?;
    for text in texts.iter().rev() {
        writeln!(out, "{text}").map_err(Error::Output)?;
    }
    out.flush().map_err(Error::Output)?;
    let found = tell_end(found, &end, "nothing found")?;
    if let Some(hint) = args.query.field_hint().filter(|_| !found) {
        tell!("{hint}");
    }
    Ok(found)
}
