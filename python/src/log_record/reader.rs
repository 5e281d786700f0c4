//! Makes a record of a dictionary, entry by entry.

use std::borrow::Cow;

use super::own::{Own, mark_text, own_key};
use super::python;
use super::typed::{i64, map, seconds, set, string, u32, u64};
use distlog_proto::Severity;
use distlog_proto::Topic;
use distlog_proto::{Kind, Outcome, Record, Task};
use distlog_proto::{Map, Value};

const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/// The value of an entry. A string is copied only if the record keeps it.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    Str(Cow<'a, str>),
    Value(Value),
}

impl Item<'_> {
    fn into_value(self) -> Value {
        match self {
            Item::Str(text) => Value::Str(text.into_owned()),
            Item::Value(value) => value,
        }
    }
}

/// Takes the entries of a dictionary. Of the same name the last one counts; a value of the wrong type costs only its
/// place in the record: it stays among the fields under its name.
#[derive(Debug)]
pub(crate) struct Reader {
    record: Record,
    message: Option<String>,
    msg: Value,
    levelname: Cow<'static, str>,
    levelno: Option<i64>,
    filename: String,
    exc_text: String,
    context: Option<Map>,
    own: Option<Map>,
    fields: Vec<(String, Value)>,
    odd: Vec<(String, Value)>,
}

impl Reader {
    /// Of a message with this topic.
    pub(crate) fn new(topic: Topic) -> Reader {
        let mut record = Record::default();
        (record.source.environment, record.source.channel) = (topic.environment, topic.channel);
        Reader {
            record,
            message: None,
            msg: Value::Null,
            levelname: Cow::Borrowed(""),
            levelno: None,
            filename: String::new(),
            exc_text: String::new(),
            context: None,
            own: None,
            fields: Vec::new(),
            odd: Vec::new(),
        }
    }

    /// Takes an entry.
    pub(crate) fn entry(&mut self, name: &str, item: Item<'_>) {
        if let Item::Str(text) = &item
            && self.known_text(name, text)
        {
            return;
        }
        let value = item.into_value();
        let r = &mut self.record;
        let odd = match name {
            "message" => set(&mut self.message, value, |v| string(v).map(Some)),
            "msg" => {
                self.msg = value;
                None
            }
            "name" => set(&mut r.callsite.target, value, string),
            "levelname" => set(&mut self.levelname, value, |v| string(v).map(Cow::Owned)),
            "levelno" => set(&mut self.levelno, value, |v| i64(v).map(Some)),
            "created" => set(&mut r.time, value, seconds),
            "pathname" => set(&mut r.callsite.file, value, string),
            "filename" => set(&mut self.filename, value, string),
            "lineno" => set(&mut r.callsite.line, value, u32),
            "module" => set(&mut r.callsite.module, value, string),
            "funcName" => set(&mut r.callsite.function, value, string),
            "thread" => set(&mut r.thread_id, value, u64),
            "threadName" => set(&mut r.thread_name, value, string),
            "process" => set(&mut r.source.process_id, value, u64),
            "processName" => set(&mut r.source.process_name, value, string),
            "hostname" => set(&mut r.source.host, value, string),
            "exc_text" => set(&mut self.exc_text, value, string),
            "stack_info" => set(&mut r.stack, value, string),
            "context" => set(&mut self.context, value, |v| map(v).map(Some)),
            "distlog" => set(&mut self.own, value, |v| map(v).map(Some)),
            "fields" => set(&mut self.fields, value, |v| {
                map(v).map(|map| map.into_iter().collect())
            }),
            // They follow from `created`, or from when the logging module was loaded.
            "asctime" | "msecs" | "relativeCreated"
                if matches!(value, Value::I64(_) | Value::F64(_)) =>
            {
                None
            }
            "asctime" | "msecs" | "relativeCreated" | "args" | "exc_info" | "taskName"
                if matches!(value, Value::Null) =>
            {
                None
            }
            _ => Some(value),
        };
        if let Some(odd) = odd {
            self.odd.push((name.to_owned(), odd));
        }
    }

