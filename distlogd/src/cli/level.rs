//! `distlogd level`: what running programs record.

use std::time::{Duration, Instant};

use clap::Args;
use serde::de::DeserializeOwned;

use super::client::{self, Error, report_found};
use super::output::tell;
use super::table::{Cell, Table, terminal_width};
use super::{DaemonArgs, LookArgs};
use crate::escape::one_line;
use crate::intake::now;
use crate::levels::{LevelOverride, LevelProcess, LevelsShown};
use crate::tree::paint::{HumanDuration, Look, Style};

const USAGE: &str = "\
distlogd level [OPTIONS]
       distlogd level <SERVICE> [LEVELS] [OPTIONS]
       distlogd level --process <PROCESS> [LEVELS] [OPTIONS]
       distlogd level --task <ID> [LEVEL] [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  distlogd level                                     what is set, and which programs apply it
  distlogd level orders orders=debug,hyper=warn      of all processes of a service, for an hour
  distlogd level orders debug --for 10m
  distlogd level --process 4711 trace                of one process
  distlogd level --task ID debug                     of one request and all below it, in every process
  distlogd level orders --off                        as the programs were started

Levels are off, error, warn, info, debug and trace, of all targets or as \
TARGET=LEVEL. They are on top of what a program was started with, and end by \
themselves. Programs apply them that have a filter for levels: \
`layer.with_filter(guard.levels(\"info\")?)` of distlog-layer.

Exit codes: 0 done, 2 wrong, 4 nothing found.";

const PATH: &str = "/api/v1/levels";
/// Programs say so fast that they apply what is set.
const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub(super) struct LevelArgs {
    /// The service; with --process or --task the levels.
    #[arg(value_name = "SERVICE")]
    first: Option<String>,
    /// What it records: `debug`, or `orders=debug,hyper=warn`.
    #[arg(value_name = "LEVELS")]
    second: Option<String>,
    /// One process: its process id, or its id as a producer.
    #[arg(long, value_name = "PROCESS", conflicts_with = "task")]
    process: Option<String>,
    /// One task and all below it, in every process.
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// How long, like `10m`; without it an hour, of a task 10 minutes.
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<String>,
    /// Take back what was set; of everything, if nothing is named.
    #[arg(long, conflicts_with = "lasts")]
    off: bool,
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(flatten)]
    look: LookArgs,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Wish<'a> {
    /// Show what is set, of a service or all.
    Show(Option<&'a str>),
    /// Of a service, if one is named.
    Set(Option<&'a str>, &'a str),
    Clear(Option<&'a str>),
}

impl LevelArgs {
    fn wish(&self) -> Result<Wish<'_>, String> {
        let what = self.first.iter().chain(&self.second);
        let what: Vec<&str> = what.map(String::as_str).collect();
        let is_named = self.process.is_some() || self.task.is_some();
        let wish = match (&what[..], is_named, self.off) {
            (&[], _, true) => Wish::Clear(None),
            (&[service], false, true) => Wish::Clear(Some(service)),
            (&[_, ..], _, true) => return Err("with --off no levels are named".to_owned()),
            (&[], false, false) => Wish::Show(None),
            (&[service], false, false) => Wish::Show(Some(service)),
            (&[service, levels], false, false) => Wish::Set(Some(service), levels),
            (&[levels], true, false) => Wish::Set(None, levels),
            (&[service, levels], true, false) if self.process.is_some() => {
                Wish::Set(Some(service), levels)
            }
            (&[], true, false) => {
                return Err("levels are missing: `debug`, or --off to take them back".to_owned());
            }
            _ => return Err("a task has one level, and no service".to_owned()),
        };
        if self.lasts.is_some() && !matches!(wish, Wish::Set(..)) {
            return Err("--for belongs to levels that are set".to_owned());
        }
        Ok(wish)
    }

    /// The parameters that say whose levels are meant.
    fn whose<'a>(&'a self, service: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
        let parameters = [
            ("service", service),
            ("process", self.process.as_deref()),
            ("task", self.task.as_deref()),
        ];
        let given = parameters.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

pub(super) fn level(args: &LevelArgs) -> u8 {
    let done = args
        .wish()
        .map_err(Error::Wrong)
        .and_then(|wish| match wish {
            Wish::Show(service) => show(args, service),
            Wish::Set(service, levels) => set(args, service, levels),
            Wish::Clear(service) => clear(args, service),
        });
    report_found(done)
}

fn json(value: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::Answer(error.to_string()))?;
    client::print(&format!("{text}\n"))
}

fn shown(args: &LevelArgs) -> Result<LevelsShown, Error> {
    read(client::get(&args.daemon, PATH, &[])?)
}

fn read<T: DeserializeOwned>(body: impl std::io::Read) -> Result<T, Error> {
    serde_json::from_reader(body).map_err(|error| Error::Answer(error.to_string()))
}

fn show(args: &LevelArgs, service: Option<&str>) -> Result<bool, Error> {
    let mut shown = shown(args)?;
    if let Some(name) = service {
        let is_of = |service: &str| service == name;
        shown
            .overrides
            .retain(|one| one.service.as_deref().is_some_and(is_of));
        shown.processes.retain(|one| is_of(&one.service));
    }
    if args.look.json {
        json(&shown)?;
    } else {
        client::print(&page(&shown, args.look.look(), terminal_width()))?;
    }
    Ok(!(shown.overrides.is_empty() && shown.processes.is_empty()))
}

fn set(args: &LevelArgs, service: Option<&str>, levels: &str) -> Result<bool, Error> {
    let mut query = args.whose(service);
    query.push(("levels", levels));
    query.extend(args.lasts.as_deref().map(|lasts| ("for", lasts)));
    let mut set: LevelOverride = client::put(&args.daemon, PATH, &query)?;
    let until = Instant::now() + PATIENCE;
    while set.applied + set.without_filter < set.processes && Instant::now() < until {
        std::thread::sleep(POLL);
        let overrides = shown(args)?.overrides;
        let is_it = |one: &LevelOverride| {
            (&one.producer, &one.task) == (&set.producer, &set.task)
                && (one.producer.is_some() || one.service == set.service)
                && one.until_ns == set.until_ns
        };
        match overrides.into_iter().find(is_it) {
            Some(one) => set = one,
            // It is over already, or somebody else has set another one.
            None => break,
        }
    }
    match args.look.json {
        true => json(&set)?,
        false => client::print(&format!("{}\n", said(&set)))?,
    }
    Ok(true)
}

fn clear(args: &LevelArgs, service: Option<&str>) -> Result<bool, Error> {
    let shown: LevelsShown = client::delete(&args.daemon, PATH, &args.whose(service))?;
    match args.look.json {
        true => json(&shown)?,
        false => tell!("taken back"),
    }
    Ok(true)
}

/// Whose levels they are.
fn whose(one: &LevelOverride) -> String {
    let service = one.service.as_deref().unwrap_or_default();
    let whose = match (&one.task, &one.producer) {
        (Some(task), _) => format!("task {task}"),
        (None, Some(producer)) if service.is_empty() => format!("process {producer}"),
        (None, Some(producer)) => format!("process {producer} of {service}"),
        (None, None) => service.to_owned(),
    };
    match &one.by {
        Some(processor) => format!("{whose} (by {processor})"),
        None => whose,
    }
}

/// How long they last from now on, in ns: what was set for 10m a moment ago still is.
fn left(one: &LevelOverride) -> Option<u64> {
    const SECOND: u64 = 1_000_000_000;
    let left = one.until_ns?.saturating_sub(now());
    Some((left + SECOND / 2) / SECOND * SECOND)
}

/// What was set, and who applies it.
fn said(one: &LevelOverride) -> String {
    let lasts = left(one).map_or_else(String::new, |left| format!(" for {}", HumanDuration(left)));
    let whose = whose(one);
    let (whose, levels) = (one_line(&whose), one_line(&one.levels));
    format!("{whose}: {levels}{lasts}. {}", applied(one))
}

/// Who applies it, in a sentence.
fn applied(one: &LevelOverride) -> String {
    let LevelOverride {
        processes,
        applied,
        without_filter,
        ..
    } = *one;
    if processes == 0 {
        return "No process of it is connected by a session; one that comes applies it".to_owned();
    }
    let plural = if processes == 1 { "" } else { "es" };
    let verb = if applied == 1 { "applies" } else { "apply" };
    let mut text = format!("{applied} of {processes} process{plural} {verb} it");
    if without_filter > 0 {
        let has = if without_filter == 1 { "has" } else { "have" };
        text += &format!("; {without_filter} {has} no filter for levels");
    }
    let silent = processes.saturating_sub(applied + without_filter);
    if silent > 0 {
        let has = if silent == 1 { "has" } else { "have" };
        text += &format!("; {silent} {has} not answered yet");
    }
    text
}

fn page(shown: &LevelsShown, look: Look, columns: Option<usize>) -> String {
    let mut out = String::new();
    let mut table = Table::new(&["LEVELS OF", "LEVELS", "ENDS IN", "APPLIED BY"]);
    for one in &shown.overrides {
        let ends = left(one).map_or_else(
            || "with the configuration".to_owned(),
            |left| HumanDuration(left).to_string(),
        );
        table.row(vec![
            Cell::text(&whose(one)),
            Cell::text(&one.levels),
            Cell::text(&ends),
            Cell::text(&format!("{} of {}", one.applied, one.processes)),
        ]);
    }
    if table.is_empty() {
        out.push_str("no levels are set\n");
    } else {
        table.put(&mut out, look, columns);
    }
    let mut table = Table::new(&["SERVICE", "HOST", "PROCESS", "PRODUCER", "FILTER", "LEVELS"]);
    for one in &shown.processes {
        table.row(vec![
            Cell::text(&one.service),
            Cell::text(&one.host),
            Cell::number(one.process_id),
            Cell::text(&one.producer),
            Cell::text(filter(one)).styled_if(!one.has_filter, Style::Dim),
            Cell::text(&one.levels),
        ]);
    }
    if !table.is_empty() {
        out.push('\n');
        table.put(&mut out, look, columns);
    }
    out
}

fn filter(one: &LevelProcess) -> &'static str {
    match (one.has_filter, one.applied) {
        (false, _) => "none",
        (true, true) => "applied",
        (true, false) => "waits",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::tree::paint::Colour;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        args: LevelArgs,
    }

    fn wish(arguments: &str) -> Result<String, String> {
        let all = std::iter::once("level").chain(arguments.split_whitespace());
        let program = Program::try_parse_from(all).map_err(|error| error.to_string())?;
        program.args.wish().map(|wish| format!("{wish:?}"))
    }

    #[test]
    fn it_is_told_from_the_arguments_what_is_to_be_done() {
        for (arguments, expected) in [
            ("", "Show(None)"),
            ("orders", "Show(Some(\"orders\"))"),
            ("orders debug --for 10m", "Set(Some(\"orders\"), \"debug\")"),
            ("--process 4711 debug", "Set(None, \"debug\")"),
            (
                "orders debug --process 4711",
                "Set(Some(\"orders\"), \"debug\")",
            ),
            ("--task e252 debug", "Set(None, \"debug\")"),
            ("orders --off", "Clear(Some(\"orders\"))"),
            ("--task e252 --off", "Clear(None)"),
            ("--off", "Clear(None)"),
        ] {
            assert_eq!(wish(arguments).as_deref(), Ok(expected), "{arguments}");
        }
        for arguments in [
            "orders debug --off",
            "--process 4711",
            "--task e252 orders debug",
            "orders --for 10m",
            "--task e252 --process 4711 debug",
            "--off --for 1h",
        ] {
            assert!(wish(arguments).is_err(), "{arguments}");
        }
    }

    #[test]
    fn it_is_said_who_applies_what_was_set() {
        let one = |processes, applied, without_filter| LevelOverride {
            service: Some("orders".to_owned()),
            producer: None,
            task: None,
            levels: "debug".to_owned(),
            by: None,
            until_ns: None,
            processes,
            applied,
            without_filter,
        };
        assert_eq!(
            said(&one(3, 2, 1)),
            "orders: debug. 2 of 3 processes apply it; 1 has no filter for levels"
        );
        assert_eq!(applied(&one(1, 1, 0)), "1 of 1 process applies it");
        assert_eq!(
            applied(&one(4, 0, 2)),
            "0 of 4 processes apply it; 2 have no filter for levels; 2 have not answered yet"
        );
        let shown = LevelsShown {
            overrides: vec![one(3, 2, 1)],
            processes: Vec::new(),
        };
        let text = page(&shown, Look::new(Colour::Off, false), None);
        assert_eq!(
            text,
            "LEVELS OF  LEVELS  ENDS IN                 APPLIED BY\n\
             orders     debug   with the configuration  2 of 3\n"
        );
    }
}
