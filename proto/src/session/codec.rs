//! The messages as protobuf, written and read by hand like the rest of encoding `B`.

use std::borrow::Cow;

use super::message::*;
use crate::id::ProducerId;
use crate::levels::Level;
use crate::wire::put;
use crate::wire::scan::{DecodeError, Field, Scan};

/// A message that stands in a field of another one.
trait Message<'a>: Sized {
    fn put(&self, out: &mut Vec<u8>);

    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError>;
}

/// Items of a list in a message, at most.
const MAX_ITEMS: usize = 256;

/// How a message is written and read: the numbers of its fields. The type of a field follows from that in Rust, but
/// for `fixed64` and `repeated`.
macro_rules! message {
    ($name:ident $(<$life:lifetime>)? { $($number:literal $field:ident $(: $fixed:ident)?),* }) => {
        impl<'a> Message<'a> for $name $(<$life>)? {
            fn put(&self, out: &mut Vec<u8>) {
                $(put_value!(out, $number, self.$field $(, $fixed)?);)*
            }

            fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
                let mut message = Self::default();
                for field in Scan::new(stringify!($name), bytes) {
                    let field = field?;
                    match field.number {
                        $($number => read_value!(message.$field, field $(, $fixed)?),)*
                        _ => {}
                    }
                }
                Ok(message)
            }
        }
    };
}

macro_rules! put_value {
    ($out:ident, $number:literal, $value:expr) => {
        $value.put($out, $number)
    };
    ($out:ident, $number:literal, $value:expr, fixed64) => {
        put::fixed64($out, $number, $value)
    };
    ($out:ident, $number:literal, $value:expr, repeated) => {
        for item in &$value {
            put::nested($out, $number, |out| Message::put(item, out));
        }
    };
}

macro_rules! read_value {
    ($place:expr, $field:ident) => {
        $place = Value::read($field)?
    };
    ($place:expr, $field:ident, fixed64) => {
        $place = $field.fixed64()?
    };
    ($place:expr, $field:ident, repeated) => {{
        if $place.len() == MAX_ITEMS {
            return Err(DecodeError::Malformed($field.message));
        }
        $place.push(Message::read($field.bytes()?)?);
    }};
}

message! { Hello<'a> { 1 version, 2 producer, 3 epoch, 4 acked, 5 head, 6 dropped, 7 source } }
message! { BatchHeader { 1 session: fixed64, 2 from, 3 to } }
message! { Ping { 1 session: fixed64, 2 sent, 3 head, 4 dropped, 5 levels } }
message! { Bye { 1 session: fixed64, 2 reason, 3 dropped } }
message! { Welcome { 1 version, 2 session: fixed64, 3 epoch, 4 stored_to, 5 credit } }
message! { Ack { 1 session: fixed64, 2 stored_to, 3 credit } }
message! { Rewind { 1 session: fixed64, 2 received_to, 3 stored_to, 4 credit } }
message! { Refused<'a> { 1 reason, 2 detail, 3 epoch } }
message! { Closing { 1 session: fixed64 } }
message! { Levels<'a> { 1 session: fixed64, 2 version, 3 sets: repeated, 4 tasks: repeated } }
message! { LevelSet<'a> { 1 directives, 2 left } }
message! { TaskLevel<'a> { 1 task, 2 level, 3 left } }

/// A message that is one of several, each in a field of its own.
macro_rules! one_of {
    ($name:ident { $($number:literal $variant:ident,)* }) => {
        impl<'a> $name<'a> {
            /// Appends it to a buffer.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$variant(message) => put::nested(out, $number, |out| message.put(out)),)*
                }
            }

            /// Reads a frame.
            ///
            /// # Errors
            /// If it is no such message, or one that says nothing we know.
            pub fn decode(bytes: &'a [u8]) -> Result<$name<'a>, DecodeError> {
                const NAME: &str = stringify!($name);
                let mut message = None;
                for field in Scan::new(NAME, bytes) {
                    let field = field?;
                    message = Some(match field.number {
                        $($number => $name::$variant(Message::read(field.bytes()?)?),)*
                        _ => continue,
                    });
                }
                message.ok_or(DecodeError::Malformed(NAME))
            }
        }
    };
}

one_of! { ToDaemon { 1 Hello, 2 Batch, 3 Ping, 4 Bye, } }
one_of! { ToClient { 1 Welcome, 2 Ack, 3 Rewind, 4 Refused, 5 Closing, 6 Levels, } }

impl ToClient<'_> {
    /// The same, owned.
    pub fn into_owned(self) -> ToClient<'static> {
        match self {
            ToClient::Welcome(welcome) => ToClient::Welcome(welcome),
            ToClient::Ack(ack) => ToClient::Ack(ack),
            ToClient::Rewind(rewind) => ToClient::Rewind(rewind),
            ToClient::Refused(refused) => ToClient::Refused(refused.into_owned()),
            ToClient::Closing(closing) => ToClient::Closing(closing),
            ToClient::Levels(levels) => ToClient::Levels(levels.into_owned()),
        }
    }
}

/// The value of a field.
trait Value<'a>: Sized {
    fn put(&self, out: &mut Vec<u8>, number: u32);

    fn read(field: Field<'a>) -> Result<Self, DecodeError>;
}

impl Value<'_> for u32 {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        put::varint(out, number, (*self).into());
    }

    fn read(field: Field<'_>) -> Result<u32, DecodeError> {
        field.u32()
    }
}

