//! Colours, times and values for people: what the tree, the tail and the console share.

use std::fmt::{self, Write};

use distlog_proto::wire::FieldsRef;
use distlog_proto::{Severity, ValueRef};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape::{is_escaped, one_line, put_cut};

/// Whether to write ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    On,
    /// For a file or a pipe.
    Off,
}

/// How a text for people looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// With colours or without.
    pub colour: Colour,
    /// Long values whole.
    pub full: bool,
    /// The present time, in ns since the epoch: times of another day have their date beside them.
    pub now: u64,
}

impl Look {
    /// As seen now.
    pub fn new(colour: Colour, full: bool) -> Look {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Look {
            colour,
            full,
            now: since.map_or(0, |since| {
                u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
            }),
        }
    }

    /// A limit that holds unless all is to be shown.
    pub fn limit(self, limit: usize) -> usize {
        if self.full { usize::MAX } else { limit }
    }

    /// Ns since the epoch as a time that people read.
    pub fn clock(self, time: u64) -> TimeOfDay {
        let now = self.now;
        TimeOfDay { time, now }
    }
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

/// A duration in the unit that fits: `850ns`, `12.3µs`, `3.04ms`, `1.25s`, `2m 05s`, `3h 07m`, `4d 02h`.
pub struct HumanDuration(pub u64);

impl fmt::Display for HumanDuration {
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
            // What would be rounded to 1000 is 1.00 of the next unit.
            1_000..999_500 => scaled(f, ns / 1e3, "µs"),
            999_500..999_500_000 => scaled(f, ns / 1e6, "ms"),
            999_500_000..60_000_000_000 => scaled(f, ns / 1e9, "s"),
            60_000_000_000..3_600_000_000_000 => write!(
                f,
                "{}m {:02}s",
                self.0 / 60_000_000_000,
                self.0 / 1_000_000_000 % 60
            ),
            3_600_000_000_000..172_800_000_000_000 => write!(
                f,
                "{}h {:02}m",
                self.0 / 3_600_000_000_000,
                self.0 / 60_000_000_000 % 60
            ),
            _ => write!(
                f,
                "{}d {:02}h",
                self.0 / NS_PER_DAY,
                self.0 / 3_600_000_000_000 % 24
            ),
        }
    }
}

/// A size in the unit that fits: `850B`, `12.3KiB`, `3.04GiB`.
pub struct HumanSize(pub u64);

impl fmt::Display for HumanSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return write!(f, "{}B", self.0);
        }
        let (mut scaled, mut unit) = (self.0 as f64 / 1024.0, "KiB");
        for larger in ["MiB", "GiB", "TiB", "PiB", "EiB"] {
            // What would be rounded to 1024 is 1.00 of the next unit.
            if scaled < 1023.5 {
                break;
            }
            (scaled, unit) = (scaled / 1024.0, larger);
        }
        let digits = 2_usize.saturating_sub((scaled.log10().max(0.0)) as usize);
        write!(f, "{scaled:.digits$}{unit}")
    }
}

/// A count with its thousands apart: `1,203,112`.
pub struct HumanCount(pub u64);

impl fmt::Display for HumanCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// A duration that may be unknown, which is shown as `–`.
pub fn span_or_dash(duration: Option<u64>) -> String {
    duration.map_or_else(
        || "–".to_owned(),
        |duration| HumanDuration(duration).to_string(),
    )
}

/// Time of day in UTC, to the millisecond, of ns since the epoch; with the date before it where that is not the day of
/// `now`. A time that is not known (0) is `–`.
pub struct TimeOfDay {
    /// The time.
    pub time: u64,
    /// The present time.
    pub now: u64,
}

const NS_PER_SECOND: u64 = 1_000_000_000;
const NS_PER_DAY: u64 = 86_400 * NS_PER_SECOND;

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.time == 0 {
            return write!(f, "{:<12}", "–");
        }
        if self.time / NS_PER_DAY != self.now / NS_PER_DAY {
            write!(f, "{} ", utc(self.time).format("%Y-%m-%d"))?;
        }
        let ms = self.time / 1_000_000;
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

/// The date and time of ns since the epoch, up to the last (in the year 2554).
pub fn utc(time: u64) -> chrono::DateTime<chrono::Utc> {
    let seconds = i64::try_from(time / NS_PER_SECOND).unwrap_or_default();
    let nanos = u32::try_from(time % NS_PER_SECOND).unwrap_or_default();
    chrono::DateTime::from_timestamp(seconds, nanos).unwrap_or_default()
}

/// How many columns of a terminal a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text, `…` at its end if it takes more columns than this.
pub fn cut_to(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut out, mut taken) = (String::new(), 1);
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
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
                        c.is_whitespace() || is_escaped(c) || matches!(c, '"' | '=')
                    }) =>
            {
                f.write_char('"')?;
                for (i, part) in v.split('"').enumerate() {
                    f.write_str(if i > 0 { "\\\"" } else { "" })?;
                    one_line(part).fmt(f)?;
                }
                f.write_char('"')
            }
            ValueRef::Str(v) | ValueRef::Text(v) => one_line(v).fmt(f),
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
                        one_line(name),
                        Shown(value)
                    )?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A name of a field or service is cut at this length, in bytes.
pub const MAX_NAME: usize = 100;
/// A value of a field is cut at this length, in bytes.
pub const MAX_VALUE: usize = 400;
/// So many fields of a record are shown.
pub const MAX_FIELDS: usize = 40;

/// Appends ` name=value` for each field that is not hidden.
pub fn put_fields(
    out: &mut String,
    look: Look,
    fields: FieldsRef<'_>,
    hidden: impl Fn(&str) -> bool,
) {
    let shown = || fields.iter().filter(|(name, _)| !hidden(name));
    let limit = look.limit(MAX_FIELDS);
    for (name, value) in shown().take(limit) {
        out.push_str("  ");
        let mut key = String::new();
        put_cut(&mut key, look.limit(MAX_NAME), one_line(name));
        look.colour.put(out, Style::Dim, format_args!("{key}="));
        put_cut(out, look.limit(MAX_VALUE), Shown(value));
    }
    let more = shown().skip(limit).count();
    if more > 0 {
        look.colour
            .put(out, Style::Dim, format_args!("  … (+{more} fields)"));
    }
}
