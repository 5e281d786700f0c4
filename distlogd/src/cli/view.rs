//! `distlogd view`: serves the page and the API over a database that daemons fill.

use std::path::PathBuf;

use super::from::FromArgs;
use super::output::{log, tell};
use super::run::{either, failed, signals, with_scheme};
use super::{WRONG, check, notify};
use crate::config::Http;
use crate::daemon::{Builder, Runtime};
use crate::view::ViewServer;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  distlogd view --from sqlite:logs.db                      what a daemon writes to this file
  DISTLOGD_FROM=postgres://reader:SECRET@db/logs distlogd view
  distlogd view --from clickhouse://ch:8123/distlog --listen 127.0.0.1:5090
  distlogd view --from-file url --config view.yaml         with TLS and tokens, as its `listen.http` says
  distlogd tree ID --from sqlite:logs.db                   one answer, without a server

Nothing is written to the database. What needs a daemon is refused: following records as they come, and deleting.")]
pub(super) struct ViewArgs {
    #[command(flatten)]
    from: FromArgs,
    /// Where it listens; without it as the configuration says, else at 127.0.0.1:5080.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// A configuration as that of a daemon, of which `listen.http` and `listen.limits` count.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn view(args: &ViewArgs, add: impl FnOnce(Builder) -> Builder) -> u8 {
    log();
    let from = match args.from.url() {
        Ok(Some(from)) => from,
        Ok(None) => {
            tell!(
                "distlogd: which database? --from sqlite:logs.db names one, as DISTLOGD_FROM does"
            );
            return WRONG;
        }
        Err(error) => {
            tell!("distlogd: {error}");
            return WRONG;
        }
    };
    let config = match check::load(args.config.as_deref(), &add(Builder::new())) {
        Ok(config) => config,
        Err(faults) => {
            check::tell_faults(&faults);
            return WRONG;
        }
    };
    let http = match (config.listen.http, &args.listen) {
        (Some(http), None) => http,
        (Some(http), Some(bind)) => Http {
            bind: bind.clone(),
            ..http
        },
        (None, Some(bind)) => Http::from(bind.as_str()),
        (None, None) => {
            tell!(
                "distlogd: `listen.http` is off in the configuration: --listen HOST:PORT names an address"
            );
            return WRONG;
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let handle = runtime.handle();
    let (mut term, mut interrupt) = match signals(handle) {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let server = match ViewServer::start(&from, &http, &config.listen.limits, handle) {
        Ok(server) => server,
        Err(error) => return failed(&error),
    };
    tell!(
        "distlogd {}: a view, nothing is stored",
        env!("CARGO_PKG_VERSION")
    );
    tell!("  from     {}", server.database());
    tell!("  http     {}", with_scheme(&server.address()));
    tell!("ready");
    notify::ready();
    handle.spawn(notify::watchdog());
    handle.block_on(either(&mut term, &mut interrupt));
    tell!("stopping");
    server.stop();
    tell!("stopped");
    0
}
