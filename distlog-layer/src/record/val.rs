//! [`val`]: a value with its structure, through serde.

use std::fmt;

use distlog_proto::{Map, Value};
use serde::ser::{self, Impossible, Serialize, Serializer};

use crate::record::capture::{self, Captured, MARK};

/// Lists and maps nested deeper are refused.
const MAX_DEPTH: usize = 32;

/// Carries a value with its structure (lists, maps, numbers) through any macro of `tracing` to distlog.
///
/// Without it `tracing` hands values over as readable text only. Other layers see the value in the manner of JSON.
///
/// ```
/// use distlog_layer::val;
///
/// #[derive(serde::Serialize)]
/// struct Order { id: u32, items: Vec<&'static str> }
///
/// let order = Order { id: 7, items: vec!["tea", "milk"] };
/// tracing::info!(order = ?val(&order), "accepted");
/// assert_eq!(format!("{:?}", val(&order)), r#"{"id": 7, "items": ["tea", "milk"]}"#);
/// ```
pub fn val<T: Serialize + ?Sized>(value: &T) -> Val<'_, T> {
    Val(value)
}

/// What [`val`] returns.
pub struct Val<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> fmt::Debug for Val<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if capture::offer(|| to_value(self.0).map(Captured::Value)) {
            return f.write_str(MARK);
        }
        match to_value(self.0) {
            Some(value) => show(f, &value),
            None => f.write_str("(a value that cannot be serialized)"),
        }
    }
}

/// The value as distlog keeps it. `None` where its `Serialize` fails or it is nested too deeply.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Option<Value> {
    value.serialize(ToValue { depth: 0 }).ok()
}

fn show(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(v) => write!(f, "{v}"),
        Value::I64(v) => write!(f, "{v}"),
        Value::U64(v) => write!(f, "{v}"),
        Value::F64(v) => write!(f, "{v:?}"),
        Value::Str(v) | Value::Text(v) => write!(f, "{v:?}"),
        Value::Bytes(v) => write!(f, "{v:?}"),
        Value::List(items) => {
            f.write_str("[")?;
            for (i, item) in items.iter().enumerate() {
                f.write_str(if i > 0 { ", " } else { "" })?;
                show(f, item)?;
            }
            f.write_str("]")
        }
        Value::Map(map) => {
            f.write_str("{")?;
            for (i, (name, value)) in map.iter().enumerate() {
                write!(f, "{}{name:?}: ", if i > 0 { ", " } else { "" })?;
                show(f, value)?;
            }
            f.write_str("}")
        }
    }
}

/// Why a value was not serialized; only that it was not is of interest.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value cannot be serialized")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Refused {
        Refused
    }
}

/// Makes a [`Value`] of what serde tells. Enum variants are maps of one entry, as in JSON.
#[derive(Clone, Copy)]
struct ToValue {
    depth: usize,
}

impl ToValue {
    fn deeper(self) -> Result<ToValue, Refused> {
        let depth = self.depth + 1;
        if depth <= MAX_DEPTH {
            Ok(ToValue { depth })
        } else {
            Err(Refused)
        }
    }
}

/// The content of a variant, with its name; any other value as it is.
fn named(variant: Option<&str>, value: Value) -> Value {
    match variant {
        Some(name) => Value::Map([(name, value)].into_iter().collect()),
        None => value,
    }
}

macro_rules! simple {
    ($($method:ident: $type:ty => $variant:ident),* $(,)?) => {
        $(fn $method(self, v: $type) -> Result<Value, Refused> { Ok(Value::$variant(v.into())) })*
    };
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = Refused;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    simple! {
        serialize_bool: bool => Bool, serialize_char: char => Str, serialize_str: &str => Str,
        serialize_bytes: &[u8] => Bytes, serialize_f32: f32 => F64, serialize_f64: f64 => F64,
        serialize_i8: i8 => I64, serialize_i16: i16 => I64, serialize_i32: i32 => I64, serialize_i64: i64 => I64,
        serialize_u8: u8 => I64, serialize_u16: u16 => I64, serialize_u32: u32 => I64,
    }

    fn serialize_u64(self, v: u64) -> Result<Value, Refused> {
        Ok(Value::from(v))
    }

    fn serialize_i128(self, v: i128) -> Result<Value, Refused> {
        Ok(i64::try_from(v)
            .map(Value::I64)
            .or_else(|_| u64::try_from(v).map(Value::U64))
            .unwrap_or_else(|_| Value::Text(v.to_string())))
    }

    fn serialize_u128(self, v: u128) -> Result<Value, Refused> {
        Ok(u64::try_from(v).map_or_else(|_| Value::Text(v.to_string()), Value::from))
    }

    fn serialize_none(self) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<Value, Refused> {
        Ok(Value::from(name))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Value, Refused> {
        Ok(named(Some(name), value.serialize(self.deeper()?)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Refused> {
        Ok(Items {
            of: self.deeper()?,
            items: Vec::new(),
            variant: None,
        })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, Refused> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Items, Refused> {
        Ok(Items {
            of: self.deeper()?.deeper()?,
            items: Vec::new(),
            variant: Some(name),
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Refused> {
        Ok(Entries {
            of: self.deeper()?,
            map: Vec::new(),
            name: String::new(),
            variant: None,
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, Refused> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Entries, Refused> {
        Ok(Entries {
            of: self.deeper()?.deeper()?,
            map: Vec::new(),
            name: String::new(),
            variant: Some(name),
        })
    }
}

/// A list being collected.
struct Items {
    of: ToValue,
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.items.push(value.serialize(self.of)?);
        Ok(())
    }

    fn finish(self) -> Result<Value, Refused> {
        Ok(named(self.variant, Value::List(self.items)))
    }
}

macro_rules! items {
    ($($trait:ident: $method:ident),* $(,)?) => {
        $(impl ser::$trait for Items {
            type Ok = Value;
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.push(value)
            }

            fn end(self) -> Result<Value, Refused> {
                self.finish()
            }
        })*
    };
}

items! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field,
}

/// A map being collected. Collected as a list, since [`Map::insert`] looks through what is there.
struct Entries {
    of: ToValue,
    map: Vec<(String, Value)>,
    name: String,
    variant: Option<&'static str>,
}

impl Entries {
    fn push<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), Refused> {
        self.map.push((name, value.serialize(self.of)?));
        Ok(())
    }

    fn finish(self) -> Result<Value, Refused> {
        let map = self.map.into_iter().collect::<Map>();
        Ok(named(self.variant, Value::Map(map)))
    }
}

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.name = key.serialize(ToName)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let name = std::mem::take(&mut self.name);
        self.push(name, value)
    }

    fn end(self) -> Result<Value, Refused> {
        self.finish()
    }
}

macro_rules! structs {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Entries {
            type Ok = Value;
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
                self.push(name.to_owned(), value)
            }

            fn end(self) -> Result<Value, Refused> {
                self.finish()
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

/// Makes a name of the key of a map: strings, characters, numbers, booleans and names of variants.
struct ToName;

macro_rules! names {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, v: $type) -> Result<String, Refused> { Ok(v.to_string()) })*
    };
}

macro_rules! no_names {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$ok, Refused> { Err(Refused) })*
    };
}

type Never = Impossible<String, Refused>;

impl Serializer for ToName {
    type Ok = String;
    type Error = Refused;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    names! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_str: &str,
    }

    no_names! {
        serialize_bytes(&[u8]) -> String;
        serialize_none() -> String;
        serialize_unit() -> String;
        serialize_unit_struct(&'static str) -> String;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<String, Refused> {
        Ok(name.to_owned())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<String, Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, Refused> {
        Err(Refused)
    }
}
