//! Processor `nats`: publishes records to a stream of NATS JetStream, from which any number of daemons take them
//! (`sources:`).
//!
//! A message is a batch of encoding B with records of one producer and one partition: see `messages.rs`, which also
//! makes its id. A flush waits until the stream has acknowledged all. `in_flight.rs` has what is published and not yet
//! acknowledged, `acknowledged.rs` what the stream has and may be presented again.

mod acknowledged;
mod config;
mod in_flight;
mod messages;

use tokio::runtime::Handle;

use super::start::Start;
use crate::nats::{Connection, NatsStream, connect, subject};
use crate::processor::{Error, Processor, Token};
use crate::shutdown::{Phase, Shutdown};
use distlog_proto::RecordRef;

pub use config::Config;
use in_flight::{Fault, InFlight};
use messages::{Message, Messages, TooLarge};

/// What the id and other headers take of the size of a message, at most.
const HEADERS: usize = 512;

/// Makes the processor: connects, and finds or makes the stream.
///
/// # Errors
/// If the server cannot be reached, refuses us, or has the stream with other settings.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    let name = format!(
        "distlogd {} (processor {})",
        crate::host::hostname(),
        start.name
    );
    let waiting = Waiting {
        runtime: start.runtime.clone(),
        shutdown: start.shutdown.clone(),
    };
    let connection = waiting
        .wait(connect(&config.server, &name))?
        .map_err(Error::retry)?;
    let mut nats = Nats {
        config: config.clone(),
        connection,
        in_flight: InFlight::new(config.in_flight),
        stream: None,
        made: None,
        waiting,
    };
    let partitions = nats.find()?.subjects.len();
    let (stream, at) = (&config.stream, &nats.connection.at);
    tracing::info!(
        processor = start.name,
        "publishes to the stream {stream} at {at}, {partitions} partitions"
    );
    Ok(Box::new(nats))
}

/// The processor.
struct Nats {
    config: Config,
    connection: Connection,
    in_flight: InFlight,
    /// The stream as it was found; none after a failure, until it was looked at again.
    stream: Option<Found>,
    /// When the stream was made, in ns since the epoch, as it was found last.
    made: Option<i64>,
    waiting: Waiting,
}

/// A stream as it was found.
struct Found {
    /// Of each partition.
    subjects: Vec<String>,
    messages: Messages,
    /// The largest message, in bytes.
    limit: usize,
}

/// Waits in the thread of the worker, until the daemon stops at once.
struct Waiting {
    runtime: Handle,
    shutdown: Shutdown,
}

impl Waiting {
    fn wait<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        let aborted = self.shutdown.clone().wait_for(Phase::Abort);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                output = future => Ok(output),
                () = aborted => Err(Error::retry("the daemon stops")),
            }
        })
    }
}

impl Nats {
    /// Looks at the stream.
    fn find(&mut self) -> Result<&mut Found, Error> {
        if let Some(ref mut found) = self.stream {
            return Ok(found);
        }
        let Config {
            stream, settings, ..
        } = &self.config;
        let finding = NatsStream::find_or_make(&self.connection, stream, settings);
        let found = self.waiting.wait(finding)?.map_err(Error::retry)?;
        let made = NatsStream::made(found.stream.cached_info());
        if self.made.replace(made) != Some(made) {
            // What another one has acknowledged is not in this one.
            self.in_flight.forget();
        }
        let of_server = self.connection.client.server_info().max_payload;
        let of_stream = usize::try_from(found.stream.cached_info().config.max_message_size);
        let limit = of_stream.ok().filter(|limit| *limit > 0);
        let limit = limit
            .map_or(of_server, |limit| limit.min(of_server))
            .saturating_sub(HEADERS);
        let subjects: Vec<String> = (0..found.partitions).map(|p| subject(stream, p)).collect();
        Ok(self.stream.insert(Found {
            messages: Messages::new(found.partitions, limit),
            subjects,
            limit,
        }))
    }

    /// Publishes records; gives those that are too large for the server.
    fn publish(&mut self, records: &[RecordRef<'_>]) -> Result<(Vec<TooLarge>, usize), Error> {
        self.find()?;
        let Nats {
            connection,
            in_flight,
            stream: Some(found),
            waiting,
            ..
        } = self
        else {
            return Ok((Vec::new(), 0));
        };
        let subjects = &found.subjects;
        let too_large = found.messages.make(records, |message| {
            let Message {
                partition,
                id,
                body,
            } = message;
            let subject = subjects[usize::from(partition)].as_str();
            let publishing = in_flight.publish(&connection.jetstream, subject, id, body);
            waiting
                .wait(publishing)?
                .map_err(|fault| sentence(connection, &self.config.stream, &fault))
        })?;
        Ok((too_large, found.limit))
    }

    /// After a failure everything is published again, and the stream may be another one.
    fn failed(&mut self, error: Error) -> Error {
        // The daemon may stop meanwhile: then nothing is presented again.
        let _ = self.waiting.wait(self.in_flight.abandon());
        self.stream = None;
        error
    }
}

fn sentence(connection: &Connection, stream: &str, fault: &Fault) -> Error {
    let Connection { at, .. } = connection;
    Error::retry(format_args!(
        "the stream {stream} at {at} {fault}{}",
        connection.trouble()
    ))
}

impl Processor for Nats {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let (too_large, limit) = self.publish(records).map_err(|error| self.failed(error))?;
        let Some(first) = too_large.first() else {
            return Ok(());
        };
        Err(Error::Reject {
            reason: format!(
                "a record of {} bytes is larger than what the stream {} at {} takes, {limit} bytes: `max_payload` of the \
                 server, `max_msg_size` of the stream",
                first.bytes, self.config.stream, self.connection.at
            ),
            numbers: too_large.iter().map(|record| record.number).collect(),
        })
    }

    fn flush(&mut self) -> Result<Token, Error> {
        let settled = match self.waiting.wait(self.in_flight.settle()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(sentence(&self.connection, &self.config.stream, &fault)),
            Err(error) => Err(error),
        };
        match settled {
            Ok(()) => Ok(Token::default()),
            Err(error) => Err(self.failed(error)),
        }
    }
}
