//! Processor `exec`: a program of one's own, in any language.
//!
//! distlogd starts it, writes to its standard input and reads its standard output, line by line:
//!
//! ```text
//! to it     {"n":17,"record":{"levelname":"ERROR","message":"payment refused",…}}
//! from it   17                                         everything up to and including 17 is done
//! from it   {"reject":17,"reason":"no such customer"}  17 will never be taken; it is counted and skipped
//! ```
//!
//! `n` is the record's number in the store; it grows, with holes where rules sent records elsewhere. `record` has the
//! LogRecord form of encoding J ([`distlog_python::json`]). Acknowledgements may come late and for many at once, but
//! they have to come: a program that neither reads nor acknowledges for `timeout` is started again. What is not
//! acknowledged when it ends comes again, so a record may come twice, and never gets lost. Lines on standard error are
//! logged. At the end, and when the daemon's grace period is over, standard input is closed; then it has three seconds
//! to finish, and to acknowledge. A program that still runs gets SIGTERM, and a second later SIGKILL.
//!
//! A whole plugin in Python:
//!
//! ```python
//! import json, sys
//! for line in sys.stdin:
//!     entry = json.loads(line)
//!     if entry["record"]["levelno"] >= 40:
//!         print(entry["record"]["message"], file=sys.stderr)
//!     print(entry["n"], flush=True)
//! ```
//!
//! Read it in this order: `config.rs`, `answer.rs` (what the program says), `child.rs` (the running program),
//! `plugin.rs` (the processor).

mod answer;
mod child;
mod config;
mod plugin;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::start::Start;
use crate::processor::{Error, Processor};

pub(in crate::processors) use child::Running;
pub use config::Config;
pub(in crate::processors) use config::command;
pub use plugin::Plugin;

/// How long a program may take to end when the daemon stops at once.
pub(crate) const STOP_TIME: Duration = child::STOP_TIME;

/// Makes the processor.
///
/// # Errors
/// If the program cannot be started.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    Ok(Box::new(Plugin::start(start.name, config, start.shutdown)?))
}
