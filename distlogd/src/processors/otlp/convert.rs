//! Records become spans and log records, and those requests.

use std::sync::Arc;

use distlog_bridge::{OpenSpan, Origin, Recent, Request, put_log_record};
use distlog_proto::{Kind, RecordRef};

use super::answer::Failure;
use super::complete_span::{CompleteSpan, EarlyLogs};
use super::config::{Config, Events};
use super::find::{FindError, FindTask};
use super::open_tasks::{Key, OpenTasks};
use super::outbox::Outbox;
use crate::processor::Converted;
use crate::rpc::Signal;
use crate::self_telemetry::OtlpCounters;

/// Bytes of one request: receivers by gRPC commonly refuse more than 4 MiB.
const MAX_REQUEST_BYTES: usize = 7 << 19;
/// Spans or log records of one request.
pub(crate) const MAX_REQUEST_ITEMS: usize = 2048;

/// Records become requests.
pub(super) struct Convert {
    open: OpenTasks,
    /// A span that came by OTLP, of which the next records are the events and the end.
    whole: Option<CompleteSpan>,
    early: EarlyLogs,
    find: Box<dyn FindTask>,
    spans: Request,
    logs: Request,
    ways: Ways,
    pub(super) counters: Arc<OtlpCounters>,
}

/// What becomes of events.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    configured: Events,
    /// The receiver takes no log records.
    logs_refused: bool,
    /// The receiver takes log records.
    logs_taken: bool,
}

impl Ways {
    /// Whether an event is one of its span. What came as such by OTLP leaves as such, unless configured otherwise.
    fn to_span(self, record: &RecordRef<'_>) -> bool {
        match self.configured {
            Events::Auto => self.logs_refused || record.otlp().is_some_and(|otlp| otlp.span_event),
            Events::Logs => false,
            Events::Span | Events::Both => true,
        }
    }

    fn is_open_whether_logs_are_taken(self) -> bool {
        self.configured == Events::Auto && !self.logs_refused && !self.logs_taken
    }

    /// Whether it is a log record.
    fn to_log(self, record: &RecordRef<'_>) -> bool {
        match self.configured {
            Events::Auto => !self.to_span(record),
            Events::Logs | Events::Both => true,
            Events::Span => false,
        }
    }

    /// Whether it is a log record that has to be encoded. What came by OTLP leaves as it came.
    pub(super) fn encodes(self, record: &RecordRef<'_>) -> bool {
        record.kind == Kind::Event && !record.is_by_otlp() && self.to_log(record)
    }

    /// Encodes log records; for other records there is nothing.
    pub(super) fn encode_logs(self, records: &[RecordRef<'_>], to: &mut Converted) {
        for record in records {
            to.add(record, |out| {
                if self.encodes(record) {
                    put_log_record(out, record);
                }
            });
        }
    }
}

impl Convert {
    pub(super) fn new(
        config: &Config,
        find: Box<dyn FindTask>,
        counters: Arc<OtlpCounters>,
    ) -> Convert {
        Convert {
            open: OpenTasks::new(config.open_tasks),
            whole: None,
            early: EarlyLogs::default(),
            find,
            spans: Request::new(MAX_REQUEST_BYTES),
            logs: Request::new(MAX_REQUEST_BYTES),
            ways: Ways {
                configured: config.events,
                logs_refused: false,
                logs_taken: false,
            },
            counters,
        }
    }

    /// Forgets what is not flushed: it is presented again.
    pub(super) fn abandon(&mut self) {
        self.whole = None;
        self.early.abandon();
        self.spans = Request::new(MAX_REQUEST_BYTES);
        self.logs = Request::new(MAX_REQUEST_BYTES);
    }

    /// Everything is flushed.
    pub(super) fn settle(&mut self) {
        self.open.settle();
        self.early.settle();
        self.interrupt();
    }

    /// Whether what becomes of events depends on the receiver.
    pub(super) fn adapts(&self) -> bool {
        self.ways.configured == Events::Auto
    }

    /// The receiver takes no log records. Whether that is news.
    pub(super) fn refuse_logs(&mut self) -> bool {
        // Tasks that have begun look for the events that they now need in the store.
        self.open.clear();
        !std::mem::replace(&mut self.ways.logs_refused, true)
    }

