//! `distlogd reload`: a running daemon reads its configuration again.

use clap::Args;

use super::check;
use super::client::{self, Error, report_found};
use super::{DaemonArgs, WRONG};
use crate::reload::Changes;

const EXAMPLES: &str = "\
Examples:
  distlogd check distlogd.yaml && distlogd reload
  systemctl reload distlogd                           the same, by SIGHUP

The configuration is taken whole, or not at all. Processors that did not change do \
not stop; those that did go on where they were. What listens, the path of the \
store, sources and `drain` change with a restart.

Exit codes: 0 taken, 2 the configuration is faulty, 1 it was not taken.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn reload(args: &ReloadArgs) -> u8 {
    match ask(args) {
        // Each fault at the beginning of a line, where editors look for it.
        Err(Error::Wrong(faults)) => {
            check::tell_faults(&faults);
            WRONG
        }
        asked => report_found(asked.map(|()| true)),
    }
}

fn ask(args: &ReloadArgs) -> Result<(), Error> {
    let changes: Changes = client::post(&args.daemon, "/api/v1/reload")?;
    let text = match args.json {
        true => {
            serde_json::to_string(&changes).map_err(|error| Error::Answer(error.to_string()))?
        }
        false => changes.to_string(),
    };
    client::print(&format!("{text}\n"))
}
