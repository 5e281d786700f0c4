//! The messages as protobuf, written and read by hand like the rest of encoding `B`.

use super::message::*;
use crate::id::ProducerId;
use crate::wire::put;
use crate::wire::scan::{DecodeError, Field, Scan};

impl<'a> ToDaemon<'a> {
    /// Appends it to a buffer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ToDaemon::Hello(hello) => put::nested(out, 1, |out| {
                put::varint(out, 1, hello.version.into());
                put::bytes(out, 2, &hello.producer.to_bytes());
                put::varint(out, 3, hello.epoch);
                put::varint(out, 4, hello.acked);
                put::varint(out, 5, hello.head);
                put_dropped(out, 6, &hello.dropped);
                put::bytes(out, 7, hello.source);
            }),
            ToDaemon::Batch(batch) => put::nested(out, 2, |out| {
                put::fixed64(out, 1, batch.session);
                put::varint(out, 2, batch.from);
                put::varint(out, 3, batch.to);
            }),
            ToDaemon::Ping(ping) => put::nested(out, 3, |out| {
                put::fixed64(out, 1, ping.session);
                put::varint(out, 2, ping.sent);
                put::varint(out, 3, ping.head);
                put_dropped(out, 4, &ping.dropped);
            }),
            ToDaemon::Bye(bye) => put::nested(out, 4, |out| {
                put::fixed64(out, 1, bye.session);
                let reason = match bye.reason {
                    ByeReason::Done => 0,
                    ByeReason::Moving => 1,
                    ByeReason::Died => 2,
                };
                put::varint(out, 2, reason);
                put_dropped(out, 3, &bye.dropped);
            }),
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// If it is no `ToDaemon`, or one that says nothing we know.
    pub fn decode(bytes: &'a [u8]) -> Result<ToDaemon<'a>, DecodeError> {
        const NAME: &str = "ToDaemon";
        let mut message = None;
        for field in Scan::new(NAME, bytes) {
            let field = field?;
            message = Some(match field.number {
                1 => ToDaemon::Hello(hello(field.bytes()?)?),
                2 => ToDaemon::Batch(batch(field.bytes()?)?),
                3 => ToDaemon::Ping(ping(field.bytes()?)?),
                4 => ToDaemon::Bye(bye(field.bytes()?)?),
                _ => continue,
            });
        }
        message.ok_or(DecodeError::Malformed(NAME))
    }
}

impl<'a> ToClient<'a> {
    /// Appends it to a buffer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ToClient::Welcome(welcome) => put::nested(out, 1, |out| {
                put::varint(out, 1, welcome.version.into());
                put::fixed64(out, 2, welcome.session);
                put::varint(out, 3, welcome.epoch);
                put::varint(out, 4, welcome.stored_to);
                put::varint(out, 5, welcome.credit);
            }),
            ToClient::Ack(ack) => put::nested(out, 2, |out| {
                put::fixed64(out, 1, ack.session);
                put::varint(out, 2, ack.stored_to);
                put::varint(out, 3, ack.credit);
            }),
            ToClient::Rewind(rewind) => put::nested(out, 3, |out| {
                put::fixed64(out, 1, rewind.session);
                put::varint(out, 2, rewind.received_to);
                put::varint(out, 3, rewind.stored_to);
                put::varint(out, 4, rewind.credit);
            }),
            ToClient::Refused(refused) => put::nested(out, 4, |out| {
                put::varint(out, 1, reason_number(refused.reason));
                put::bytes(out, 2, refused.detail.as_bytes());
                put::varint(out, 3, refused.epoch);
            }),
            ToClient::Closing(closing) => {
                put::nested(out, 5, |out| put::fixed64(out, 1, closing.session));
            }
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// If it is no `ToClient`, or one that says nothing we know.
    pub fn decode(bytes: &'a [u8]) -> Result<ToClient<'a>, DecodeError> {
        const NAME: &str = "ToClient";
        let mut message = None;
        for field in Scan::new(NAME, bytes) {
            let field = field?;
            message = Some(match field.number {
                1 => ToClient::Welcome(welcome(field.bytes()?)?),
                2 => ToClient::Ack(ack(field.bytes()?)?),
                3 => ToClient::Rewind(rewind(field.bytes()?)?),
                4 => ToClient::Refused(refused(field.bytes()?)?),
                5 => ToClient::Closing(closing(field.bytes()?)?),
                _ => continue,
            });
        }
        message.ok_or(DecodeError::Malformed(NAME))
    }

    /// The same, owned.
    pub fn into_owned(self) -> ToClient<'static> {
        match self {
            ToClient::Welcome(welcome) => ToClient::Welcome(welcome),
            ToClient::Ack(ack) => ToClient::Ack(ack),
            ToClient::Rewind(rewind) => ToClient::Rewind(rewind),
            ToClient::Refused(refused) => ToClient::Refused(refused.into_owned()),
            ToClient::Closing(closing) => ToClient::Closing(closing),
        }
    }
}

fn put_dropped(out: &mut Vec<u8>, field: u32, dropped: &Dropped) {
    if dropped.iter().any(|count| *count > 0) {
        put::nested(out, field, |out| {
            for (number, count) in (1..).zip(dropped) {
                put::varint(out, number, *count);
            }
        });
    }
}

/// Hands each field of a message to `take`.
fn each<'a>(
    name: &'static str,
    bytes: &'a [u8],
    mut take: impl FnMut(Field<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    Scan::new(name, bytes).try_for_each(|field| take(field?))
}

