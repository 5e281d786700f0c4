//! `distlogd delete`: deletes records for good.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{ArgGroup, Args};
use serde::Deserialize;

use super::client::{self, Error, report_found};
use super::output::tell;
use super::{DaemonArgs, FAILED};
use crate::tree::paint::HumanCount;

const USAGE: &str = "\
distlogd delete --trace <ID> [OPTIONS]
       distlogd delete --filter <CEL> --until <TIME> [--since <TIME>] [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  distlogd delete --trace e252a11f-d33d-483d-ba08-bc8f642b2f10
  distlogd delete --filter 'fields.customer == \"4711\"' --until now
  distlogd delete --filter 'service == \"load-test\"' --since 2d --until 1d --dry-run

No answer has the records once this returns. The files of the store are without \
them some time later, which the daemon logs and `distlogd status` shows. What is \
logged later is not deleted. What processors have sent elsewhere stays there. \
`--until now` also takes records of a clock that is ahead.

Exit codes: 0 deleted, 4 nothing found.";

const PATH: &str = "/api/v1/records";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
#[command(group(ArgGroup::new("which").required(true).args(["trace", "filter"])))]
pub(super) struct DeleteArgs {
    /// Delete the records of this trace.
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Delete the records that match this CEL condition, like 'fields.customer == "4711"'.
    #[arg(long, short, value_name = "CEL", requires = "until")]
    filter: Option<String>,
    /// Only records before this time: `90m` or `2d` ago, or one like 2026-11-28T17:00:00Z; `now` takes all that are
    /// stored.
    #[arg(long, value_name = "TIME", conflicts_with = "trace")]
    until: Option<String>,
    /// Only records from this time on.
    #[arg(long, value_name = "TIME", conflicts_with = "trace")]
    since: Option<String>,
    /// Only count the records.
    #[arg(long)]
    dry_run: bool,
    /// Ask no question.
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    #[command(flatten)]
    daemon: DaemonArgs,
}

#[derive(Deserialize)]
struct Counted {
    records: u64,
    complete: bool,
}

impl Counted {
    fn said(&self) -> String {
        let plural = if self.records == 1 { "" } else { "s" };
        let least = if self.complete { "" } else { "at least " };
        format!("{least}{} record{plural}", HumanCount(self.records))
    }
}

pub(super) fn delete(args: &DeleteArgs) -> u8 {
    match ask(args) {
        Ok(Answer::Found(found)) => report_found(Ok(found)),
        Ok(Answer::NotSure) => FAILED,
        Err(error) => report_found(Err(error)),
    }
}

enum Answer {
    /// Whether there were such records.
    Found(bool),
    /// Nobody said yes.
    NotSure,
}

fn ask(args: &DeleteArgs) -> Result<Answer, Error> {
    let parameters = [
        ("trace", &args.trace),
        ("filter", &args.filter),
        ("from", &args.since),
        ("to", &args.until),
    ];
    let query: Vec<(&str, &str)> = parameters
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
        .collect();
    let daemon = &args.daemon;
    let dry_run = [&query[..], &[("dry_run", "true")]].concat();
    let counted: Counted = client::delete(daemon, PATH, &dry_run)?;
    let records = counted.said();
    if counted.records == 0 && counted.complete {
        tell!("nothing found");
        return Ok(Answer::Found(false));
    }
    if args.dry_run {
        client::print(&format!("{records} would be deleted\n"))?;
        return Ok(Answer::Found(true));
    }
    if !args.yes && !is_sure(&records) {
        return Ok(Answer::NotSure);
    }
    let deleted: Counted = client::delete(daemon, PATH, &query)?;
    client::print(&format!(
        "deleted {}: no answer has them any more, and the files of the store soon neither\n",
        deleted.said()
    ))?;
    Ok(Answer::Found(true))
}

/// Asks who sits at the terminal.
fn is_sure(records: &str) -> bool {
    if !io::stdin().is_terminal() {
        tell!("distlogd: nobody is there to ask whether {records} are to be deleted: say --yes");
        return false;
    }
    let mut stderr = io::stderr();
    let _ = write!(stderr, "Delete {records} for good? [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    let sure = read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    if !sure {
        tell!("nothing was deleted");
    }
    sure
}
