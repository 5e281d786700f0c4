//! Which rows of a block may be wanted, by a few of its columns.

use hashbrown::HashSet;

use distlog_proto::wire::field::{OTLP_TRACE_ID, batch, record, task};
use distlog_proto::wire::scan::{DecodeError, Scan};
use distlog_proto::{Kind, Outcome, Severity, TraceId};

use super::block::{Block, Values};
use super::body::Body;
use super::canonical::{BYTES, FIXED64, VARINT};
use super::shape::{ColumnKey, Message, NO_NAME, Step};
use super::stream::Unpack;
use super::texts::Column;

const KIND: u32 = record::KIND << 3 | VARINT;
pub(super) const CALLSITE: u32 = record::CALLSITE << 3 | VARINT;
const SEVERITY: u32 = record::SEVERITY << 3 | VARINT;
const OUTCOME: u32 = record::OUTCOME << 3 | VARINT;
const TRACE_ID: u32 = task::TRACE_ID << 3 | BYTES;
const ONLY_TRACE_ID: u32 = OTLP_TRACE_ID << 3 | BYTES;
const PARENT_SPAN_ID: u32 = task::PARENT_SPAN_ID << 3 | FIXED64;
/// Of a callsite.
const ID: u32 = 1;
const LEVEL: u32 = 2;

/// Which records are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows<'s> {
    /// All.
    All,
    /// Ends of tasks in one of these ways, and begins of tasks that have none above.
    Ended(&'s [Outcome]),
    /// Those of some traces, records without a task included that only name their trace.
    OfTraces(&'s [TraceId]),
    /// Begins and ends of the tasks of some traces.
    TasksOf(&'s [TraceId]),
}

impl Rows<'_> {
    /// Whether a record may be wanted, by its bytes.
    pub(in super::super) fn may_have(self, bytes: &[u8]) -> bool {
        let may_have = match self {
            Rows::All => Ok(true),
            Rows::Ended(outcomes) => ends(bytes, outcomes),
            Rows::OfTraces(traces) => names(bytes, traces, false),
            Rows::TasksOf(traces) => names(bytes, traces, true),
        };
        // Who reads it meets the error, too.
        may_have.unwrap_or(true)
    }
}

/// Whether a record ends a task in one of these ways, or begins one.
fn ends(bytes: &[u8], outcomes: &[Outcome]) -> Result<bool, DecodeError> {
    let (mut kind, mut outcome) = (Kind::Event, Outcome::Unset);
    for item in Scan::new("Record", bytes) {
        let item = item?;
        match item.number {
            record::KIND => kind = Kind::from_number(item.varint()?),
            record::OUTCOME => outcome = Outcome::from_number(item.varint()?),
            _ => {}
        }
    }
    Ok(match kind {
        Kind::Begin => true,
        Kind::End => outcomes.contains(&outcome),
        Kind::Event | Kind::Bind => false,
    })
}

/// Whether a record names one of these traces as its own, and begins or ends a task if that is asked for.
fn names(bytes: &[u8], traces: &[TraceId], bounds: bool) -> Result<bool, DecodeError> {
    let (mut kind, mut named) = (Kind::Event, false);
    for item in Scan::new("Record", bytes) {
        let item = item?;
        match item.number {
            record::KIND => kind = Kind::from_number(item.varint()?),
            record::TASK => {
                for field in Scan::new("Task", item.bytes()?) {
                    let field = field?;
                    named |= field.number == task::TRACE_ID && is_one(field.bytes()?, traces);
                }
            }
            record::OTLP => {
                for field in Scan::new("Otlp", item.bytes()?) {
                    let field = field?;
                    named |= field.number == OTLP_TRACE_ID && is_one(field.bytes()?, traces);
                }
            }
            _ => {}
        }
    }
    Ok(named && (!bounds || is_bound(kind)))
}

fn is_one(trace: &[u8], traces: &[TraceId]) -> bool {
    traces.iter().any(|one| one.to_bytes() == *trace)
}

/// Whether a task begins or ends there.
fn is_bound(kind: Kind) -> bool {
    matches!(kind, Kind::Begin | Kind::End)
}

/// Where the values of a column are, row by row.
pub(super) struct Places {
    pub(super) column: Option<usize>,
    /// How many a record of each shape has.
    pub(super) of_shape: Vec<usize>,
    next: usize,
}

/// Where a row has its value.
enum Place {
    None,
    At(usize),
    /// It has several: who reads it takes the last.
    Several,
}

impl Places {
    /// Of a value in a message, which has this name if the message is a field.
    pub(super) fn of(block: &Block, message: Message, tag: u32, name: u32) -> Places {
        let key = ColumnKey { message, tag, name };
        let column = block.shapes.columns.iter().position(|known| *known == key);
        let is_value = |(step, at): &&(Step, u32)| {
            matches!(step, Step::Value(_)) && column == Some(*at as usize)
        };
        let shapes = block.shapes.shapes.iter();
        Places {
            column,
            of_shape: shapes
                .map(|steps| steps.iter().filter(is_value).count())
                .collect(),
            next: 0,
        }
    }

    /// Of values that are not there.
    pub(super) fn none(block: &Block) -> Places {
        Places {
            column: None,
            of_shape: vec![0; block.shapes.shapes.len()],
            next: 0,
        }
    }

    /// Reads the column.
    fn load(&self, block: &mut Block, body: &mut dyn Body, unpack: &mut Unpack) -> Option<()> {
        self.column
            .map_or(Some(()), |column| block.load(column, body, unpack))
    }

    /// That of the next row, which has a shape.
    fn next(&mut self, shape: usize) -> Option<Place> {
        let count = *self.of_shape.get(shape)?;
        let at = self.next;
        self.next += count;
        Some(match count {
            0 => Place::None,
            1 => Place::At(at),
            _ => Place::Several,
        })
    }

    /// The texts of the column, if it was read.
    pub(super) fn texts<'b>(&self, block: &'b Block) -> Option<&'b Column> {
        match block.columns.get(self.column?)? {
            Values::Texts(texts) => Some(texts),
            Values::Numbers(_) | Values::Unread => None,
        }
    }

    /// The numbers of the column.
    fn numbers<'b>(&self, block: &'b Block) -> Option<&'b [u64]> {
        self.column
            .map_or(Some(&[][..]), |column| block.numbers(column))
    }
}

