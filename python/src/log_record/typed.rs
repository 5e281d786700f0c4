//! Lenient reading of values: what fits is taken, what does not is handed back.

use distlog_proto::{Map, Value};

/// The value, or what was there instead.
pub(super) type Read<T> = Result<T, Value>;

/// Puts what `read` makes of the value into its place. Hands back a value of the wrong type; nothing for a null.
pub(super) fn set<T>(
    place: &mut T,
    value: Value,
    read: impl FnOnce(Value) -> Read<T>,
) -> Option<Value> {
    match read(value) {
        Ok(read) => {
            *place = read;
            None
        }
        Err(Value::Null) => None,
        Err(odd) => Some(odd),
    }
}

pub(super) fn string(value: Value) -> Read<String> {
    match value {
        Value::Str(text) | Value::Text(text) => Ok(text),
        other => Err(other),
    }
}

pub(super) fn bool(value: Value) -> Read<bool> {
    match value {
        Value::Bool(v) => Ok(v),
        other => Err(other),
    }
}

pub(super) fn u64(value: Value) -> Read<u64> {
    match value {
        Value::I64(v) if v >= 0 => Ok(v as u64),
        Value::U64(v) => Ok(v),
        // Up to 2^53, beyond which a float does not say which integer was meant.
        Value::F64(v) if (0.0..=9_007_199_254_740_992.0).contains(&v) && v.fract() == 0.0 => {
            Ok(v as u64)
        }
        other => Err(other),
    }
}

pub(super) fn u32(value: Value) -> Read<u32> {
    let number = u64(value)?;
    u32::try_from(number).map_err(|_| Value::from(number))
}

pub(super) fn i64(value: Value) -> Read<i64> {
    match value {
        Value::I64(v) => Ok(v),
        Value::F64(v) if v.abs() <= 9_007_199_254_740_992.0 && v.fract() == 0.0 => Ok(v as i64),
        other => Err(other),
    }
}

pub(super) fn map(value: Value) -> Read<Map> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(other),
    }
}

/// A list whose items are all of one type.
pub(super) fn list<T>(value: Value, item: impl Fn(&Value) -> Option<T>) -> Read<Vec<T>> {
    match &value {
        Value::List(items) => items
            .iter()
            .map(item)
            .collect::<Option<Vec<T>>>()
            .ok_or(value),
        _ => Err(value),
    }
}

/// Reads a text with `parse`.
pub(super) fn parsed<T>(value: Value, parse: impl FnOnce(&str) -> Option<T>) -> Read<T> {
    match &value {
        Value::Str(text) => parse(text).ok_or(value),
        _ => Err(value),
    }
}

/// Seconds since the epoch as nanoseconds. A float is read as its shortest decimal form.
pub(super) fn seconds(value: Value) -> Read<u64> {
    let number = match value {
        // To the end of what 64 bits hold; what a float rounds beyond is that end.
        Value::F64(v) if (0.0..18_446_744_074.0).contains(&v) => v,
        Value::I64(v) => {
            return u64::try_from(v)
                .ok()
                .and_then(|v| v.checked_mul(1_000_000_000))
                .ok_or(value);
        }
        _ => return Err(value),
    };
    if number < 1e-3 {
        return Ok((number * 1e9) as u64);
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let Ok(whole) = whole.parse::<u64>() else {
        return Ok((number * 1e9) as u64);
    };
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = digits.fold(0, |sum, digit| {
        sum * 10 + u64::from(digit.wrapping_sub(b'0') % 10)
    });
    Ok(whole.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_what_python_printed() {
        for (float, nanos) in [
            (1_700_000_000.123_456_7, 1_700_000_000_123_456_700),
            (1_700_000_000.0, 1_700_000_000_000_000_000),
            (0.0, 0),
            (0.5, 500_000_000),
            (4_294_967_295.999_999, 4_294_967_295_999_999_000),
            (18_446_744_072.5, 18_446_744_072_500_000_000),
            (18_446_744_073.9, u64::MAX),
        ] {
            assert_eq!(seconds(Value::F64(float)), Ok(nanos));
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300, 18_446_744_074.0] {
            assert!(seconds(Value::F64(bad)).is_err());
        }
        assert!(seconds(Value::I64(i64::MAX)).is_err());
    }
}
