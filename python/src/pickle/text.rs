//! Texts and numbers as pickles write them.

use std::borrow::Cow;
use std::fmt::Write;

/// UTF-8 in which lone surrogates may stand; those become `\ud800`, other invalid bytes U+FFFD.
pub(super) fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    let mut rest = match std::str::from_utf8(bytes) {
        Ok(text) => return Cow::Borrowed(text),
        Err(_) => bytes,
    };
    let mut text = String::with_capacity(bytes.len() + 8);
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Cow::Owned(text);
            }
            Err(error) => error,
        };
        let (valid, invalid) = rest.split_at(error.valid_up_to());
        text.push_str(std::str::from_utf8(valid).unwrap_or_default());
        rest = match invalid {
            [0xed, b @ 0xa0..=0xbf, c @ 0x80..=0xbf, after @ ..] => {
                let unit = 0xd000 | u32::from(b & 0x3f) << 6 | u32::from(c & 0x3f);
                let _ = write!(text, "\\u{unit:04x}");
                after
            }
            _ => {
                text.push(char::REPLACEMENT_CHARACTER);
                invalid
                    .get(error.error_len().unwrap_or(invalid.len())..)
                    .unwrap_or_default()
            }
        };
    }
}

/// The text of `UNICODE`: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, mut after)) = rest.split_first() {
        let len = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 5,
            (b'\\', Some(b'U')) => 9,
            _ => 0,
        };
        let code = after
            .get(1..len)
            .and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(code) => {
                match char::from_u32(code) {
                    Some(c) => text.push(c),
                    None => text.push_str(&format!("\\u{code:04x}")),
                }
                after = after.get(len..).unwrap_or_default();
            }
            None => text.push(char::from(*byte)),
        }
        rest = after;
    }
    text
}

/// The bytes of `STRING`: a literal of Python 2 in quotes.
pub(super) fn escaped_bytes(line: &[u8]) -> Option<Vec<u8>> {
    let quoted = match line.trim_ascii() {
        [b'\'', quoted @ .., b'\''] | [b'"', quoted @ .., b'"'] => quoted,
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            other => *other,
        });
    }
    Some(bytes)
}

/// A long integer, two's complement from the lowest byte on, in decimal; beyond 512 bytes in hex.
pub(super) fn decimal(bytes: &[u8]) -> String {
    let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            (*byte, carry) = (!*byte).overflowing_add(carry.into());
        }
    }
    let mut text = String::from(if negative { "-" } else { "" });
    if bytes.len() > 512 {
        text.push_str("0x");
        for byte in magnitude.iter().rev() {
            let _ = write!(text, "{byte:02x}");
        }
        return text;
    }
    // Digits in groups of nine, the lowest first.
    let mut groups: Vec<u32> = vec![0];
    for byte in magnitude.iter().rev() {
        let mut carry = u64::from(*byte);
        for group in &mut groups {
            let sum = u64::from(*group) * 256 + carry;
            *group = (sum % 1_000_000_000) as u32;
            carry = sum / 1_000_000_000;
        }
        if carry > 0 {
            groups.push(carry as u32);
        }
    }
    for (i, group) in groups.iter().rev().enumerate() {
        let _ = if i == 0 {
            write!(text, "{group}")
        } else {
            write!(text, "{group:09}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_integers() {
        for value in [
            0i128,
            1,
            -1,
            255,
            256,
            -256,
            i128::MAX,
            i128::MIN,
            1_000_000_000,
            999_999_999_999_999_999_999_999,
        ] {
            assert_eq!(decimal(&value.to_le_bytes()), value.to_string());
        }
        assert_eq!(decimal(&[]), "0");
        let huge = decimal(&[&[0; 512][..], &[1]].concat());
        assert!(huge.starts_with("0x01") && huge.len() == 2 + 2 * 513);
        let mut googol = vec![0u8; 42];
        googol[41] = 1;
        assert_eq!(
            decimal(&googol),
            "546812681195752981093125556779405341338292357723303109106442651602488249799843980805878294255763456"
        );
    }

    #[test]
    fn texts() {
        assert_eq!(utf8(b"a\xed\xa0\x80b"), "a\\ud800b");
        assert_eq!(utf8(b"a\xffb\xe2\x82"), "a\u{fffd}b\u{fffd}");
        assert_eq!(
            raw_unicode(b"a\\u20ac\xe9\\U0001f600\\x\\ud800\\u12"),
            "a\u{20ac}\u{e9}\u{1f600}\\x\\ud800\\u12"
        );
        assert_eq!(
            escaped_bytes(b"'a\\n\\x41\\\\'").as_deref(),
            Some(&b"a\nA\\"[..])
        );
        assert_eq!(escaped_bytes(b"a"), None);
        assert_eq!(escaped_bytes(b"'"), None);
        assert_eq!(escaped_bytes(b"'\\'"), None);
    }
}
