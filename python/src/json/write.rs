//! Writes JSON.

use super::fragment_cache::FragmentCache;
use super::scan::plain;
use crate::log_record::{Fragment, FragmentSink, Sink, float_word, write_base64};

/// Appends JSON to a buffer.
pub(super) struct Writer<'o, 'a> {
    out: &'o mut Vec<u8>,
    /// Where the value begins.
    start: usize,
    /// Fragments of earlier records.
    cache: Option<&'o mut FragmentCache<'a>>,
}

/// Appends a text as a JSON string, quotes included.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

#[inline]
fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (head, tail) = rest.split_at(plain(rest));
        out.extend_from_slice(head);
        let Some((byte, tail)) = tail.split_first() else {
            return;
        };
        escape(out, *byte);
        rest = tail;
    }
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => out.extend_from_slice(&[
            b'\\',
            b'u',
            b'0',
            b'0',
            HEX[usize::from(byte >> 4)],
            HEX[usize::from(byte & 15)],
        ]),
    }
}

impl<'o, 'a> Writer<'o, 'a> {
    /// Appends to the buffer.
    pub(super) fn new(
        out: &'o mut Vec<u8>,
        cache: Option<&'o mut FragmentCache<'a>>,
    ) -> Writer<'o, 'a> {
        let start = out.len();
        Writer { out, start, cache }
    }

    /// A comma, unless this is the first of its list or map, or follows its name.
    #[inline]
    fn comma(&mut self) {
        if let [.., before] = self.out[self.start..]
            && !matches!(before, b'{' | b'[' | b':')
        {
            self.out.push(b',');
        }
    }
}

impl Sink for Writer<'_, '_> {
    #[inline]
    fn begin_map(&mut self) {
        self.comma();
        self.out.push(b'{');
    }

    #[inline]
    fn end_map(&mut self) {
        self.out.push(b'}');
    }

    #[inline]
    fn begin_list(&mut self) {
        self.comma();
        self.out.push(b'[');
    }

    #[inline]
    fn end_list(&mut self) {
        self.out.push(b']');
    }

    #[inline]
    fn key(&mut self, name: &str) {
        self.comma();
        write_str(self.out, name);
        self.out.push(b':');
    }

    #[inline]
    fn name(&mut self, name: &'static str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn null(&mut self) {
        self.comma();
        self.out.extend_from_slice(b"null");
    }

    fn bool(&mut self, value: bool) {
        self.comma();
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    #[inline]
    fn i64(&mut self, value: i64) {
        self.comma();
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline]
    fn u64(&mut self, value: u64) {
        self.comma();
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn f64(&mut self, value: f64) {
        if value.is_finite() {
            self.comma();
            let at = self.out.len();
            self.out
                .extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
            if !self.out[at..]
                .iter()
                .any(|byte| matches!(byte, b'.' | b'e'))
            {
                self.out.extend_from_slice(b".0");
            }
            return;
        }
        self.begin_map();
        self.name("$float");
        match float_word(value) {
            Some(word) => self.str(word),
            None => self.str(&format!("{:016x}", value.to_bits())),
        }
        self.end_map();
    }

    #[inline]
    fn whole(&mut self, value: u64) {
        self.u64(value);
        self.out.extend_from_slice(b".0");
    }

    fn seconds(&mut self, micros: u64) {
        self.comma();
        let mut buffer = itoa::Buffer::new();
        self.out
            .extend_from_slice(buffer.format(micros / 1_000_000).as_bytes());
        // One digit more in front keeps the zeros.
        let digits = buffer.format(1_000_000 + micros % 1_000_000).as_bytes();
        self.out.push(b'.');
        self.out.extend_from_slice(&digits[1..]);
    }

    #[inline]
    fn str(&mut self, value: &str) {
        self.comma();
        write_str(self.out, value);
    }

    #[inline]
    fn begin_str(&mut self) {
        self.comma();
        self.out.push(b'"');
    }

    #[inline]
    fn piece(&mut self, piece: &str) {
        escaped(self.out, piece);
    }

    #[inline]
    fn end_str(&mut self) {
        self.out.push(b'"');
    }

    fn bytes(&mut self, value: &[u8]) {
        self.begin_map();
        self.name("$bytes");
        self.out.push(b'"');
        write_base64(self.out, value);
        self.out.push(b'"');
        self.end_map();
    }
}

impl<'a> FragmentSink<'a> for Writer<'_, 'a> {
    #[inline]
    fn fragment(&mut self, fragment: Fragment<'a>, write: impl FnOnce(&mut Self)) {
        if let Some(known) = self.cache.as_ref().and_then(|cache| cache.get(&fragment)) {
            self.out.extend_from_slice(known);
            return;
        }
        let start = self.out.len();
        write(self);
        if let Some(cache) = &mut self.cache {
            cache.insert(fragment, &self.out[start..]);
        }
    }
}