    /// What becomes of events from now on.
    pub(super) fn ways(&self) -> Ways {
        self.ways
    }

    /// Takes a record; `log` is its log record, where that was encoded before.
    pub(super) fn take<'a>(
        &mut self,
        record: &RecordRef<'a>,
        log: &[u8],
        origins: &mut Recent<'_, 'a>,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        match record.kind {
            Kind::Begin => self.begin(record, origins),
            Kind::Bind => {
                if let Some(whole) = self.whole_of(record) {
                    whole.span.bind(record);
                } else if let Some(task) = Key::of(record).and_then(|key| self.open.get(&key))
                    && task.takes(record.store_number)
                {
                    task.span.bind(record);
                }
            }
            Kind::Event => {
                let ways = self.ways;
                if ways.to_span(record) {
                    self.event(record);
                }
                if ways.to_log(record) {
                    let origin = origins.of(record);
                    while !self.logs.push_with(&origin, |out| match log {
                        b"" => put_log_record(out, record),
                        log => out.extend_from_slice(log),
                    }) {
                        self.send(Signal::Logs, outbox)?;
                    }
                    if self.logs.items() >= MAX_REQUEST_ITEMS {
                        self.send(Signal::Logs, outbox)?;
                    }
                }
            }
            Kind::End => return self.end(record, origins, outbox),
        }
        Ok(())
    }

