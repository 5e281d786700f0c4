//! The JSON of a message becomes its protobuf, field by field: no message is built in between.
//!
//! Lenient as the mapping asks for: integers of any size as numbers or text, `null` for what is not there, base64 of
//! either alphabet with and without padding, names that are not known. A surrogate alone, which JavaScript's strings
//! may have, becomes U+FFFD.

use std::fmt;

use distlog_proto::wire::put;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::scalar::{self, Scalar};
use crate::otlp_json::schema::{Field, Kind, Message, Times};

/// Appends the fields of a message.
///
/// # Errors
/// What is wrong, with line and column.
pub(super) fn transcode(
    message: &'static Message,
    text: &[u8],
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Object { message, out }.deserialize(&mut reader)?;
    reader.end()
}

/// An object that is a message.
struct Object<'o> {
    message: &'static Message,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Name(self.message))? {
            match field {
                Some(field) => map.next_value_seed(Content {
                    field,
                    times: field.times,
                    out: self.out,
                })?,
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// The name of a field; `None` if it is not known.
struct Name(&'static Message);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.field(name))
    }
}

/// The value of a field.
struct Content<'o> {
    field: &'static Field,
    /// As the field says; within its list it is a choice, so that all of its elements are written.
    times: Times,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.field.kind {
            // Bytes, as other readers of strings want whole characters.
            Kind::Text => deserializer.deserialize_option(self),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl Content<'_> {
    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<(), E> {
        if self.times == Times::Many {
            return Err(E::custom(format_args!(
                "`{}` must be a list",
                self.field.name
            )));
        }
        let always = self.times != Times::Once;
        scalar::put(self.field, always, scalar, self.out).map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.times, self.field.kind) {
            (Times::Many, _) => "a list",
            (_, Kind::Message(_)) => "an object",
            (_, kind) => scalar::what(kind),
        };
        write!(f, "{what} as `{}`", self.field.name)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        // An element keeps its place.
        if let (Times::Choice, Kind::Message(_)) = (self.times, self.field.kind)
            && self.field.times == Times::Many
        {
            put::bytes_always(self.out, self.field.number, &[]);
        }
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        self.scalar(Scalar::Text(&String::from_utf8_lossy(bytes)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.scalar(Scalar::Text(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Scalar::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(Scalar::Integer(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Scalar::Integer(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(Scalar::Float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.times != Times::Many {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        while list
            .next_element_seed(Content {
                field: self.field,
                times: Times::Choice,
                out: self.out,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let (Kind::Message(message), false) = (self.field.kind, self.times == Times::Many) else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        put::nested(self.out, self.field.number, |out| {
            Object { message, out }.visit_map(map)
        })
    }
}
