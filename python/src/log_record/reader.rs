//! Makes a record of a dictionary, entry by entry.

use std::borrow::Cow;

use super::own::{Own, mark_text, own_key};
use super::python;
use super::typed::{i64, map, seconds, set, string, u32, u64};
use distlog_proto::Severity;
use distlog_proto::Topic;
use distlog_proto::{Callsite, Kind, Outcome, Record, Source, Task};
use distlog_proto::{Map, Value};

/// Memory of a body that is larger, in bytes, is not kept for the next.
const MAX_KEPT: usize = 64 << 10;

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
///
/// What one record was made of is the memory for the next.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Of the body.
    bytes: usize,
    record: Record,
    has_message: bool,
    /// Text of `msg`, or what stood there instead.
    msg: String,
    odd_msg: Option<Value>,
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
    /// Begins with a message of this topic and size; what was read before is forgotten.
    pub(crate) fn begin(&mut self, topic: Topic, bytes: usize) {
        if self.bytes > MAX_KEPT {
            *self = Reader::default();
        }
        self.bytes = bytes;
        let Reader {
            bytes: _,
            record,
            has_message,
            msg,
            odd_msg,
            levelname,
            levelno,
            filename,
            exc_text,
            context,
            own,
            fields,
            odd,
        } = self;
        clear_record(record);
        (record.source.environment, record.source.channel) = (topic.environment, topic.channel);
        (*has_message, *odd_msg, *levelno) = (false, None, None);
        *levelname = Cow::Borrowed("");
        (*context, *own) = (None, None);
        [msg, filename, exc_text]
            .into_iter()
            .for_each(String::clear);
        [fields, odd].into_iter().for_each(Vec::clear);
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
            "message" => set(&mut self.has_message, value, |v| {
                r.message = string(v)?;
                Ok(true)
            }),
            "msg" => {
                (self.msg, self.odd_msg) = match value {
                    Value::Str(text) => (text, None),
                    Value::Null => (String::new(), None),
                    other => (String::new(), Some(other)),
                };
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

    /// Strings that are copied into the memory that is there, or need not be copied.
    fn known_text(&mut self, name: &str, text: &str) -> bool {
        let record = &mut self.record;
        let place = match name {
            "message" => {
                self.has_message = true;
                &mut record.message
            }
            "msg" => {
                self.odd_msg = None;
                &mut self.msg
            }
            "name" => &mut record.callsite.target,
            "pathname" => &mut record.callsite.file,
            "module" => &mut record.callsite.module,
            "funcName" => &mut record.callsite.function,
            "threadName" => &mut record.thread_name,
            "processName" => &mut record.source.process_name,
            "hostname" => &mut record.source.host,
            "stack_info" => &mut record.stack,
            "exc_text" => &mut self.exc_text,
            _ => return self.derived_text(name, text),
        };
        place.clear();
        place.push_str(text);
        true
    }

    /// Strings that usually follow from others.
    fn derived_text(&mut self, name: &str, text: &str) -> bool {
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

    /// All entries were taken: the record.
    pub(crate) fn finish(&mut self) -> &mut Record {
        let mut own = self
            .own
            .take()
            .map(|entries| Own::read(entries, &mut self.record));
        self.text(own.as_ref());
        self.severity(own.as_ref());
        if self.record.callsite.file.is_empty() {
            self.record.callsite.file.push_str(&self.filename);
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
        let mut fields = std::mem::take(&mut self.fields);
        if let Some(own) = own {
            fields = mark_text(fields, &own.text);
            if !own.odd.is_empty() {
                self.odd
                    .push(("distlog".to_owned(), Map::from_iter(own.odd).into()));
            }
        }
        fields.append(&mut self.odd);
        self.record.fields = Map::from_iter(fields);
        &mut self.record
    }

    /// Message and template.
    fn text(&mut self, own: Option<&Own>) {
        if let Some(odd) = self.odd_msg.take() {
            self.odd.push(("msg".to_owned(), odd));
        }
        let (record, msg) = (&mut self.record, &mut self.msg);
        match own {
            _ if !self.has_message => record.message.push_str(msg),
            Some(own) if !own.literal && *msg == record.message => msg.clear(),
            Some(_) => {}
            None => {
                if let Some(message) = python::message(&record.message, msg) {
                    record.message = message;
                }
            }
        }
        // It is empty: memory for the next one.
        std::mem::swap(&mut record.callsite.template, msg);
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
        let Some(mut context) = self.context.take() else {
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
        context.remove("key");
        task.context = match own {
            Some(own) => {
                let entries = context.into_iter();
                let entries = entries.map(|(name, value)| (own_key(name), value));
                Map::from_iter(mark_text(entries.collect(), &own.context_text))
            }
            None => context,
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

/// Makes a record an empty one that keeps its memory.
fn clear_record(record: &mut Record) {
    let Record {
        source,
        callsite,
        offset,
        kind,
        time,
        observed_time,
        severity,
        severity_text,
        message,
        task,
        number,
        thread_id,
        thread_name,
        fields,
        outcome,
        duration,
        error,
        stack,
        links,
        span_kind,
        status_code,
        status_message,
        name,
        otlp,
        level,
    } = record;
    clear_source(source);
    clear_callsite(callsite);
    [
        severity_text,
        message,
        thread_name,
        stack,
        status_message,
        name,
    ]
    .into_iter()
    .for_each(String::clear);
    [offset, time, observed_time, number, thread_id, duration]
        .into_iter()
        .for_each(|number| *number = 0);
    (*kind, *outcome, *span_kind) = Default::default();
    (*severity, *status_code, *level) = Default::default();
    (*task, *error, *otlp, *fields) = Default::default();
    links.clear();
}

fn clear_source(source: &mut Source) {
    let Source {
        producer,
        host,
        process_id,
        process_name,
        service,
        resource,
        schema_url,
        environment,
        channel,
        dropped_attributes,
    } = source;
    [host, process_name, service, schema_url]
        .into_iter()
        .for_each(String::clear);
    (*producer, *process_id, *resource) = Default::default();
    (*environment, *channel, *dropped_attributes) = Default::default();
}

fn clear_callsite(callsite: &mut Callsite) {
    let Callsite {
        severity,
        target,
        file,
        line,
        module,
        function,
        template,
    } = callsite;
    [target, file, module, function, template]
        .into_iter()
        .for_each(String::clear);
    (*severity, *line) = Default::default();
}
