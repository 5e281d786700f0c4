//! Which records a query is about.

use std::ops::Range;

use distlog_proto::wire::{Parts, SourceRef};
use distlog_proto::{Kind, Outcome, RecordRef, Severity};
use distlog_rules::Condition;
use distlog_store::{BlockSummary, Rows, TextPart};

use super::cursor::Window;
use super::only::Only;
use super::phrase::Phrase;
use super::scan::Place;
use super::time::is_within;
use crate::storage::{Numbering, Scope};

/// However a task ends.
const ANY_END: [Outcome; 6] = [
    Outcome::Unset,
    Outcome::Ok,
    Outcome::Success,
    Outcome::Failed,
    Outcome::Lost,
    Outcome::Cancelled,
];

/// Which records a query is about: all that meet every test. The default meets all records.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Positions, and a place that all stand before.
    pub window: Window,
    /// Not older than this, in ns since the epoch.
    pub from: u64,
    /// Older than this; `u64::MAX`: there is no end.
    pub to: u64,
    /// Of this service.
    pub service: Option<String>,
    /// At least as severe.
    pub severity: Severity,
    /// Having all these phrases.
    pub phrases: Vec<Phrase>,
    /// Meeting this condition.
    pub condition: Option<Condition>,
    /// Only blocks, or records, of one kind.
    pub only: Only,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter {
            window: Window::ALL,
            from: 0,
            to: u64::MAX,
            service: None,
            severity: Severity::UNSET,
            phrases: Vec::new(),
            condition: None,
            only: Only::All,
        }
    }
}

impl Filter {
    /// What of it a storage may use to hand over less.
    pub(super) fn scope(&self) -> Scope {
        let before = self.window.before.time.saturating_add(1);
        Scope {
            positions: self.window.numbers.clone(),
            from: self.from,
            to: self.to.min(before),
            service: self.service.clone(),
            severity: self.least_severity(),
            words: self.words().map(str::to_owned).collect(),
        }
    }

    /// The same for records of a storage that numbers them so.
    pub(super) fn numbered(mut self, numbering: Numbering) -> Filter {
        if numbering == Numbering::Time {
            let times = std::mem::replace(&mut self.window.numbers, Window::ALL.numbers);
            self.from = self.from.max(times.start);
            self.to = self.to.min(times.end);
        }
        self
    }

    /// The parts of records that it looks at.
    pub(super) fn parts(&self) -> Parts {
        if !self.phrases.is_empty() {
            return Parts::ALL;
        }
        let mut parts = Parts::default();
        if self.severity > Severity::UNSET {
            parts.add_severity();
        }
        if let Some(condition) = &self.condition {
            parts.add_all(condition.parts());
        }
        self.only.add_parts(&mut parts);
        parts
    }

    /// No record that is less severe passes.
    pub(super) fn least_severity(&self) -> Severity {
        let condition = self.condition.as_ref().map(Condition::least_severity);
        self.severity.max(condition.unwrap_or_default())
    }

    /// Whether only ends of tasks pass.
    fn is_of_ends(&self) -> bool {
        let condition = self.condition.as_ref();
        condition.and_then(Condition::kind) == Some(Kind::End)
    }

    /// Those that are read of a block where it is known which they are; others of them may be there, too.
    pub(super) fn rows(&self) -> Rows<'_> {
        match self.only.rows() {
            Rows::All if self.is_of_ends() => Rows::Ended(&ANY_END),
            rows => rows,
        }
    }

    /// Whether a block may hold a record that passes, by what is known of it.
    pub(super) fn may_pass(&self, block: &BlockSummary) -> bool {
        let least = self.least_severity();
        *block.times.end() >= self.from
            && is_within(*block.times.start(), 0, self.to)
            && *block.times.start() <= self.window.before.time
            && self.only.may_pass(block)
            && (block.ended() > 0 || !self.is_of_ends())
            && block.counts().is_none_or(|mut counts| {
                counts.any(|(service, severity, _)| {
                    // A program without the name of a service may be that of its process.
                    let named = |name| service == name || service.is_empty();
                    severity >= least && self.service.as_deref().is_none_or(named)
                })
            })
    }

    /// Whether the times of all records of a block pass.
    pub(super) fn takes_times_of(&self, block: &BlockSummary) -> bool {
        let before = self.window.before;
        self.from <= *block.times.start()
            && is_within(*block.times.end(), 0, self.to)
            && (*block.times.end() < before.time || before == Place::LAST)
    }

    /// Whether all records of a block pass that are at least as severe as [`Filter::least_severity`].
    pub(super) fn is_of_severity(&self, block: &BlockSummary, numbers: &Range<u64>) -> bool {
        let condition = self.condition.as_ref();
        self.takes_all_places(block, numbers)
            && self.service.is_none()
            && self.phrases.is_empty()
            && self.only == Only::All
            && condition.is_none_or(|condition| condition.asked_severity().is_some())
    }

    /// Whether the places of all records of a block pass.
    fn takes_all_places(&self, block: &BlockSummary, numbers: &Range<u64>) -> bool {
        self.window.numbers.start <= numbers.start
            && numbers.end <= self.window.numbers.end
            && self.takes_times_of(block)
    }

    /// How many records of a block pass, by service and severity, where what is known of it is enough to tell.
    pub(super) fn counts<'b>(
        &'b self,
        block: &'b BlockSummary,
        numbers: &Range<u64>,
    ) -> Option<impl Iterator<Item = (&'b str, Severity, u32)>> {
        let all = self.takes_all_places(block, numbers)
            && self.phrases.is_empty()
            && self.condition.is_none()
            && self.only == Only::All;
        // A program without the name of a service may be that of its process.
        let unnamed = |service: &str| self.service.is_some() && service.is_empty();
        if !all || block.counts()?.any(|(service, ..)| unnamed(service)) {
            return None;
        }
        let counts = block.counts()?;
        Some(counts.filter(|(service, severity, _)| {
            *severity >= self.severity && self.service.as_deref().is_none_or(|s| s == *service)
        }))
    }

    /// The words that each record has that passes, in lowercase.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.phrases.iter().flat_map(Phrase::whole_words)
    }

    /// Parts of texts that each record has that passes.
    pub(super) fn texts(&self) -> Vec<TextPart> {
        let parts = self.phrases.iter().filter_map(Phrase::stored);
        parts.cloned().collect()
    }

    /// Whether a batch may hold a record that passes, by its bytes.
    pub(super) fn may_pass_in(&self, batch: &[u8]) -> bool {
        self.phrases.iter().all(|phrase| phrase.may_be_in(batch))
    }

    /// Whether records of that source may pass.
    pub(super) fn takes_source(&self, source: &SourceRef<'_>) -> bool {
        // As people see it: a program without the name of a service is that of its process.
        self.service.as_deref().is_none_or(|service| {
            service == source.service
                || (source.service.is_empty() && service == source.process_name)
        })
    }

    /// Whether a record at a place may pass.
    pub(super) fn takes_place(&self, place: Place) -> bool {
        self.window.numbers.contains(&place.number)
            && place < self.window.before
            && is_within(place.time, self.from, self.to)
    }

    /// Whether a record, of a source and at a place that may, passes.
    pub(super) fn takes(&self, record: &RecordRef<'_>) -> bool {
        record.severity >= self.severity
            && self.only.takes(record)
            && self.phrases.iter().all(|phrase| phrase.is_in(record))
            && self
                .condition
                .as_ref()
                .is_none_or(|condition| condition.matches(record))
    }
}