    fn begin<'a>(&mut self, record: &RecordRef<'a>, origins: &mut Recent<'_, 'a>) {
        let Some(key) = Key::of(record) else { return };
        if record.is_by_otlp()
            && let Some(span) = OpenSpan::begin(record)
        {
            self.interrupt();
            self.whole = Some(CompleteSpan {
                key,
                number: record.store_number,
                span,
                origin: origins.of(record),
            });
            return;
        }
        // Presented again, or a repeated begin: the first one counts.
        if self.open.get(&key).is_none()
            && let Some(span) = OpenSpan::begin(record)
        {
            self.open
                .insert(key, record.store_number, span, origins.of(record));
        }
    }

    /// The span that is coming whole, if the record is one of it.
    fn whole_of(&mut self, record: &RecordRef<'_>) -> Option<&mut CompleteSpan> {
        let key = Key::of(record)?;
        self.whole.as_mut().filter(|whole| whole.key.takes(&key))
    }

    /// It does not come whole: its begin is flushed and will not be presented again, or others come in between.
    fn interrupt(&mut self) {
        if let Some(whole) = self.whole.take()
            && self.open.get(&whole.key).is_none()
        {
            let CompleteSpan {
                key,
                number,
                span,
                origin,
            } = whole;
            self.open.insert(key, number, span, origin);
        }
    }

    /// Adds the log records that came before their span, from the store.
    fn add_early(&mut self, whole: &mut CompleteSpan, end: &RecordRef<'_>) -> Result<(), Failure> {
        if !self.early.place(&whole.key.ids) {
            return Ok(());
        }
        let (ways, begin) = (self.ways, whole.number);
        let mut take = |record: &RecordRef<'_>| {
            let early = record.store_number < begin && end.store_number != 0;
            let is_log = record.kind == Kind::Event && record.run() == 0;
            if early && is_log && ways.to_span(record) {
                whole.span.event(record);
            }
        };
        self.find
            .find(whole.key.ids.0, whole.key.ids.1, &mut take)
            .map_err(|error| not_found(&error))
    }

    fn event(&mut self, record: &RecordRef<'_>) {
        if let Some(whole) = self.whole_of(record) {
            return whole.span.event(record);
        }
        let Some(key) = Key::of(record) else {
            self.counters.unplaced_events.inc();
            return;
        };
        let Some(task) = self.open.get(&key) else {
            // Those of other tasks are looked up when the task ends in any case.
            if record.is_by_otlp() && key.run == 0 {
                let forgotten = self.early.note(key.ids, record.store_number);
                self.counters.unplaced_events.inc_by(forgotten);
            }
            return;
        };
        if task.takes(record.store_number) {
            let before = task.span.event_bytes();
            task.span.event(record);
            let grown = task.span.event_bytes() - before;
            self.open.grew(&key, grown);
        } else if task.ended.is_some_and(|end| end < record.store_number) {
            self.counters.unplaced_events.inc();
        }
    }

    fn end<'a>(
        &mut self,
        record: &RecordRef<'a>,
        origins: &mut Recent<'_, 'a>,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        let Some(key) = Key::of(record) else {
            return Ok(());
        };
        if let Some(mut whole) = self.whole.take_if(|whole| whole.key.takes(&key)) {
            self.add_early(&mut whole, record)?;
            whole.span.end(record);
            while !self
                .spans
                .push_with(&whole.origin, |out| whole.span.put(out))
            {
                self.send(Signal::Traces, outbox)?;
            }
            return self.send_full(outbox);
        }
        if self.open.get(&key).is_none() && !self.look_up(&key, record, origins)? {
            self.counters.repeated_ends.inc();
            return Ok(());
        }
        let Some(task) = self.open.get(&key) else {
            return Ok(());
        };
        match task.ended {
            None => {
                task.span.end(record);
                self.open.end(&key, record.store_number);
            }
            // Presented again, since it did not arrive.
            Some(number) if number == record.store_number && number != 0 => {}
            Some(_) => {
                self.counters.repeated_ends.inc();
                return Ok(());
            }
        }
        while let Some(task) = self.open.get(&key) {
            if self.spans.push_with(&task.origin, |out| task.span.put(out)) {
                break;
            }
            self.send(Signal::Traces, outbox)?;
        }
        self.send_full(outbox)
    }

    fn send_full(&mut self, outbox: &mut Outbox) -> Result<(), Failure> {
        if self.spans.items() >= MAX_REQUEST_ITEMS {
            self.send(Signal::Traces, outbox)?;
        }
        Ok(())
    }

    /// Sends what there is of a signal.
    pub(super) fn send(&mut self, signal: Signal, outbox: &mut Outbox) -> Result<(), Failure> {
        if self.ways.is_open_whether_logs_are_taken() && !self.logs.is_empty() {
            // Spans wait for the answer: if it is no, they have events that they would not have otherwise.
            submit(outbox, Signal::Logs, &mut self.logs)?;
            outbox.wait_for_all()?;
            self.ways.logs_taken = true;
        }
        match signal {
            Signal::Traces => submit(outbox, signal, &mut self.spans),
            Signal::Logs => submit(outbox, signal, &mut self.logs),
        }
    }

    /// Gets a task, up to this end of it, from the store. False if it had ended before.
    fn look_up<'a>(
        &mut self,
        key: &Key,
        end: &RecordRef<'a>,
        origins: &mut Recent<'_, 'a>,
    ) -> Result<bool, Failure> {
        self.counters.store_lookups.inc();
        let mut found: Option<(OpenSpan, Origin)> = None;
        let mut ended = false;
        let ways = self.ways;
        let mut take = |record: &RecordRef<'_>| {
            let is_later = end.store_number != 0 && record.store_number >= end.store_number;
            if is_later || !Key::of(record).is_some_and(|other| key.takes(&other) || key.run == 0) {
                return;
            }
            match (record.kind, &mut found) {
                (Kind::Begin, None) => {
                    found = OpenSpan::begin(record).map(|span| (span, origins.of_another(record)))
                }
                (Kind::Bind, Some((span, _))) => span.bind(record),
                (Kind::Event, Some((span, _))) if ways.to_span(record) => span.event(record),
                (Kind::End, _) => ended = true,
                _ => {}
            }
        };
        self.find
            .find(key.ids.0, key.ids.1, &mut take)
            .map_err(|error| not_found(&error))?;
        if ended {
            return Ok(false);
        }
        // Without a begin anywhere its end still tells most.
        let found =
            found.or_else(|| OpenSpan::without_begin(end).map(|span| (span, origins.of(end))));
        if let Some((span, origin)) = found {
            self.open.insert(*key, end.store_number, span, origin);
        }
        Ok(true)
    }
}

fn submit(outbox: &mut Outbox, signal: Signal, request: &mut Request) -> Result<(), Failure> {
    if request.is_empty() {
        return Ok(());
    }
    let items = request.items();
    outbox.submit(signal, items, request.finish())
}

fn not_found(error: &FindError) -> Failure {
    Failure::Retry {
        reason: format!("a task cannot be looked up in the store: {error}"),
        after: None,
    }
}
