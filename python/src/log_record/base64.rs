//! Base64 with padding ([RFC 4648](https://www.rfc-editor.org/rfc/rfc4648#section-4)).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the text of some bytes.
pub(crate) fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { digit } else { b'=' });
        }
    }
}

/// The bytes of a text; `None` if it is not exactly what [`encode`] writes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text
        .strip_suffix("==")
        .or_else(|| text.strip_suffix('='))
        .unwrap_or(text);
    let mut bits: u32 = 0;
    for (i, digit) in digits.bytes().enumerate() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        match i % 4 {
            0 => {}
            phase => {
                let left = 6 - 2 * phase;
                bytes.push((bits >> left) as u8);
                bits &= (1 << left) - 1;
            }
        }
    }
    (text.len().is_multiple_of(4)
        && digits.len() % 4 != 1
        && bits == 0
        && text.len() - digits.len() == (4 - digits.len() % 4) % 4)
        .then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_rfc() {
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
            encode(&mut out, plain.as_bytes());
            assert_eq!(out, text.as_bytes());
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
        }
        for bad in [
            "Z", "Zg", "Zg=", "Zh==", "Zm9v====", "Zm8==", "Z g=", "====", "=",
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
