//! The first frame of each ZeroMQ message: three letters, as the Python package has it.

use std::fmt;

use crate::record::{Channel, Environment, lettered};

lettered! {
    /// How the body of a message is written.
    Encoding {
        /// `J`: one LogRecord as a JSON object.
        Json = b'J' "json",
        /// `P`: one LogRecord as a pickled dict.
        Pickle = b'P' "pickle",
        /// `B`: a `distlog.v1.RecordBatch` in protobuf.
        #[default]
        Batch = b'B' "batch",
    }
}

/// The topic of a message: environment, channel and encoding, `TLJ` for instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Topic {
    /// First letter: `T`est, `S`taging or `P`roduction.
    pub environment: Environment,
    /// Second letter: `L`og or `P`erformance.
    pub channel: Channel,
    /// Third letter: `J`, `P` or `B`.
    pub encoding: Encoding,
}

/// A frame that is no topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no topic: expected three letters, environment [TSP], channel [LP], encoding [JPB], like TLJ"
)]
pub struct ParseTopicError(String);

impl Topic {
    /// The three letters.
    pub fn to_bytes(self) -> [u8; 3] {
        [
            self.environment.letter(),
            self.channel.letter(),
            self.encoding.letter(),
        ]
    }

    /// Reads the first frame of a message.
    ///
    /// # Errors
    /// If it is not one of the known three-letter words; the text is cut to 32 characters.
    pub fn parse(frame: &[u8]) -> Result<Topic, ParseTopicError> {
        Topic::known(frame).ok_or_else(|| {
            let shown = frame.iter().take(32);
            ParseTopicError(shown.map(|b| b.escape_ascii().to_string()).collect())
        })
    }

    fn known(frame: &[u8]) -> Option<Topic> {
        let [environment, channel, encoding] = *frame else {
            return None;
        };
        Some(Topic {
            environment: Environment::from_letter(environment)?,
            channel: Channel::from_letter(channel)?,
            encoding: Encoding::from_letter(encoding)?,
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes()
            .iter()
            .try_for_each(|b| write!(f, "{}", char::from(*b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_read_as_it_was_written() {
        for environment in [
            Environment::Test,
            Environment::Staging,
            Environment::Production,
        ] {
            for channel in [Channel::Log, Channel::Performance] {
                for encoding in [Encoding::Json, Encoding::Pickle, Encoding::Batch] {
                    let topic = Topic {
                        environment,
                        channel,
                        encoding,
                    };
                    assert_eq!(Topic::parse(&topic.to_bytes()), Ok(topic));
                }
            }
        }
    }

    #[test]
    fn what_is_no_topic_is_named() {
        for bad in [
            &b""[..],
            b"TL",
            b"TLJJ",
            b"XLJ",
            b"TXJ",
            b"TLX",
            b"tlj",
            b"\xff\x00\n",
        ] {
            assert!(Topic::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Topic::parse(b"\xffA").unwrap_err().to_string(),
            "`\\xffA` is no topic: expected three letters, environment [TSP], channel [LP], encoding [JPB], like TLJ"
        );
    }
}
