//! A single value of JSON becomes a field in protobuf.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use distlog_proto::wire::put;

use crate::otlp_json::schema::{Field, Kind};

/// A value that is no list and no object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    Bool(bool),
    Integer(i128),
    Float(f64),
}

/// Names what a value must be.
pub(super) fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Message(_) => "an object",
        Kind::Text => "text",
        Kind::Id => "hexadecimal digits",
        Kind::Bytes => "base64",
        Kind::Bool => "true or false",
        Kind::Double => "a number",
        Kind::Int64 => "a signed integer of 64 bits",
        Kind::Fixed64 => "an unsigned integer of 64 bits",
        Kind::Fixed32 | Kind::Uint32 => "an unsigned integer of 32 bits",
        Kind::Enum => "the number of a kind",
    }
}

/// Appends it; what proto3 has by default only if `always`.
///
/// # Errors
/// What it should be.
pub(super) fn put(
    field: &Field,
    always: bool,
    scalar: Scalar<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let number = field.number;
    let put_bytes = if always {
        put::bytes_always
    } else {
        put::bytes
    };
    let put_varint = if always {
        put::varint_always
    } else {
        put::varint
    };
    let wrong = || format!("`{}` must be {}", field.name, what(field.kind));
    match (field.kind, scalar) {
        (Kind::Text, Scalar::Text(text)) => put_bytes(out, number, text.as_bytes()),
        (Kind::Id, Scalar::Text(text)) => put_bytes(out, number, &hex(text).ok_or_else(wrong)?),
        (Kind::Bytes, Scalar::Text(text)) => {
            put_bytes(out, number, &base64(text).ok_or_else(wrong)?);
        }
        (Kind::Bool, Scalar::Bool(value)) => put_varint(out, number, value.into()),
        (Kind::Double, scalar) => {
            let value = float(scalar).ok_or_else(wrong)?;
            put::fixed64_always(out, number, value.to_bits());
        }
        (Kind::Int64, scalar) => {
            let value: i64 = fit(scalar).ok_or_else(wrong)?;
            put_varint(out, number, value.cast_unsigned());
        }
        (Kind::Fixed64, scalar) => put::fixed64(out, number, fit(scalar).ok_or_else(wrong)?),
        (Kind::Fixed32, scalar) => put::fixed32(out, number, fit(scalar).ok_or_else(wrong)?),
        (Kind::Uint32, scalar) => {
            let value: u32 = fit(scalar).ok_or_else(wrong)?;
            put_varint(out, number, value.into());
        }
        (Kind::Enum, scalar) => {
            let value: i32 = fit(scalar).ok_or_else(wrong)?;
            put_varint(out, number, i64::from(value).cast_unsigned());
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

/// A whole number that has room there.
fn fit<T: TryFrom<i128>>(scalar: Scalar<'_>) -> Option<T> {
    T::try_from(integer(scalar)?).ok()
}

/// A whole number however it is written: `10`, `"10"`, `1e1`.
fn integer(scalar: Scalar<'_>) -> Option<i128> {
    match scalar {
        Scalar::Integer(value) => Some(value),
        // Beyond 2⁶⁴ it is none of ours.
        Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 2e19 => Some(value as i128),
        Scalar::Text(text) => text
            .parse()
            .ok()
            .or_else(|| integer(Scalar::Float(text.parse().ok()?))),
        _ => None,
    }
}

fn float(scalar: Scalar<'_>) -> Option<f64> {
    match scalar {
        Scalar::Float(value) => Some(value),
        Scalar::Integer(value) => Some(value as f64),
        Scalar::Text("NaN") => Some(f64::NAN),
        Scalar::Text("Infinity") => Some(f64::INFINITY),
        Scalar::Text("-Infinity") => Some(f64::NEG_INFINITY),
        Scalar::Text(text) => text.parse().ok().filter(|value: &f64| value.is_finite()),
        Scalar::Bool(_) => None,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

/// Of either alphabet, with and without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    static ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
    let digits = text.trim_end_matches('=').bytes().map(|digit| match digit {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    });
    let digits: Vec<u8> = digits.collect();
    ENGINE.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_in_all_its_forms() {
        for (text, bytes) in [
            ("", &[][..]),
            ("AA==", &[0]),
            ("AA", &[0]),
            ("AAE=", &[0, 1]),
            ("AAH/", &[0, 1, 255]),
            ("AAH_", &[0, 1, 255]),
            ("-_-_", &[0xfb, 0xff, 0xbf]),
            ("AAECAwQF", &[0, 1, 2, 3, 4, 5]),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["A", "AAAAA", "A A=", "ä"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    #[test]
    fn ids_are_pairs_of_digits() {
        assert_eq!(hex("00fFa1").as_deref(), Some(&[0, 255, 0xa1][..]));
        assert_eq!(hex("").as_deref(), Some(&[][..]));
        for text in ["0", "0g", "+1", "0x"] {
            assert_eq!(hex(text), None, "{text}");
        }
    }

    #[test]
    fn integers_are_whole_and_fit() {
        let text = |text| integer(Scalar::Text(text));
        assert_eq!(text("18446744073709551615"), Some(u64::MAX.into()));
        assert_eq!((text("1e3"), text("-1.0")), (Some(1000), Some(-1)));
        assert_eq!(integer(Scalar::Float(1e3)), Some(1000));
        for none in ["1.5", "1e400", "NaN", "", "ten", " 1"] {
            assert_eq!(text(none), None, "{none}");
        }
    }
}
