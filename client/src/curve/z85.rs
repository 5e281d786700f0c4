//! Z85, the text of keys: 5 characters for each 4 bytes.
//! <https://rfc.zeromq.org/spec/32/>

const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Bytes of a key, and characters of its text.
const BYTES: usize = 32;
const CHARS: usize = 40;

pub(super) fn encode(key: &[u8; BYTES]) -> String {
    let mut text = String::with_capacity(CHARS);
    for word in key.as_chunks::<4>().0 {
        let word = u32::from_be_bytes(*word);
        for power in [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1] {
            text.push(DIGITS[(word / power % 85) as usize].into());
        }
    }
    text
}

/// `None`: it is no key.
pub(super) fn decode(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != CHARS {
        return None;
    }
    let mut key = [0; BYTES];
    let (words, _) = key.as_chunks_mut::<4>();
    for (word, chars) in words.iter_mut().zip(text.as_bytes().chunks(5)) {
        let mut value = 0u32;
        for char in chars {
            let digit = DIGITS.iter().position(|digit| digit == char)?;
            value = value.checked_mul(85)?.checked_add(digit as u32)?;
        }
        *word = value.to_be_bytes();
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pair of libzmq's documentation, and what its specification has for other bytes.
    #[test]
    fn texts_are_those_of_libzmq() {
        let text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
        assert_eq!(encode(&decode(text).unwrap()), text);
        let hello = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        assert!(encode(&hello.repeat(4).try_into().unwrap()).starts_with("HelloWorldHelloWorld"));
        for bad in [
            "",
            "HelloWorld",
            "#".repeat(40).as_str(),
            " ".repeat(40).as_str(),
            "ä".repeat(20).as_str(),
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