impl Value<'_> for u64 {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        put::varint(out, number, *self);
    }

    fn read(field: Field<'_>) -> Result<u64, DecodeError> {
        field.varint()
    }
}

impl<'a> Value<'a> for &'a [u8] {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        put::bytes(out, number, self);
    }

    fn read(field: Field<'a>) -> Result<&'a [u8], DecodeError> {
        field.bytes()
    }
}

impl<'a> Value<'a> for Cow<'a, str> {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        put::bytes(out, number, self.as_bytes());
    }

    fn read(field: Field<'a>) -> Result<Cow<'a, str>, DecodeError> {
        field.str().map(Cow::Borrowed)
    }
}

impl Value<'_> for ProducerId {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        put::bytes(out, number, &self.to_bytes());
    }

    fn read(field: Field<'_>) -> Result<ProducerId, DecodeError> {
        let id = field.bytes()?.try_into();
        id.map(ProducerId::from_bytes)
            .map_err(|_| DecodeError::BadId(field.message, field.number))
    }
}

impl Value<'_> for Dropped {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        if self.iter().any(|count| *count > 0) {
            put::nested(out, number, |out| {
                for (number, count) in (1..).zip(self) {
                    put::varint(out, number, *count);
                }
            });
        }
    }

    fn read(field: Field<'_>) -> Result<Dropped, DecodeError> {
        let mut dropped = Dropped::default();
        for field in Scan::new("Dropped", field.bytes()?) {
            let field = field?;
            let at = usize::try_from(field.number).unwrap_or(0).wrapping_sub(1);
            if let Some(count) = dropped.get_mut(at) {
                *count = field.varint()?;
            }
        }
        Ok(dropped)
    }
}

impl Value<'_> for ByeReason {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        let reason = match self {
            ByeReason::Done => 0,
            ByeReason::Moving => 1,
            ByeReason::Died => 2,
        };
        put::varint(out, number, reason);
    }

    fn read(field: Field<'_>) -> Result<ByeReason, DecodeError> {
        Ok(match field.varint()? {
            0 => ByeReason::Done,
            2 => ByeReason::Died,
            // A reason that we do not know must not end anybody's tasks.
            _ => ByeReason::Moving,
        })
    }
}

impl Value<'_> for Level {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        put::varint(out, number, Level::number(*self));
    }

    fn read(field: Field<'_>) -> Result<Level, DecodeError> {
        Level::from_number(field.varint()?).ok_or(DecodeError::Malformed(field.message))
    }
}

impl Value<'_> for RefusedReason {
    fn put(&self, out: &mut Vec<u8>, number: u32) {
        put::varint(out, number, self.number());
    }

    fn read(field: Field<'_>) -> Result<RefusedReason, DecodeError> {
        field.varint().map(RefusedReason::from_number)
    }
}
