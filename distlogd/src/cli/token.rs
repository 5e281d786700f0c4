//! Makes tokens, and lists them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};

use super::output::tell;
use super::table::{Cell, Table};
use super::{FAILED, WRONG, client};
use crate::access::{AppendError, Entry, Right, Secret, Token, append, is_name, parse, rfc3339};
use crate::tree::paint::{Colour, Look};
use crate::values::parse_duration;

const EXAMPLES: &str = "\
Examples:
  distlogd token new collector --may ingest                 for who sends
  distlogd token new me --may read --expires 90d            for who looks
  distlogd token new shop --may read --services shop,web    for who sees two services only
  distlogd token new ops --may ingest,read,admin            for who may delete, too

The token is printed once; the file has only its hash. A running daemon sees the new line within a second.";

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token, and add it to a file.
    #[command(after_help = EXAMPLES)]
    New(NewArgs),
    /// List the tokens of a file. The tokens themselves are not in it.
    List(FileArgs),
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The file of tokens, as `tokens:` in the configuration names it.
    #[arg(long, value_name = "FILE", default_value = "tokens.yaml")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Its name, in the file and in log lines.
    #[arg(value_parser = name)]
    name: String,
    /// What it may do.
    #[arg(long, value_delimiter = ',', required = true)]
    may: Vec<Right>,
    /// It reads only what these services stored.
    #[arg(long, value_delimiter = ',', value_name = "SERVICE")]
    services: Vec<String>,
    /// How long it holds, like 90d or 12h; without it, until its line is removed.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    expires: Option<Duration>,
    #[command(flatten)]
    file: FileArgs,
}

fn name(text: &str) -> Result<String, &'static str> {
    let expected = "expected up to 64 of a–z, A–Z, 0–9, -, _, @ and .";
    is_name(text).then(|| text.to_owned()).ok_or(expected)
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let duration = parse_duration(text).filter(|duration| !duration.is_zero());
    duration.ok_or("expected a duration like 90d or 12h")
}

pub(super) fn token(command: TokenCommand) -> u8 {
    match command {
        TokenCommand::New(args) => new(args),
        TokenCommand::List(FileArgs { file }) => list(&file),
    }
}

fn new(args: NewArgs) -> u8 {
    let secret = match Secret::random() {
        Ok(secret) => secret,
        Err(error) => {
            tell!("distlogd: the system gives no random bytes: {error}");
            return FAILED;
        }
    };
    let mut may = args.may;
    may.dedup();
    let entry = Entry {
        name: args.name,
        hash: secret.hash(),
        may,
        services: (!args.services.is_empty()).then_some(args.services),
        expires: args.expires.map(|left| SystemTime::now() + left),
    };
    let FileArgs { file } = args.file;
    if let Err(error) = append(&file, &entry) {
        tell!("distlogd: {error}");
        return match error {
            AppendError::File { .. } => FAILED,
            _ => WRONG,
        };
    }
    let shown = file.display();
    tell!(
        "added `{}` to {shown}; this is the only time that the token is shown:",
        entry.name
    );
    if print(&format!("{}\n", secret.text())) != 0 {
        return FAILED;
    }
    tell!("the configuration names the file: listen: {{ http: {{ bind: …, tokens: {shown} }} }}");
    0
}

fn list(file: &Path) -> u8 {
    let shown = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            tell!("distlogd: cannot read {shown}: {error}");
            return FAILED;
        }
    };
    match parse(&text, &shown) {
        Ok(tokens) => print(&table(&tokens)),
        Err(faults) => {
            super::check::tell_faults(&faults.to_string());
            WRONG
        }
    }
}

fn print(text: &str) -> u8 {
    match client::print(text) {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}

fn table(tokens: &[Token]) -> String {
    let mut table = Table::new(&["NAME", "MAY", "SERVICES", "EXPIRES"]);
    for token in tokens {
        let may: Vec<&str> = token.may.iter().map(|right| right.name()).collect();
        let services = token.services.as_ref().map(ToString::to_string);
        let is_over = token.left() == Some(Duration::ZERO);
        let expires = token.expires.map(|end| {
            let over = if is_over { ", over" } else { "" };
            format!("{}{over}", rfc3339(end))
        });
        table.row(vec![
            Cell::text(&token.name),
            Cell::text(&may.join(", ")),
            Cell::text(services.as_deref().unwrap_or("all")),
            Cell::text(expires.as_deref().unwrap_or("never")),
        ]);
    }
    let mut text = String::new();
    table.put(&mut text, Look::new(Colour::Off, true), None);
    text
}
