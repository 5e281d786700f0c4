//! Colours, times and values for people: what the tree, the tail and the console share.

use std::fmt::{self, Write};

use distlog_proto::wire::FieldsRef;
use distlog_proto::{Severity, ValueRef};

/// Whether to write ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    On,
    /// For a file or a pipe.
    Off,
}

/// A style of [ECMA-48](https://ecma-international.org/publications-and-standards/standards/ecma-48/) (SGR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "\x1b[1m",
            Style::Dim => "\x1b[2m",
            Style::Red => "\x1b[31m",
            Style::Green => "\x1b[32m",
            Style::Yellow => "\x1b[33m",
            Style::Blue => "\x1b[34m",
            Style::Magenta => "\x1b[35m",
            Style::Cyan => "\x1b[36m",
        }
    }

    /// How a severity looks.
    pub fn of(severity: Severity) -> Style {
        match severity.number() {
            0..=8 => Style::Dim,
            9..=12 => Style::Green,
            13..=16 => Style::Yellow,
            _ => Style::Red,
        }
    }
}

impl Colour {
    /// Appends text in a style.
    pub fn put(self, out: &mut String, style: Style, text: impl fmt::Display) {
        let styled = self == Colour::On && style != Style::Plain;
        if styled {
            out.push_str(style.code());
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{text}");
        if styled {
            out.push_str("\x1b[0m");
        }
    }
}

/// A duration in the unit that fits: `850ns`, `12.3µs`, `3.04ms`, `1.25s`, `2m 05s`, `3h 07m`.
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0 as f64;
        let scaled = |f: &mut fmt::Formatter<'_>, value: f64, unit: &str| {
            let digits = if value < 10.0 {
                2
            } else if value < 100.0 {
                1
            } else {
                0
            };
            write!(f, "{value:.digits$}{unit}")
        };
        match self.0 {
            0..1_000 => write!(f, "{}ns", self.0),
            1_000..1_000_000 => scaled(f, ns / 1e3, "µs"),
            1_000_000..1_000_000_000 => scaled(f, ns / 1e6, "ms"),
            1_000_000_000..60_000_000_000 => scaled(f, ns / 1e9, "s"),
            60_000_000_000..3_600_000_000_000 => write!(
                f,
                "{}m {:02}s",
                self.0 / 60_000_000_000,
                self.0 / 1_000_000_000 % 60
            ),
            _ => write!(
                f,
                "{}h {:02}m",
                self.0 / 3_600_000_000_000,
                self.0 / 60_000_000_000 % 60
            ),
        }
    }
}

/// Time of day in UTC, to the millisecond, of ns since the epoch.
pub struct Clock(pub u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0 / 1_000_000;
        write!(
            f,
            "{:02}:{:02}:{:02}.{:03}",
            ms / 3_600_000 % 24,
            ms / 60_000 % 60,
            ms / 1000 % 60,
            ms % 1000
        )
    }
}

/// A value as people read it: strings bare where they are one word, quoted otherwise.
pub struct Shown<'a>(pub ValueRef<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ValueRef::Null => f.write_str("null"),
            ValueRef::Bool(v) => v.fmt(f),
            ValueRef::I64(v) => v.fmt(f),
            ValueRef::U64(v) => v.fmt(f),
            ValueRef::F64(v) => fmt::Debug::fmt(&v, f),
            ValueRef::Str(v)
                if v.is_empty()
                    || v.contains(|c: char| {
                        c.is_whitespace() || c.is_control() || matches!(c, '"' | '=')
                    }) =>
            {
                fmt::Debug::fmt(v, f)
            }
            ValueRef::Str(v) => f.write_str(&printable(v)),
            ValueRef::Text(v) => f.write_str(&printable(v)),
            ValueRef::Bytes(v) => v
                .iter()
                .take(32)
                .try_for_each(|b| write!(f, "{b:02x}"))
                .and_then(|()| {
                    if v.len() > 32 {
                        write!(f, "… ({} bytes)", v.len())
                    } else {
                        Ok(())
                    }
                }),
            ValueRef::List(v) => {
                f.write_char('[')?;
                for (i, item) in v.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    Shown(item).fmt(f)?;
                }
                f.write_char(']')
            }
            ValueRef::Map(v) => {
                f.write_char('{')?;
                for (i, (name, value)) in v.iter().enumerate() {
                    write!(
                        f,
                        "{}{}: {}",
                        if i > 0 { ", " } else { "" },
                        printable(name),
                        Shown(value)
                    )?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Text without control characters: what a stranger logs must not move our cursor. Line ends and tabs stay.
pub fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(bad) {
        return text.into();
    }
    text.chars()
        .map(|c| {
            if bad(c) {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect::<String>()
        .into()
}

/// Appends ` name=value` for each field that is not hidden.
pub fn put_fields(
    out: &mut String,
    colour: Colour,
    fields: FieldsRef<'_>,
    hidden: impl Fn(&str) -> bool,
) {
    for (name, value) in fields.iter().filter(|(name, _)| !hidden(name)) {
        out.push_str("  ");
        colour.put(out, Style::Dim, format_args!("{}=", printable(name)));
        let _ = write!(out, "{}", Shown(value));
    }
}
