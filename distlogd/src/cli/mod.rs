//! The command line.
//!
//! `run.rs` runs the daemon, `drain.rs` only takes what dead processes left, `check.rs` checks a configuration and
//! prints its schema; `test.rs` tests rules, `replay.rs` compares two configurations; `permissions/` says what others
//! can read; `notify.rs` tells systemd. The other commands ask a running daemon, by `client.rs`, which has `tree` and
//! `tail`: `find.rs` and `stats.rs`, which say which records by `query_args.rs`, `tasks.rs`, `problems.rs`, `diff.rs`
//! and `status.rs`; `delete.rs` deletes records, `level.rs` sets what programs record, `reload.rs` has the
//! configuration read again. `keys.rs` makes keys, `token.rs` tokens. `view.rs` serves a database that daemons fill;
//! what names one is in `from.rs`, and `client.rs` asks it by `direct.rs`. `table.rs` aligns columns. `output.rs` is
//! how all of them speak.

mod agent;
mod answer;
mod check;
mod client;
mod delete;
mod diff;
mod direct;
mod drain;
mod find;
mod from;
mod keys;
mod level;
mod listing;
mod notify;
mod output;
mod permissions;
mod problems;
mod query_args;
mod reload;
mod replay;
mod run;
mod stats;
mod status;
mod table;
mod tasks;
mod test;
mod token;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::daemon::Builder;
use crate::tree::paint::{Colour, Look};

/// It could not be done.
const FAILED: u8 = 1;
/// The configuration is wrong. The parser of the command line uses it, too.
const WRONG: u8 = 2;
/// Stopped, but a processor did not get everything; it goes on from its cursor at the next start.
const LEFT: u8 = 3;
/// Nothing was found.
const NOTHING: u8 = 4;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; standard error says why
  2  wrong arguments or a wrong configuration
  3  stopped before every processor had everything;
     the rest is in the store for the next start
  4  nothing found";

const TREE_EXAMPLES: &str = "\
Examples:
  distlogd tree e252a11f-d33d-483d-ba08-bc8f642b2f10        a whole trace
  distlogd tree e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2    a subtask and what is below it
  distlogd tree ID --depth 2                                the overview of a large one

`distlogd tasks`, `problems` and `find --full` show ids.";

const TAIL_EXAMPLES: &str = "\
Examples:
  distlogd tail                                       all that comes
  distlogd tail -f 'severity >= WARN'                 what is wrong
  distlogd tail --task ID                             one task and what is below it
  distlogd tail --json | jq .message                  for programs";

const CHECK_EXAMPLES: &str = "\
Examples:
  distlogd check distlogd.yaml && systemctl restart distlogd

Exit codes: 0 right, 2 wrong.";

/// Stores the records of distributed programs, routes them by rules and shows the tree of tasks.
///
/// Without a command it runs the daemon: on loopback, with its store in ./distlog-data, unless a configuration says
/// otherwise. It logs about itself to standard error; DISTLOGD_LOG=debug logs more.
#[derive(Debug, Parser)]
#[command(name = "distlogd", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration, in YAML.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run no daemon: store what dead processes left in this spool directory, and exit. Can be given several times.
    ///
    /// While a daemon runs on the same store, `drain: [DIR]` in its configuration does this.
    #[arg(long, value_name = "DIR")]
    drain: Vec<PathBuf>,
    /// Run no daemon: warn of stores, spools, files of records, keys, tokens and configuration that others can read or
    /// change, and exit: 0 if there are none, else 1.
    #[arg(long, conflicts_with = "drain")]
    check_permissions: bool,
    /// With --drain: take the spools of this user, too, besides one's own and those of root. Can be given several
    /// times; `id -u NAME` tells the id of a user.
    #[arg(long, value_name = "USER-ID", requires = "drain")]
    owner: Vec<u32>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw the tree of a task.
    #[command(after_help = TREE_EXAMPLES)]
    Tree {
        /// The task: a trace id, or the id of a subtask.
        id: String,
        /// Show this many levels of tasks; deeper ones are counted.
        #[arg(long)]
        depth: Option<usize>,
        /// Continue where the previous answer ended.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        daemon: DaemonArgs,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Find records by words, fields, service, severity and time; the newest last.
    Find(find::FindArgs),
    /// Count records by service, severity or any field, and over time; how long tasks took.
    Stats(stats::StatsArgs),
    /// Follow records as they come, ordered by time.
    #[command(after_help = TAIL_EXAMPLES)]
    Tail {
        /// Show only records that match this CEL condition, like 'severity >= WARN && service == "orders"'.
        #[arg(long, short, value_name = "CEL")]
        filter: Option<String>,
        /// Show only this task and its subtasks.
        #[arg(long, short, value_name = "ID")]
        task: Option<String>,
        /// Show records at once, in the order of the store. Otherwise each waits 200 ms for older records of other
        /// processes.
        #[arg(long)]
        no_reorder: bool,
        #[command(flatten)]
        daemon: DaemonArgs,
        #[command(flatten)]
        look: LookArgs,
    },
    /// List tasks that began a trace, of all that are stored.
    Tasks(tasks::TasksArgs),
    /// List what fails: errors and failed tasks, grouped.
    Problems(problems::ProblemsArgs),
    /// Delete records for good: those of a trace, or those that match a condition.
    Delete(delete::DeleteArgs),
    /// Compare two trees: what only one did, what took longer, where they first differ.
    Diff(diff::DiffArgs),
    /// Show how a running daemon does: receivers, processors, producers, store.
    Status(status::StatusArgs),
    /// Set what running programs record: of a service, a process or one task, for a time; or show it.
    Level(level::LevelArgs),
    /// Have a running daemon read its configuration again.
    Reload(reload::ReloadArgs),
    /// Show a database that daemons fill: the page and the API, read-only.
    View(view::ViewArgs),
    /// Make tokens, by which the daemon knows who sends and asks.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Check a configuration and report all its faults.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The configuration, in YAML.
        file: PathBuf,
    },
    /// Test rules: which records go where, are dropped or changed, by trees and records in files.
    Test(test::TestArgs),
    /// Say what another configuration would do with what is stored, beside the one that runs.
    Replay(replay::ReplayArgs),
    /// Make keys, by which programs and daemons know each other.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
}

