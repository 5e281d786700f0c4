//! The processor: records go to the program, its answers come back.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use distlog_proto::RecordRef;
use distlog_python::json;

use super::answer::Answer;
use super::child::Running;
use super::config::Config;
use crate::processor::{Error, Processor, Token};
use crate::shutdown::{Phase, Shutdown};

/// Lines are written when they have this many bytes.
const WRITE_BYTES: usize = 64 << 10;
/// Warnings about what the program says, between two starts.
const MAX_WARNINGS: u32 = 20;
/// How often a plugin that waits for an answer looks whether the daemon stops.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// Hands records to a program.
pub struct Plugin {
    name: String,
    config: Config,
    shutdown: Shutdown,
    running: Option<Running>,
    /// Numbers that are with the program or on their way, in order.
    pending: VecDeque<u64>,
    /// The last number that was written to it.
    sent: u64,
    rejected: Vec<u64>,
    /// Why the first of them was.
    reason: String,
    lines: Vec<u8>,
    /// When it last read or said something.
    last_seen: Instant,
    warnings: u32,
}

impl Plugin {
    /// Starts the program. `name` is the processor's, for messages. At [`Phase::Abort`] the program is ended.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, config: &Config, shutdown: &Shutdown) -> Result<Plugin, Error> {
        let mut plugin = Plugin {
            name: name.to_owned(),
            config: config.clone(),
            shutdown: shutdown.clone(),
            running: None,
            pending: VecDeque::new(),
            sent: 0,
            rejected: Vec::new(),
            reason: String::new(),
            lines: Vec::new(),
            last_seen: Instant::now(),
            warnings: 0,
        };
        plugin.running()?;
        Ok(plugin)
    }

    /// The program; it is started if it does not run.
    fn running(&mut self) -> Result<&mut Running, Error> {
        let running = match self.running.take() {
            Some(running) => running,
            None => {
                self.last_seen = Instant::now();
                self.warnings = 0;
                Running::start(&self.name, &self.config).map_err(|error| {
                    Error::retry(format_args!(
                        "cannot start `{}`: {error}",
                        self.config.command.join(" ")
                    ))
                })?
            }
        };
        Ok(self.running.insert(running))
    }

    /// Ends the program and forgets what it did not acknowledge, which comes again.
    fn fail(&mut self, why: Option<String>) -> Error {
        self.pending.clear();
        self.sent = 0;
        self.rejected.clear();
        self.lines.clear();
        let end = self
            .running
            .take()
            .map(Running::epitaph)
            .unwrap_or_else(|| "it does not run".to_owned());
        Error::retry(why.unwrap_or(end))
    }

    fn take(&mut self, answer: Answer) -> Result<(), Error> {
        self.last_seen = Instant::now();
        match answer {
            // To believe it would lose records that it never saw.
            Answer::Done(number) if number > self.sent => {
                let sent = self.sent;
                self.warn(format_args!(
                    "acknowledged {number}, but was sent only up to {sent}"
                ));
            }
            Answer::Done(number) => {
                while self.pending.front().is_some_and(|first| *first <= number) {
                    self.pending.pop_front();
                }
            }
            Answer::Rejected(number, reason) => match self.pending.binary_search(&number) {
                Ok(at) => {
                    self.pending.remove(at);
                    if self.rejected.is_empty() {
                        self.reason = reason;
                    }
                    self.rejected.push(number);
                }
                Err(_) => self.warn(format_args!("rejected {number}, which is not with it")),
            },
            Answer::Unknown(line) => {
                self.warn(format_args!("said `{line}` on standard output: expected a number, or {{\"reject\": number, \"reason\": text}}"));
            }
            Answer::End => return Err(self.fail(None)),
        }
        Ok(())
    }

    fn warn(&mut self, what: std::fmt::Arguments<'_>) {
        self.warnings += 1;
        if self.warnings <= MAX_WARNINGS {
            tracing::warn!(
                processor = self.name,
                "`{}` {what}",
                self.config.command.join(" ")
            );
        }
        if self.warnings == MAX_WARNINGS {
            tracing::warn!(
                processor = self.name,
                "further warnings are left out until it is started again"
            );
        }
    }

    /// Time left before the program is given up.
    fn time_left(&mut self) -> Result<Duration, Error> {
        if self.shutdown.reached(Phase::Abort) {
            return Err(self.fail(Some("the daemon stops".to_owned())));
        }
        let left = self.config.timeout.saturating_sub(self.last_seen.elapsed());
        if left.is_zero() {
            let why = format!(
                "`{}` neither read nor acknowledged anything for {}; it is started again",
                self.config.command.join(" "),
                crate::values::show_duration(self.config.timeout)
            );
            return Err(self.fail(Some(why)));
        }
        Ok(left)
    }

    /// Takes the answers that are there.
    fn take_answers(&mut self) -> Result<(), Error> {
        while let Some(answer) = self.running()?.answer() {
            self.take(answer)?;
        }
        Ok(())
    }

    /// Writes the lines, taking answers meanwhile.
    fn write(&mut self) -> Result<(), Error> {
        let lines = std::mem::take(&mut self.lines);
        let mut rest = lines.as_slice();
        self.last_seen = Instant::now();
        while !rest.is_empty() {
            match self.running()?.write(rest) {
                Ok(0) => {
                    self.take_answers()?;
                    self.time_left()?;
                    self.running()?.wait_writable();
                }
                Ok(written) => {
                    rest = &rest[written..];
                    self.last_seen = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Err(self.fail(None));
                }
                Err(error) => {
                    let why = format!(
                        "cannot write to `{}`: {error}",
                        self.config.command.join(" ")
                    );
                    return Err(self.fail(Some(why)));
                }
            }
        }
        self.lines = lines;
        self.lines.clear();
        self.take_answers()
    }

    /// Waits until at most `many` records are with the program.
    fn wait(&mut self, many: usize) -> Result<(), Error> {
        self.last_seen = Instant::now();
        while self.pending.len() > many {
            let time = self.time_left()?.min(STOP_INTERVAL);
            if let Some(answer) = self.running()?.wait_answer(time) {
                self.take(answer)?;
            }
        }
        Ok(())
    }
}

impl Processor for Plugin {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        // One that ended since is noticed before anything is written to it.
        self.take_answers()?;
        let mut json = json::Encoder::default();
        for record in records {
            // Writing into memory does not fail.
            let _ = write!(self.lines, "{{\"n\":{},\"record\":", record.store_number);
            json.encode(record, &mut self.lines);
            self.lines.extend(b"}\n");
            self.pending.push_back(record.store_number);
            self.sent = record.store_number;
            let full = self.pending.len() >= self.config.in_flight.max(1);
            if full || self.lines.len() >= WRITE_BYTES {
                self.write()?;
            }
            if full {
                self.wait(self.config.in_flight.max(1) - 1)?;
            }
        }
        self.write()
    }

    fn flush(&mut self) -> Result<Token, Error> {
        self.wait(0)?;
        if self.rejected.is_empty() {
            return Ok(Token::default());
        }
        let reason = std::mem::take(&mut self.reason);
        Err(Error::Reject {
            numbers: std::mem::take(&mut self.rejected),
            reason,
        })
    }
}
