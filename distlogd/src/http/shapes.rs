//! What a parameter can be: each shape reads its text, and describes it as JSON Schema.
//!
//! `format` names what no pattern can say: `cel` (a condition), `duration` as people write it (`1m30s`), and so on. A
//! program that makes up parameters needs to know these.

use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use distlog_proto::{Severity, TaskId, TraceId};
use distlog_rules::Condition;
use serde_json::{Value, json};

use super::problem::{Problem, quoted};
use crate::query::{MAX_TEXT, Phrase, parse_time};
use crate::values::{MAX_DURATION, parse_duration, show_duration};

/// What a parameter can be.
pub(super) trait Shape: Sync {
    /// What is read.
    type Value;
    /// Whether it must be given.
    const REQUIRED: bool = false;
    /// Reads it, or what holds where it is not given; `now` in ns since the epoch.
    ///
    /// # Errors
    /// If it is wrong.
    fn read(
        &self,
        name: &'static str,
        text: Option<&str>,
        now: u64,
    ) -> Result<Self::Value, Problem>;
    /// Describes it.
    fn schema(&self) -> Value;
}

/// A text; what it may be is said in words, and by `format` if it has one.
pub(super) struct Text {
    pub format: Option<&'static str>,
}

impl Shape for Text {
    type Value = Option<String>;

    fn read(&self, _: &'static str, text: Option<&str>, _: u64) -> Result<Option<String>, Problem> {
        Ok(text.map(str::to_owned))
    }

    fn schema(&self) -> Value {
        match self.format {
            Some(format) => json!({ "type": "string", "format": format }),
            None => json!({ "type": "string" }),
        }
    }
}

/// The name of something: a text that is not empty.
pub(super) struct Named {
    /// What it names, as an error says it.
    pub what: &'static str,
}

impl Shape for Named {
    type Value = Option<String>;

    fn read(
        &self,
        name: &'static str,
        text: Option<&str>,
        _: u64,
    ) -> Result<Option<String>, Problem> {
        match text {
            Some("") => Err(Problem::parameter(name, quoted(""), self.what)),
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// `true` or `false`.
pub(super) struct Flag {
    pub default: bool,
}

impl Shape for Flag {
    type Value = bool;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<bool, Problem> {
        match text {
            None => Ok(self.default),
            Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(Problem::parameter(name, quoted(text), "`true` or `false`")),
        }
    }

    fn schema(&self) -> Value {
        json!({ "type": "boolean", "default": self.default })
    }
}

/// A number within bounds.
pub(super) struct Number {
    pub least: usize,
    pub most: usize,
    pub default: usize,
}

impl Shape for Number {
    type Value = usize;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<usize, Problem> {
        let Number {
            least,
            most,
            default,
        } = *self;
        let Some(text) = text else {
            return Ok(default);
        };
        let number = whole(text).and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| {
            let expected = format!("a number from {least} to {most}");
            Problem::parameter(name, quoted(text), expected)
        })
    }

    fn schema(&self) -> Value {
        json!({
            "type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default,
        })
    }
}

/// The number of a record in the store.
pub(super) struct RecordNumber;

impl Shape for RecordNumber {
    type Value = Option<u64>;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<Option<u64>, Problem> {
        let read = |text| {
            let expected = "the number of a record in the store";
            whole(text).ok_or_else(|| Problem::parameter(name, quoted(text), expected))
        };
        text.map(read).transpose()
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })
    }
}

/// Digits alone: what other readers take for a number, `+1` and `١`, is none.
fn whole(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A duration that is not zero.
pub(super) struct Span {
    pub most: Duration,
    /// Zero: none.
    pub default: Duration,
}

impl Shape for Span {
    type Value = Duration;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<Duration, Problem> {
        let Some(text) = text else {
            return Ok(self.default);
        };
        let duration = parse_duration(text).filter(|d| !d.is_zero() && *d <= self.most);
        duration.ok_or_else(|| {
            let mut expected = "a duration as `5s` or `1m30s`, more than 0".to_owned();
            if self.most < MAX_DURATION {
                expected += &format!(", at most {}", show_duration(self.most));
            }
            Problem::parameter(name, quoted(text), expected)
        })
    }

    fn schema(&self) -> Value {
        let mut schema = json!({
            "type": "string", "format": "time-span", "x-maximum": show_duration(self.most),
        });
        if !self.default.is_zero() {
            schema["default"] = show_duration(self.default).into();
        }
        schema
    }
}

/// A time, in ns since the epoch.
pub(super) struct Time;

impl Shape for Time {
    type Value = Option<u64>;

    fn read(
        &self,
        name: &'static str,
        text: Option<&str>,
        now: u64,
    ) -> Result<Option<u64>, Problem> {
        let read = |text| parse_time(name, text, now);
        Ok(text.map(read).transpose()?)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "time-or-ago" })
    }
}

/// Words and phrases.
pub(super) struct Words;

impl Shape for Words {
    type Value = Vec<Phrase>;

