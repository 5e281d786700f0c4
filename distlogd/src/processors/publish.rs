//! Processor `pub`: a ZeroMQ PUB socket, so that any ZeroMQ subscriber can follow live.
//!
//! Each message has two frames as at the push receiver: the topic, three letters (`TLJ`, `PLB`, …; the first two from
//! the record's source, the third is the encoding), and the body. Subscribers choose by topic. PUB waits for nobody:
//! a subscriber that is away or too slow misses messages.

#[cfg(test)]
mod tests;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{Encoding, RecordRef, Topic};
use distlog_python::{json, pickle};
use schemars::JsonSchema;
use serde::Deserialize;

use super::start::Start;
use crate::address::check_zmq;
use crate::listen::bind_zmq;
use crate::processor::{Error, Processor, Token};

/// `pub: { bind: 'tcp://127.0.0.1:5012', encoding: json }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(rename = "pub", with = "Written")]
pub struct Config {
    /// ZeroMQ address to bind; port 0 takes a free one, which is logged.
    pub bind: String,
    /// How bodies are written: `json` and `pickle` hold one record each, `batch` holds many.
    pub encoding: Encoding,
}

/// As it is written in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
struct Written {
    /// ZeroMQ address to bind; port 0 takes a free one, which is logged.
    bind: String,
    /// How bodies are written: `json` and `pickle` hold one record each, `batch` holds many.
    #[serde(default)]
    encoding: WrittenEncoding,
    /// Others may read along.
    #[serde(default)]
    plaintext: bool,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum WrittenEncoding {
    #[default]
    Json,
    Pickle,
    Batch,
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(written: Written) -> Result<Config, String> {
        check_zmq(&written.bind, written.plaintext)?;
        let encoding = match written.encoding {
            WrittenEncoding::Json => Encoding::Json,
            WrittenEncoding::Pickle => Encoding::Pickle,
            WrittenEncoding::Batch => Encoding::Batch,
        };
        Ok(Config {
            bind: written.bind,
            encoding,
        })
    }
}

/// A batch is sent when it has this many bytes.
const BATCH_BYTES: usize = 64 << 10;
/// Messages waiting per subscriber before it misses some: single records, and batches.
const HIGH_WATER: (i32, i32) = (10_000, 64);
/// How long what was sent may still leave at the end, in milliseconds.
const LINGER_MS: i32 = 500;

/// Makes the processor.
///
/// # Errors
/// If the address cannot be bound.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    Ok(Box::new(Publisher::bind(start.name, config)?))
}

/// The processor.
pub struct Publisher {
    socket: zmq::Socket,
    endpoint: String,
    encoding: Encoding,
    body: Vec<u8>,
    batch: BatchWriter,
    // Ends after the socket does.
    _context: zmq::Context,
}

impl Publisher {
    /// Binds the socket. `name` is the processor's, for messages.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(name: &str, config: &Config) -> Result<Publisher, Error> {
        let context = zmq::Context::new();
        let high_water = if config.encoding == Encoding::Batch {
            HIGH_WATER.1
        } else {
            HIGH_WATER.0
        };
        let (socket, endpoint) = bind_zmq(&context, zmq::PUB, &config.bind, |socket| {
            socket.set_linger(LINGER_MS)?;
            socket.set_sndhwm(high_water)
        })
        .map_err(|reason| {
            Error::retry(format_args!("cannot publish on {}: {reason}", config.bind))
        })?;
        tracing::info!(processor = name, "publishes on {endpoint}");
        Ok(Publisher {
            socket,
            endpoint,
            encoding: config.encoding,
            body: Vec::new(),
            batch: BatchWriter::new(),
            _context: context,
        })
    }

    /// The address that it is bound to.
    #[cfg(test)]
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn send(&self, topic: Topic, body: &[u8]) -> Result<(), Error> {
        // A PUB socket never waits: to whom it cannot send now it does not send.
        let topic = topic.to_bytes();
        let sent = self
            .socket
            .send(&topic[..], zmq::SNDMORE)
            .and_then(|()| self.socket.send(body, 0));
        sent.map_err(|error| {
            Error::retry(format_args!("cannot publish on {}: {error}", self.endpoint))
        })
    }

    fn send_batch(&mut self, topic: Topic) -> Result<(), Error> {
        let body = self.batch.finish();
        if body.is_empty() {
            Ok(())
        } else {
            self.send(topic, &body)
        }
    }

    /// Records of the same source together.
    fn send_batches(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        // What an attempt before this one left.
        self.batch.finish();
        for same in records.chunk_by(|a, b| std::ptr::eq(a.source, b.source)) {
            let topic = topic(&same[0], Encoding::Batch);
            for record in same {
                self.batch.push(&record.to_record());
                if self.batch.len() >= BATCH_BYTES {
                    self.send_batch(topic)?;
                }
            }
            self.send_batch(topic)?;
        }
        Ok(())
    }
}

fn topic(record: &RecordRef<'_>, encoding: Encoding) -> Topic {
    Topic {
        environment: record.source.environment,
        channel: record.source.channel,
        encoding,
    }
}

impl Processor for Publisher {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let write = match self.encoding {
            Encoding::Batch => return self.send_batches(records),
            Encoding::Json => json::encode,
            Encoding::Pickle => pickle::encode,
        };
        for record in records {
            self.body.clear();
            write(record, &mut self.body);
            self.send(topic(record, self.encoding), &self.body)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Token, Error> {
        Ok(Token::default())
    }
}
