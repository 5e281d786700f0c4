//! Hands each record to both configurations, and counts where they differ.

use std::collections::HashMap;

use distlog_proto::{Record, RecordRef, TraceId};

use super::difference::{Compared, Difference, Example, Sample};
use super::pending::{Pending, Settled};
use super::side::{Gets, Side};
use crate::evaluate::{Evaluated, Evaluator, batch_of, with_record};
use crate::tree::paint::{Colour, Look};
use crate::tree::put_line;

/// Trees that wait with an example, some 300 bytes each. Of others only counts are kept.
const MAX_SAMPLES: usize = 1 << 14;
/// Longest text that says what changed, in characters.
const MAX_CHANGED: usize = 200;

/// Two configurations over the same records.
pub(crate) struct Comparison {
    /// The old one, and the new one.
    pub(super) sides: [Side; 2],
    pub(super) processors: Vec<Compared>,
    /// By processor and trace.
    pending: HashMap<(usize, TraceId), Pending>,
    pub(super) records: u64,
    /// The earliest and the latest time of a record, in ns since the epoch.
    pub(super) times: Option<(u64, u64)>,
    /// Trees that had not ended when nothing came any more.
    pub(super) unended: usize,
    /// Both have the same rules of the intake, which the records went through: they are passed over.
    pub(super) same_intake: bool,
    /// Of each kind of difference.
    max_examples: usize,
    look: Look,
}

impl Comparison {
    /// `max_examples`: of each kind of difference of each processor. `now`: in ns since the epoch; records of later
    /// times count as of now.
    pub(crate) fn new(
        [old, new]: [(&crate::config::Config, String); 2],
        max_examples: usize,
        now: u64,
    ) -> Comparison {
        let same_intake = old.0.intake == new.0.intake;
        let sides = [old, new].map(|(config, file)| {
            let evaluator = Evaluator::new(config, now);
            let evaluator = match same_intake {
                true => evaluator.without_intake(),
                false => evaluator,
            };
            Side::new(evaluator, file)
        });
        let mut names: Vec<String> = Vec::new();
        for side in &sides {
            for destination in side.evaluator.destinations() {
                if !names.contains(&destination.name) {
                    names.push(destination.name.clone());
                }
            }
        }
        let compared = |name: String| {
            let [old, new] = [0, 1].map(|side| sides[side].processor(&name));
            let changes = |side: usize, at: Option<usize>| {
                at.is_some_and(|at| sides[side].evaluator.destinations()[at].changes())
            };
            Compared {
                can_change: !same_intake || changes(0, old) || changes(1, new),
                name,
                old,
                new,
                ..Compared::default()
            }
        };
        Comparison {
            processors: names.into_iter().map(compared).collect(),
            sides,
            pending: HashMap::new(),
            records: 0,
            times: None,
            unended: 0,
            same_intake,
            max_examples,
            look: Look {
                colour: Colour::Off,
                full: false,
                now,
            },
        }
    }