impl Block {
    /// For each row whether the record may be wanted.
    pub(super) fn rows_of(
        &mut self,
        least: Severity,
        wanted: Rows<'_>,
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<Vec<bool>> {
        // A callsite that stands between records is none.
        let mut rows: Vec<bool> = self.rows.iter().map(|row| *row > 0).collect();
        if least > Severity::UNSET {
            self.keep_severe(least, &mut rows, body, unpack)?;
        }
        match wanted {
            Rows::All => {}
            Rows::Ended(outcomes) => self.keep_ended(outcomes, &mut rows, body, unpack)?,
            Rows::OfTraces(traces) => self.keep_traces(traces, &mut rows, body, unpack)?,
            Rows::TasksOf(traces) => {
                self.keep_bounds(&mut rows, body, unpack)?;
                self.keep_traces(traces, &mut rows, body, unpack)?;
            }
        }
        Some(rows)
    }

    /// For each value of a column whether it stands in one of these rows; `None` where most do.
    pub(super) fn values_in(&self, column: usize, rows: &[bool]) -> Option<Vec<bool>> {
        if rows.iter().filter(|row| **row).count() > rows.len() / 4 {
            return None;
        }
        let key = self.shapes.columns.get(column)?;
        let places = Places::of(self, key.message, key.tag, key.name);
        let mut wanted = Vec::with_capacity(rows.len());
        for (row, kept) in self.rows.iter().zip(rows) {
            if let Some(shape) = row.checked_sub(1) {
                let count = *places.of_shape.get(usize::try_from(shape).ok()?)?;
                wanted.resize(wanted.len() + count, *kept);
            }
        }
        Some(wanted)
    }

    /// Marks the rows that have one of these values of a column.
    pub(super) fn mark(&self, column: usize, values: &[bool], rows: &mut [bool]) -> Option<()> {
        let key = self.shapes.columns.get(column)?;
        let places = Places::of(self, key.message, key.tag, key.name);
        let mut next = 0;
        for (row, marked) in self.rows.iter().zip(rows) {
            if let Some(shape) = row.checked_sub(1) {
                let count = *places.of_shape.get(usize::try_from(shape).ok()?)?;
                *marked |= values.get(next..next + count)?.contains(&true);
                next += count;
            }
        }
        Some(())
    }

    /// Keeps the rows for which `is_wanted` holds, of their shapes.
    fn keep(
        &self,
        rows: &mut [bool],
        mut is_wanted: impl FnMut(usize) -> Option<bool>,
    ) -> Option<()> {
        for (row, kept) in self.rows.iter().zip(rows) {
            if let Some(shape) = row.checked_sub(1) {
                *kept &= is_wanted(usize::try_from(shape).ok()?)?;
            }
        }
        Some(())
    }

    /// The rows of records that are at least so severe, where each says itself how severe it is; `Some(None)` where
    /// one does not.
    pub(super) fn exactly_severe(
        &mut self,
        least: Severity,
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<Option<Vec<bool>>> {
        if least == Severity::UNSET {
            return Some(Some(self.rows.iter().map(|row| *row > 0).collect()));
        }
        let own = Places::of(self, Message::Record, SEVERITY, NO_NAME);
        own.load(self, body, unpack)?;
        let severities = own.numbers(self)?;
        let each_says_it = own.of_shape.iter().all(|count| *count == 1)
            && severities.len() == self.rows.len()
            && severities.iter().all(|own| *own > 0);
        let least = u64::from(least.number());
        Some(each_says_it.then(|| severities.iter().map(|own| *own >= least).collect()))
    }

    fn keep_severe(
        &mut self,
        least: Severity,
        rows: &mut [bool],
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<()> {
        if let Some(severe) = self.exactly_severe(least, body, unpack)? {
            for (row, severe) in rows.iter_mut().zip(severe) {
                *row &= severe;
            }
            return Some(());
        }
        let mut own = Places::of(self, Message::Record, SEVERITY, NO_NAME);
        let mut site = Places::of(self, Message::Record, CALLSITE, NO_NAME);
        site.load(self, body, unpack)?;
        let (severities, callsites) = (own.numbers(self)?, site.numbers(self)?);
        let wanted = u64::from(least.number());
        let severe = self.callsites_of(least)?;
        self.keep(rows, |shape| {
            let own = match own.next(shape)? {
                Place::None => Some(0),
                Place::At(at) => Some(*severities.get(at)?),
                Place::Several => None,
            };
            Some(match (own, site.next(shape)?) {
                (None, _) | (_, Place::Several) => true,
                // It may follow from its text.
                (Some(0), Place::None) => true,
                (Some(0), Place::At(at)) => severe.contains(callsites.get(at)?),
                (Some(own), _) => own >= wanted,
            })
        })
    }

    /// The ids of callsites whose records may be so severe, and of none.
    fn callsites_of(&self, least: Severity) -> Option<HashSet<u64>> {
        let mut severe = HashSet::from([0]);
        let shared = self.heads.iter().chain(self.between.iter());
        for item in shared.flat_map(|bytes| Scan::new("RecordBatch", bytes)) {
            let item = item.ok()?;
            if item.number != batch::CALLSITES {
                continue;
            }
            let (mut id, mut severity) = (0, 0);
            for field in Scan::new("Callsite", item.bytes().ok()?) {
                let field = field.ok()?;
                match field.number {
                    ID => id = field.varint().ok()?,
                    LEVEL => severity = field.u32().ok()?,
                    _ => {}
                }
            }
            if severity == 0 || Severity::new(severity) >= least {
                severe.insert(id);
            }
        }
        Some(severe)
    }

    fn keep_ended(
        &mut self,
        outcomes: &[Outcome],
        rows: &mut [bool],
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<()> {
        let mut kind = Places::of(self, Message::Record, KIND, NO_NAME);
        let mut outcome = Places::of(self, Message::Record, OUTCOME, NO_NAME);
        kind.load(self, body, unpack)?;
        outcome.load(self, body, unpack)?;
        let (kinds, ends) = (kind.numbers(self)?, outcome.numbers(self)?);
        let parents = Places::of(self, Message::Task, PARENT_SPAN_ID, NO_NAME).of_shape;
        let shapes = self.shapes.shapes.iter().zip(parents);
        let has_parent: Vec<bool> = shapes
            .map(|(steps, parents)| {
                parents > 0 || steps.iter().any(|(step, _)| *step == Step::ParentOfPath)
            })
            .collect();
        self.keep(rows, |shape| {
            let (kind, outcome) = (kind.next(shape)?, outcome.next(shape)?);
            let kind = match kind {
                Place::None => Kind::Event,
                Place::At(at) => Kind::from_number(*kinds.get(at)?),
                Place::Several => return Some(true),
            };
            Some(match (kind, outcome) {
                (Kind::End, Place::At(at)) => {
                    outcomes.contains(&Outcome::from_number(*ends.get(at)?))
                }
                (Kind::End, Place::None) => outcomes.contains(&Outcome::Unset),
                (Kind::End, Place::Several) => true,
                (Kind::Begin, _) => !*has_parent.get(shape)?,
                (Kind::Event | Kind::Bind, _) => false,
            })
        })
    }

    fn keep_bounds(
        &mut self,
        rows: &mut [bool],
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<()> {
        let mut kind = Places::of(self, Message::Record, KIND, NO_NAME);
        kind.load(self, body, unpack)?;
        let kinds = kind.numbers(self)?;
        self.keep(rows, |shape| {
            Some(match kind.next(shape)? {
                Place::None => false,
                Place::At(at) => is_bound(Kind::from_number(*kinds.get(at)?)),
                Place::Several => true,
            })
        })
    }

    fn keep_traces(
        &mut self,
        wanted: &[TraceId],
        rows: &mut [bool],
        body: &mut dyn Body,
        unpack: &mut Unpack,
    ) -> Option<()> {
        if !rows.contains(&true) {
            return Some(());
        }
        let mut place = Places::of(self, Message::Task, TRACE_ID, NO_NAME);
        let mut only = Places::of(self, Message::Otlp, ONLY_TRACE_ID, NO_NAME);
        for column in [place.column, only.column].into_iter().flatten() {
            self.load_some(column, Some(rows), body, unpack)?;
        }
        let (of_tasks, of_others) = (place.texts(self), only.texts(self));
        self.keep(rows, |shape| {
            let is_wanted = |place, ids: Option<&Column>| {
                Some(match place {
                    Place::None => false,
                    Place::At(at) => is_one(ids?.get(at)?, wanted),
                    Place::Several => true,
                })
            };
            let of_task = is_wanted(place.next(shape)?, of_tasks)?;
            Some(is_wanted(only.next(shape)?, of_others)? || of_task)
        })
    }
}