    /// Strings that need not be copied.
    fn known_text(&mut self, name: &str, text: &str) -> bool {
        match name {
            "asctime" => true,
            // It usually follows from `pathname`, which is read first.
            "filename" => {
                let folder = self.record.callsite.file.strip_suffix(text);
                let follows =
                    folder.is_some_and(|folder| folder.is_empty() || folder.ends_with(['/', '\\']));
                if follows {
                    self.filename.clear();
                }
                follows
            }
            "levelname" => match LEVELS.iter().find(|level| **level == text) {
                Some(level) => {
                    self.levelname = Cow::Borrowed(level);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    /// All entries were taken.
    pub(crate) fn finish(mut self) -> Record {
        let mut own = self
            .own
            .take()
            .map(|entries| Own::read(entries, &mut self.record));
        self.text(own.as_ref());
        self.severity(own.as_ref());
        if self.record.callsite.file.is_empty() {
            self.record.callsite.file = std::mem::take(&mut self.filename);
        } else if !self.filename.is_empty() && !self.record.callsite.file.ends_with(&self.filename)
        {
            self.odd.push((
                "filename".to_owned(),
                std::mem::take(&mut self.filename).into(),
            ));
        }
        self.task(own.as_mut());
        self.error(own.as_mut());
        if own.is_none() && self.record.task.is_some() {
            let r = &mut self.record;
            r.kind = python::kind(
                r.number,
                r.callsite.severity,
                &r.callsite.template,
                &r.callsite.function,
                r.error.is_some(),
            );
            if r.kind == Kind::End {
                r.outcome = Outcome::Failed;
            }
        }
        if let Some(own) = own {
            self.fields = mark_text(self.fields, &own.text);
            if !own.odd.is_empty() {
                self.odd
                    .push(("distlog".to_owned(), Map::from_iter(own.odd).into()));
            }
        }
        self.fields.append(&mut self.odd);
        self.record.fields = Map::from_iter(self.fields);
        self.record
    }

    /// Message and template.
    fn text(&mut self, own: Option<&Own>) {
        let msg = match std::mem::take(&mut self.msg) {
            Value::Str(text) => Some(text),
            Value::Null => None,
            other => {
                self.odd.push(("msg".to_owned(), other));
                None
            }
        };
        let record = &mut self.record;
        match (own, self.message.take()) {
            (Some(own), Some(message)) => {
                record.callsite.template = msg
                    .filter(|msg| own.literal || *msg != message)
                    .unwrap_or_default();
                record.message = message;
            }
            (None, Some(message)) => {
                record.message = python::message(message, msg.as_deref());
                record.callsite.template = msg.unwrap_or_default();
            }
            (_, None) => {
                record.message = msg.clone().unwrap_or_default();
                record.callsite.template = msg.unwrap_or_default();
            }
        }
    }

    fn severity(&mut self, own: Option<&Own>) {
        let levelname = std::mem::take(&mut self.levelname);
        let named = || Severity::from_text(&levelname).unwrap_or_default();
        let severity = own
            .and_then(|own| own.severity)
            .unwrap_or_else(|| self.levelno.map_or_else(named, Severity::from_levelno));
        let record = &mut self.record;
        match own.and_then(|own| own.callsite_severity) {
            Some(callsite) => (record.severity, record.callsite.severity) = (severity, callsite),
            None => record.callsite.severity = severity,
        }
        if record.severity_text.is_empty() && levelname != severity.levelname() {
            record.severity_text = levelname.into_owned();
        }
        let derived = match severity {
            Severity::UNSET => Severity::from_text(&record.severity_text).unwrap_or_default(),
            severity => severity,
        };
        record.level = match own.and_then(|own| own.level) {
            Some(level) => level,
            None => self
                .levelno
                .filter(|levelno| *levelno != derived.levelno() && record.otlp.is_none())
                .unwrap_or_default(),
        };
    }

    /// The task and its context. A label that names no task stays visible among the fields, with the whole context.
    fn task(&mut self, own: Option<&mut Own>) {
        let Some(context) = self.context.take() else {
            return;
        };
        let label = match context.get("key") {
            Some(Value::Str(label)) => label.as_str(),
            _ => "",
        };
        let ours = own
            .as_ref()
            .and_then(|own| Some((own.trace_id?, own.span_id?, own.parent_span_id)))
            .zip(python::split_label(label));
        let task = match ours {
            Some(((trace_id, span_id, parent_span_id), (number, id))) => {
                let path = id.split_once('/').map_or("", |(_, path)| path).to_owned();
                let (flags, trace_state) = own
                    .as_ref()
                    .map(|own| (own.flags, own.trace_state.clone()))
                    .unwrap_or_default();
                Some((
                    number,
                    Task {
                        trace_id,
                        span_id,
                        parent_span_id,
                        path,
                        flags,
                        trace_state,
                        context: Map::new(),
                    },
                ))
            }
            None => python::label(label).map(|(number, id)| (number, Task::from(&id))),
        };
        let Some((number, mut task)) = task else {
            self.odd.push(("context".to_owned(), context.into()));
            return;
        };
        let entries = context.into_iter().filter(|(name, _)| name != "key");
        task.context = match own {
            Some(own) => Map::from_iter(mark_text(
                entries
                    .map(|(name, value)| (own_key(name), value))
                    .collect(),
                &own.context_text,
            )),
            None => Map::from_iter(entries),
        };
        self.record.number = number;
        self.record.task = Some(task);
    }

    fn error(&mut self, own: Option<&mut Own>) {
        let exc_text = std::mem::take(&mut self.exc_text);
        self.record.error = match own {
            Some(own) => match own.error.take() {
                Some((mut error, traceback)) => {
                    error.traceback = if traceback { exc_text } else { String::new() };
                    Some(error)
                }
                None => (!exc_text.is_empty()).then(|| python::error(exc_text)),
            },
            None => (!exc_text.is_empty()).then(|| python::error(python::exc_text(exc_text))),
        };
    }
}