    fn read(&self, _: &'static str, text: Option<&str>, _: u64) -> Result<Vec<Phrase>, Problem> {
        Ok(text.map(Phrase::parse).transpose()?.unwrap_or_default())
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "words" })
    }
}

/// A condition in CEL.
pub(super) struct Cel;

impl Shape for Cel {
    type Value = Option<Condition>;

    fn read(
        &self,
        name: &'static str,
        text: Option<&str>,
        _: u64,
    ) -> Result<Option<Condition>, Problem> {
        let Some(text) = text else {
            return Ok(None);
        };
        if text.len() > MAX_TEXT {
            let found = format!("{} bytes", text.len());
            let expected = format!("at most {MAX_TEXT} bytes");
            return Err(Problem::parameter(name, found, expected));
        }
        let compiled = Condition::compile(text);
        let fault = |fault| {
            let why = Problem::bad_request(format_args!("`{name}`: {fault}"));
            why.about(name, Some(quoted(text)), None)
        };
        compiled.map(Some).map_err(fault)
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "cel" })
    }
}

/// A severity by its name or number; without it all pass.
pub(super) struct AtLeast;

impl Shape for AtLeast {
    type Value = Severity;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<Severity, Problem> {
        let Some(text) = text else {
            return Ok(Severity::default());
        };
        let number = whole(text).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (1..=24).contains(number));
        let severity = number
            .map(Severity::new)
            .or_else(|| Severity::from_text(text));
        severity.ok_or_else(|| {
            let expected = "trace, debug, info, warn, error, fatal or a number from 1 to 24";
            Problem::parameter(name, quoted(text), expected)
        })
    }

    fn schema(&self) -> Value {
        json!({
            "anyOf": [
                { "enum": ["trace", "debug", "info", "warn", "error", "fatal"] },
                { "type": "integer", "minimum": 1, "maximum": 24 },
            ],
        })
    }
}

/// One of several; the first one if none is given.
pub(super) struct OneOf<T: 'static> {
    pub values: &'static [(&'static str, T)],
}

impl<T: Copy + Default + Sync> Shape for OneOf<T> {
    type Value = T;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<T, Problem> {
        let Some(text) = text else {
            return Ok(self
                .values
                .first()
                .map_or_else(T::default, |(_, value)| *value));
        };
        let found = self.values.iter().find(|(known, _)| *known == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<String> = self.names().map(|name| format!("`{name}`")).collect();
            Problem::parameter(name, quoted(text), known.join(" or "))
        })
    }

    fn schema(&self) -> Value {
        let names: Vec<&str> = self.names().collect();
        json!({ "type": "string", "enum": names, "default": names.first() })
    }
}

impl<T> OneOf<T> {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.values.iter().map(|(name, _)| *name)
    }
}

/// Where the answer before ended.
pub(super) struct CursorOf<C> {
    format: &'static str,
    read_as: PhantomData<fn() -> C>,
}

impl<C> CursorOf<C> {
    pub(super) const fn new(format: &'static str) -> CursorOf<C> {
        CursorOf {
            format,
            read_as: PhantomData,
        }
    }
}

impl<C: FromStr> Shape for CursorOf<C> {
    type Value = Option<C>;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<Option<C>, Problem> {
        let read = |text: &str| {
            let expected = "the `next` of the answer before";
            text.parse()
                .map_err(|_| Problem::parameter(name, quoted(text), expected))
        };
        text.map(read).transpose()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": self.format })
    }
}

/// The id of a task, or of a trace.
pub(super) struct Id;

impl Shape for Id {
    type Value = TaskId;
    const REQUIRED: bool = true;

    fn read(&self, name: &'static str, text: Option<&str>, _: u64) -> Result<TaskId, Problem> {
        let expected = "the id of a task, as lists and records have it";
        let text = text.ok_or_else(|| Problem::parameter(name, "nothing", expected))?;
        text.trim().parse().map_err(|error| {
            let why = Problem::bad_request(format_args!("`{name}` is wrong: {error}"));
            why.about(name, Some(quoted(text)), Some(expected.to_owned()))
        })
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "task-id" })
    }
}

/// As [`Id`], where the task is named before it is followed.
pub(super) struct MaybeId;

impl Shape for MaybeId {
    type Value = Option<TaskId>;

    fn read(
        &self,
        name: &'static str,
        text: Option<&str>,
        now: u64,
    ) -> Result<Option<TaskId>, Problem> {
        text.map(|text| Id.read(name, Some(text), now)).transpose()
    }

    fn schema(&self) -> Value {
        Id.schema()
    }
}

/// The id of a trace.
pub(super) struct Trace;

impl Shape for Trace {
    type Value = Option<TraceId>;

    fn read(
        &self,
        name: &'static str,
        text: Option<&str>,
        _: u64,
    ) -> Result<Option<TraceId>, Problem> {
        let read = |text: &str| {
            let id = text.trim().parse();
            id.map_err(|_| Problem::parameter(name, quoted(text), "the id of a trace"))
        };
        text.map(read).transpose()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "format": "trace-id" })
    }
}
