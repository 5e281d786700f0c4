//! Reads JSON as Python writes it: strictly, but with `NaN`, `Infinity`, lone surrogates and integers of any length.

use std::borrow::Cow;
use std::fmt::Write;

use super::error::{Error, ErrorKind};
use super::scan::plain;
use crate::log_record::{Item, MAX_DEPTH, Reader, marked_map};
use distlog_proto::Value;

/// A text being read.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
}

type Result<T> = std::result::Result<T, Error>;

impl<'a> Parser<'a> {
    pub(super) fn new(body: &'a [u8]) -> Result<Parser<'a>> {
        match std::str::from_utf8(body) {
            Ok(text) => Ok(Parser { text, at: 0 }),
            Err(error) => Err(Error {
                kind: ErrorKind::NotUtf8,
                at: error.valid_up_to(),
            }),
        }
    }

    /// Gives the entries of the object to the reader.
    pub(super) fn record(&mut self, reader: &mut Reader) -> Result<()> {
        self.space();
        self.expect(b'{', "an object: {")?;
        self.entries(|parser, name| {
            let item = match parser.peek() {
                Some(b'"') => Item::Str(parser.string()?),
                _ => Item::Value(parser.value(1)?),
            };
            reader.entry(&name, item);
            Ok(())
        })?;
        self.end()
    }

    /// An object alone, and nothing behind it: its entries as they stand there.
    pub(super) fn object(&mut self) -> Result<Vec<(String, Value)>> {
        self.space();
        self.expect(b'{', "an object: {")?;
        let mut entries = Vec::new();
        self.entries(|parser, name| {
            entries.push((name.into_owned(), parser.value(2)?));
            Ok(())
        })?;
        self.end().map(|()| entries)
    }

    /// Nothing but space follows.
    fn end(&mut self) -> Result<()> {
        self.space();
        if self.at < self.text.len() {
            Err(self.error(ErrorKind::Trailing))
        } else {
            Ok(())
        }
    }

    /// The entries of an object behind its brace; `value` reads each value.
    fn entries(
        &mut self,
        mut value: impl FnMut(&mut Parser<'a>, Cow<'a, str>) -> Result<()>,
    ) -> Result<()> {
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in quotes"));
            }
            let name = self.string()?;
            self.space();
            self.expect(b':', "a colon")?;
            self.space();
            value(self, name)?;
            self.space();
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "a comma or the end of the object")?;
        }
    }

    /// A value, `depth` lists and maps deep if it is one.
    fn value(&mut self, depth: usize) -> Result<Value> {
        match self.peek() {
            Some(b'"') => Ok(Value::Str(self.string()?.into_owned())),
            Some(b'{' | b'[') if depth > MAX_DEPTH => self.flat(),
            Some(b'{') => {
                self.at += 1;
                let mut entries = Vec::new();
                self.entries(|parser, name| {
                    entries.push((name.into_owned(), parser.value(depth + 1)?));
                    Ok(())
                })?;
                Ok(marked_map(entries))
            }
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'N') => self.word("NaN", Value::F64(f64::NAN)),
            Some(b'I') => self.word("Infinity", Value::F64(f64::INFINITY)),
            _ => Err(self.expected("a value")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',', "a comma or the end of the list")?;
        }
    }

    /// A list or an object as text. Its content is scanned only to find its end.
    fn flat(&mut self) -> Result<Value> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
                None => return Err(self.error(ErrorKind::End)),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(Value::Text(self.text[start..self.at].to_owned()));
            }
        }
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        let negative = self.take(b'-');
        if negative && self.peek() == Some(b'I') {
            return self.word("Infinity", Value::F64(f64::NEG_INFINITY));
        }
        let digits = self.at;
        self.digits()?;
        if self.text.as_bytes()[digits] == b'0' && self.at > digits + 1 {
            self.at = digits + 1;
            return Err(self.expected("no digit behind a leading zero"));
        }
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        if !integer {
            return text
                .parse()
                .map(Value::F64)
                .map_err(|_| self.expected("a number"));
        }
        Ok(text
            .parse()
            .map(Value::I64)
            .or_else(|_| text.parse().map(Value::U64))
            .unwrap_or_else(|_| Value::Text(text.to_owned())))
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.expected("a digit"))
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.expected(word));
        }
        self.at += word.len();
        Ok(value)
    }

    /// A string; the place is at its quote.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        self.plain();
        if self.take(b'"') {
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let mut text = self.text[start..self.at].to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(_) => return Err(self.error(ErrorKind::Control)),
                None => return Err(self.error(ErrorKind::End)),
            }
            let start = self.at;
            self.plain();
            text.push_str(&self.text[start..self.at]);
        }
    }

    fn plain(&mut self) {
        self.at += plain(&self.text.as_bytes()[self.at..]);
    }

    fn escape(&mut self, text: &mut String) -> Result<()> {
        let c = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(text),
            Some(_) => return Err(self.error(ErrorKind::Escape)),
            None => return Err(self.error(ErrorKind::End)),
        };
        self.at += 2;
        text.push(c);
        Ok(())
    }

    /// `\u` and four digits, or two of them. A lone surrogate, which Python's strings may hold, stays as it is written.
    fn unicode(&mut self, text: &mut String) -> Result<()> {
        let Some(unit) = self.unit(self.at) else {
            return Err(self.error(ErrorKind::Escape));
        };
        self.at += 6;
        if let Some(c) = char::from_u32(unit) {
            text.push(c);
        } else if let Some(low @ 0xdc00..=0xdfff) = self.unit(self.at)
            && let high @ 0xd800..=0xdbff = unit
        {
            self.at += 6;
            text.extend(char::from_u32(
                0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00)),
            ));
        } else {
            let _ = write!(text, "\\u{unit:04x}");
        }
        Ok(())
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let [b'\\', b'u', digits @ ..] = self.text.as_bytes().get(at..at + 6)? else {
            return None;
        };
        digits.iter().try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<()> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.expected(what))
        }
    }

    fn expected(&self, what: &'static str) -> Error {
        self.error(if self.at < self.text.len() {
            ErrorKind::Expected(what)
        } else {
            ErrorKind::End
        })
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error { kind, at: self.at }
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }
}