fn dropped(bytes: &[u8]) -> Result<Dropped, DecodeError> {
    let mut dropped = Dropped::default();
    each("Dropped", bytes, |field| {
        let at = usize::try_from(field.number).unwrap_or(0).wrapping_sub(1);
        if let Some(count) = dropped.get_mut(at) {
            *count = field.varint()?;
        }
        Ok(())
    })?;
    Ok(dropped)
}

fn hello(bytes: &[u8]) -> Result<Hello<'_>, DecodeError> {
    const NAME: &str = "Hello";
    let mut hello = Hello {
        version: 0,
        producer: ProducerId::UNKNOWN,
        epoch: 0,
        acked: 0,
        head: 0,
        dropped: Dropped::default(),
        source: &[],
    };
    each(NAME, bytes, |field| {
        match field.number {
            1 => hello.version = field.u32()?,
            2 => {
                let id = field
                    .bytes()?
                    .try_into()
                    .map_err(|_| DecodeError::BadId(NAME, 2))?;
                hello.producer = ProducerId::from_bytes(id);
            }
            3 => hello.epoch = field.varint()?,
            4 => hello.acked = field.varint()?,
            5 => hello.head = field.varint()?,
            6 => hello.dropped = dropped(field.bytes()?)?,
            7 => hello.source = field.bytes()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(hello)
}

fn batch(bytes: &[u8]) -> Result<BatchHeader, DecodeError> {
    let mut batch = BatchHeader {
        session: 0,
        from: 0,
        to: 0,
    };
    each("BatchHeader", bytes, |field| {
        match field.number {
            1 => batch.session = field.fixed64()?,
            2 => batch.from = field.varint()?,
            3 => batch.to = field.varint()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(batch)
}

fn ping(bytes: &[u8]) -> Result<Ping, DecodeError> {
    let mut ping = Ping {
        session: 0,
        sent: 0,
        head: 0,
        dropped: Dropped::default(),
    };
    each("Ping", bytes, |field| {
        match field.number {
            1 => ping.session = field.fixed64()?,
            2 => ping.sent = field.varint()?,
            3 => ping.head = field.varint()?,
            4 => ping.dropped = dropped(field.bytes()?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(ping)
}

fn bye(bytes: &[u8]) -> Result<Bye, DecodeError> {
    let mut bye = Bye {
        session: 0,
        reason: ByeReason::Done,
        dropped: Dropped::default(),
    };
    each("Bye", bytes, |field| {
        match field.number {
            1 => bye.session = field.fixed64()?,
            2 => {
                bye.reason = match field.varint()? {
                    0 => ByeReason::Done,
                    2 => ByeReason::Died,
                    // A reason that we do not know must not end anybody's tasks.
                    _ => ByeReason::Moving,
                }
            }
            3 => bye.dropped = dropped(field.bytes()?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(bye)
}

fn welcome(bytes: &[u8]) -> Result<Welcome, DecodeError> {
    let mut welcome = Welcome {
        version: 0,
        session: 0,
        epoch: 0,
        stored_to: 0,
        credit: 0,
    };
    each("Welcome", bytes, |field| {
        match field.number {
            1 => welcome.version = field.u32()?,
            2 => welcome.session = field.fixed64()?,
            3 => welcome.epoch = field.varint()?,
            4 => welcome.stored_to = field.varint()?,
            5 => welcome.credit = field.varint()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(welcome)
}

fn ack(bytes: &[u8]) -> Result<Ack, DecodeError> {
    let mut ack = Ack {
        session: 0,
        stored_to: 0,
        credit: 0,
    };
    each("Ack", bytes, |field| {
        match field.number {
            1 => ack.session = field.fixed64()?,
            2 => ack.stored_to = field.varint()?,
            3 => ack.credit = field.varint()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(ack)
}

fn rewind(bytes: &[u8]) -> Result<Rewind, DecodeError> {
    let mut rewind = Rewind {
        session: 0,
        received_to: 0,
        stored_to: 0,
        credit: 0,
    };
    each("Rewind", bytes, |field| {
        match field.number {
            1 => rewind.session = field.fixed64()?,
            2 => rewind.received_to = field.varint()?,
            3 => rewind.stored_to = field.varint()?,
            4 => rewind.credit = field.varint()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(rewind)
}

fn refused(bytes: &[u8]) -> Result<Refused<'_>, DecodeError> {
    let mut refused = Refused {
        reason: RefusedReason::Unspecified,
        detail: "".into(),
        epoch: 0,
    };
    each("Refused", bytes, |field| {
        match field.number {
            1 => refused.reason = reason(field.varint()?),
            2 => refused.detail = field.str()?.into(),
            3 => refused.epoch = field.varint()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(refused)
}

fn closing(bytes: &[u8]) -> Result<Closing, DecodeError> {
    let mut closing = Closing { session: 0 };
    each("Closing", bytes, |field| {
        if field.number == 1 {
            closing.session = field.fixed64()?;
        }
        Ok(())
    })?;
    Ok(closing)
}

const REASONS: [RefusedReason; 8] = [
    RefusedReason::Unspecified,
    RefusedReason::Version,
    RefusedReason::Epoch,
    RefusedReason::Superseded,
    RefusedReason::UnknownSession,
    RefusedReason::Malformed,
    RefusedReason::Forged,
    RefusedReason::Busy,
];

fn reason(number: u64) -> RefusedReason {
    usize::try_from(number)
        .ok()
        .and_then(|number| REASONS.get(number).copied())
        .unwrap_or(RefusedReason::Unspecified)
}

fn reason_number(reason: RefusedReason) -> u64 {
    REASONS
        .iter()
        .position(|known| *known == reason)
        .map_or(0, |at| at as u64)
}