#[derive(Debug, Args)]
struct DaemonArgs {
    /// HTTP address of the daemon.
    #[arg(long, env = "DISTLOGD_URL", default_value = "http://127.0.0.1:5080", value_parser = http_url)]
    url: String,
    #[command(flatten)]
    from: from::FromArgs,
    /// File with the token that the daemon asks for; without it the token is that of the variable DISTLOGD_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Send the token in plain text to another machine.
    #[arg(long)]
    plaintext: bool,
    /// For https: trust the authorities of this file (PEM) in place of those of the system.
    #[arg(long, env = "DISTLOGD_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// For https: the certificate to show, with its chain (PEM).
    #[arg(
        long,
        env = "DISTLOGD_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    client_cert: Option<PathBuf>,
    /// For https: the private key of that certificate (PEM).
    #[arg(
        long,
        env = "DISTLOGD_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    client_key: Option<PathBuf>,
}

fn http_url(text: &str) -> Result<String, &'static str> {
    let known = ["http://", "https://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    known
        .then(|| text.to_owned())
        .ok_or("write http:// before it")
}

#[derive(Debug, Args)]
struct LookArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Whether to use colours.
    #[arg(long, value_enum, default_value_t = When::Auto)]
    color: When,
    /// Show long values in full.
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// If standard output is a terminal and NO_COLOR is not set.
    Auto,
    Always,
    Never,
}

impl LookArgs {
    fn look(&self) -> Look {
        let colour = if self.color() {
            Colour::On
        } else {
            Colour::Off
        };
        Look::new(colour, self.full)
    }

    fn color(&self) -> bool {
        use std::io::IsTerminal;
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
        }
    }
}

/// The arguments of the program, for completions and man pages.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// The program `distlogd`.
pub fn main() -> ExitCode {
    main_with(|builder| builder)
}

/// The program `distlogd` for a custom daemon: `add` registers processors.
pub fn main_with(add: impl FnOnce(Builder) -> Builder) -> ExitCode {
    main_from(std::env::args_os(), add)
}

/// As [`main_with`], with the arguments given; the first is the program's name.
pub fn main_from(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    add: impl FnOnce(Builder) -> Builder,
) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed by this, too.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG));
        }
    };
    let code = match cli.command {
        None if cli.check_permissions => permissions::check_permissions(cli.config.as_deref(), add),
        None if !cli.drain.is_empty() => {
            drain::drain(cli.config.as_deref(), &cli.drain, &cli.owner, add)
        }
        None => run::run(cli.config.as_deref(), add),
        Some(Command::Keys(command)) => keys::keys(command),
        Some(Command::Check { file }) => check::check(&file, add),
        Some(Command::Token(command)) => token::token(command),
        Some(Command::Schema) => check::schema(),
        Some(Command::Delete(args)) => delete::delete(&args),
        Some(Command::Diff(args)) => diff::diff(&args),
        Some(Command::Level(args)) => level::level(&args),
        Some(Command::Reload(args)) => reload::reload(&args),
        Some(Command::Replay(args)) => replay::replay(&args, add),
        Some(Command::Status(args)) => status::status(&args),
        Some(Command::Test(args)) => test::test(&args, add),
        Some(Command::View(args)) => view::view(&args, add),
        Some(Command::Tree {
            id,
            depth,
            cursor,
            daemon,
            look,
        }) => client::tree(&daemon, &id, (depth, cursor.as_deref()), &look),
        Some(Command::Find(args)) => find::find(&args),
        Some(Command::Stats(args)) => stats::stats(&args),
        Some(Command::Tail {
            filter,
            task,
            no_reorder,
            daemon,
            look,
        }) => client::tail(&daemon, (filter, task), !no_reorder, &look),
        Some(Command::Tasks(args)) => tasks::tasks(&args),
        Some(Command::Problems(args)) => problems::problems(&args),
    };
    ExitCode::from(code)
}