    /// How many records were compared, and for how many processors they differ.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let differ = self.processors.iter();
        let differ = differ.map(|one| one.gained.records + one.lost.records + one.changed.records);
        (self.records, differ.sum())
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, record: &Record) {
        self.records += 1;
        if record.time > 0 {
            let (first, last) = self.times.unwrap_or((record.time, record.time));
            self.times = Some((first.min(record.time), last.max(record.time)));
        }
        let batch = batch_of(record);
        let [old, new] = &mut self.sides;
        let evaluated = [old.take(batch.clone()), new.take(batch.clone())];
        self.note_judged();
        let trace = record.task.as_ref().map(|task| task.trace_id);
        for at in 0..self.processors.len() {
            let numbers = [self.processors[at].old, self.processors[at].new];
            let found = [0, 1].map(|side| self.sides[side].gets(&evaluated[side], numbers[side]));
            let (gets, reasons) = (found.map(|(gets, _)| gets), found.map(|(_, reason)| reason));
            if gets == [Gets::No; 2] {
                continue;
            }
            let changed = match gets.contains(&Gets::No) || !self.processors[at].can_change {
                true => None,
                false => self.changed(at, &evaluated),
            };
            let is_changed = changed.is_some();
            let look = self.look;
            let sample = || sample(&batch, look, reasons, changed);
            match trace.filter(|_| gets.contains(&Gets::Waits)) {
                Some(trace) => {
                    let may_keep = self.pending.len() < MAX_SAMPLES;
                    let pending = self.pending.entry((at, trace)).or_default();
                    pending.add(gets, is_changed, || sample().filter(|_| may_keep));
                }
                None => {
                    let sent = gets.map(|gets| gets == Gets::Yes);
                    let wants = self.wants_example(at, sent, is_changed);
                    self.settle(
                        at,
                        Settled {
                            sent,
                            records: 1,
                            changed: u64::from(is_changed),
                            sample: wants.then(sample).flatten(),
                        },
                    );
                }
            }
        }
    }

    /// Nothing comes any more: trees that wait are decided.
    pub(crate) fn finish(&mut self) {
        self.unended = self
            .sides
            .iter()
            .map(|side| side.evaluator.open())
            .max()
            .unwrap_or(0);
        self.sides
            .iter_mut()
            .for_each(|side| side.evaluator.finish());
        self.note_judged();
        for ((at, _), pending) in std::mem::take(&mut self.pending) {
            pending
                .settle()
                .for_each(|settled| self.settle(at, settled));
        }
    }

    /// Settles the trees that were decided.
    fn note_judged(&mut self) {
        for side in 0..2 {
            for (number, judged) in self.sides[side].evaluator.judged() {
                let is_it = |one: &Compared| [one.old, one.new][side] == Some(number);
                let Some(at) = self.processors.iter().position(is_it) else {
                    continue;
                };
                let key = (at, judged.trace);
                let Some(pending) = self.pending.get_mut(&key) else {
                    continue;
                };
                pending.decide(side, judged.passes);
                if pending.is_decided()
                    && let Some(pending) = self.pending.remove(&key)
                {
                    pending
                        .settle()
                        .for_each(|settled| self.settle(at, settled));
                }
            }
        }
    }

    fn wants_example(&self, at: usize, sent: [bool; 2], changed: bool) -> bool {
        let compared = &self.processors[at];
        let of = match sent {
            [false, true] => &compared.gained,
            [true, false] => &compared.lost,
            _ if changed => &compared.changed,
            _ => return false,
        };
        of.examples.len() < self.max_examples
    }

    fn settle(&mut self, at: usize, settled: Settled) {
        let Settled {
            sent,
            records,
            changed,
            sample,
        } = settled;
        let processor = &self.processors[at].name;
        let max = self.max_examples;
        let example = sample.map(|sample| {
            let Sample {
                record,
                id,
                reasons,
                changed,
            } = *sample;
            let words = |side: usize| self.sides[side].words(reasons[side], processor, sent[side]);
            let (old, mut new) = (words(0), words(1));
            if let (Some(changed), [true, true]) = (changed, sent) {
                new = format!("{new}: {changed}");
            }
            Example {
                record,
                id,
                old,
                new,
            }
        });
        let compared = &mut self.processors[at];
        let mut add = |difference: fn(&mut Compared) -> &mut Difference, records: u64, example| {
            let difference = difference(compared);
            difference.records += records;
            if difference.examples.len() < max {
                difference.examples.extend(example);
            }
        };
        match sent {
            [false, true] => add(|one| &mut one.gained, records, example),
            [true, false] => add(|one| &mut one.lost, records, example),
            [true, true] if changed > 0 => add(|one| &mut one.changed, changed, example),
            _ => {}
        }
        for (sum, sent) in compared.sent.iter_mut().zip(sent) {
            *sum += if sent { records } else { 0 };
        }
    }

    /// What differs in a record as it leaves for a processor; `None`: nothing.
    fn changed(&self, at: usize, evaluated: &[Evaluated; 2]) -> Option<String> {
        let compared = &self.processors[at];
        let numbers = [compared.old?, compared.new?];
        let [old, new] = [0, 1].map(|side| {
            let destination = &self.sides[side].evaluator.destinations()[numbers[side]];
            destination.outgoing(&evaluated[side].stored)
        });
        let (old, new) = (old?, new?);
        (old != new).then(|| in_words(&old, &new))
    }
}

/// A record as an example.
fn sample(
    batch: &[u8],
    look: Look,
    reasons: [super::side::Reason; 2],
    changed: Option<String>,
) -> Option<Box<Sample>> {
    with_record(batch, |record| {
        let mut line = String::new();
        put_line(&mut line, look, &record);
        Box::new(Sample {
            record: line
                .lines()
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned(),
            id: id_of(&record),
            reasons,
            changed,
        })
    })
}

fn id_of(record: &RecordRef<'_>) -> String {
    match &record.task {
        None => String::new(),
        Some(task) if task.path.is_empty() => task.trace_id.to_string(),
        Some(task) => format!("{}/{}", task.trace_id, task.path),
    }
}

/// What differs between two forms of a record.
fn in_words(old: &Record, new: &Record) -> String {
    let mut words = Vec::new();
    if old.message != new.message {
        words.push(format!("message {:?} → {:?}", old.message, new.message));
    }
    if old.severity != new.severity {
        let [old, new] = [old, new].map(|record| record.severity.number());
        words.push(format!("severity {old} → {new}"));
    }
    let context = |record: &Record| record.task.as_ref().map(|task| task.context.clone());
    let maps = [
        ("fields", Some(old.fields.clone()), Some(new.fields.clone())),
        ("context", context(old), context(new)),
        (
            "resource",
            Some(old.source.resource.clone()),
            Some(new.source.resource.clone()),
        ),
    ];
    for (whose, old, new) in maps {
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let names = old.iter().chain(new.iter()).map(|(name, _)| name);
        let mut differ: Vec<&str> = names
            .filter(|name| old.get(name) != new.get(name))
            .collect();
        differ.sort_unstable();
        differ.dedup();
        words.extend(
            differ
                .iter()
                .map(|name| match (old.get(name), new.get(name)) {
                    (None, _) => format!("{whose}.{name} is set"),
                    (_, None) => format!("{whose}.{name} is gone"),
                    _ => format!("{whose}.{name} differs"),
                }),
        );
    }
    let state = |record: &Record| record.task.as_ref().map(|task| task.trace_state.clone());
    if state(old) != state(new) {
        words.push("its tracestate differs".to_owned());
    }
    if words.is_empty() {
        words.push("another part of it differs".to_owned());
    }
    let words = words.join(", ");
    match words.char_indices().nth(MAX_CHANGED) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
