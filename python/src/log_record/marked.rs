//! Values for which JSON has no form: a map with one entry whose name begins with `$`.
//!
//! ```text
//! {"$text": "Order { id: 7 }"}    readable form of a value of unknown type, inside lists and maps
//! {"$bytes": "AAEC"}              bytes in base64
//! {"$float": "NaN"}               NaN, -NaN, Infinity, -Infinity, or the 16 hex digits of another NaN
//! {"$$text": 1}                   a map of the program that looks like one of these: one `$` more
//! ```

use super::base64;
use distlog_proto::{Map, Value};

/// What an entry of this name would be taken for, if it were the only one of its map.
pub(super) fn looks_marked(name: &str) -> bool {
    name.starts_with('$')
}

/// A floating-point number that JSON has no form for.
pub(crate) fn float_word(value: f64) -> Option<&'static str> {
    match value.to_bits() {
        0x7ff8_0000_0000_0000 => Some("NaN"),
        0xfff8_0000_0000_0000 => Some("-NaN"),
        0x7ff0_0000_0000_0000 => Some("Infinity"),
        0xfff0_0000_0000_0000 => Some("-Infinity"),
        _ => None,
    }
}

fn float(word: &str) -> Option<f64> {
    match word {
        "NaN" => Some(f64::from_bits(0x7ff8_0000_0000_0000)),
        "-NaN" => Some(f64::from_bits(0xfff8_0000_0000_0000)),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if word.len() == 16 => u64::from_str_radix(word, 16).ok().map(f64::from_bits),
        _ => None,
    }
}

/// The value of a map that was read.
pub(crate) fn map(mut entries: Vec<(String, Value)>) -> Value {
    if let [(name, value)] = entries.as_mut_slice()
        && looks_marked(name)
    {
        if name.starts_with("$$") {
            name.remove(0);
        } else if let Value::Str(text) = value {
            let marked = match name.as_str() {
                "$text" => Some(Value::Text(std::mem::take(text))),
                "$bytes" => base64::decode(text).map(Value::Bytes),
                "$float" => float(text).map(Value::F64),
                _ => None,
            };
            if let Some(marked) = marked {
                return marked;
            }
        }
    }
    Value::Map(Map::from_iter(entries))
}
