//! What a process does before it is killed, and what must be in its file then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use distlog_proto::wire::{RawBatch, encode};
use distlog_proto::{Callsite, ProducerId, Source};
use distlog_spool::{Dead, SpoolDir};

use super::super::points::{Point, arm};
use super::super::{Reader, Ring};
use super::child::{Ended, fork, wait, witness};

pub(super) const CAPACITY: u64 = 4096;
const SITE: u32 = 7;

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A record of so many bytes is logged.
    Push(usize),
    /// What can be read is read and freed.
    Free,
    /// Another thread reserves room for so many bytes and is not seen again.
    Reserve(usize),
    /// The same, when it wrote everything but the commit word.
    Fill(usize),
}
use Step::*;

/// A committed entry as it must be found.
struct Expected {
    end: u64,
    /// `None`: padding.
    record: Option<Vec<u8>>,
}

/// What the ring must be like.
#[derive(Default)]
struct Model {
    head: u64,
    acked: u64,
    entries: BTreeMap<u64, Expected>,
}

impl Model {
    /// Where a record of `length` bytes goes: padding from the first, the entry from the second to the third.
    fn place(&self, length: usize) -> Option<(u64, u64, u64)> {
        let need = 16 + length.div_ceil(16) as u64 * 16;
        let room = CAPACITY - self.head % CAPACITY;
        let offset = self.head + if room < need { room } else { 0 };
        let fits = length <= 512 && offset + need - self.acked <= CAPACITY;
        fits.then_some((self.head, offset, offset + need))
    }

    fn entry(&mut self, from: u64, end: u64, record: Option<&[u8]>) {
        let record = record.map(<[u8]>::to_vec);
        self.entries.insert(from, Expected { end, record });
    }

    /// `passed`: bits of the points that were passed in this step, and whether it was finished.
    fn step(&mut self, step: Step, record: &[u8], passed: u64, finished: bool) {
        let did = |point: Point| finished || passed & 1 << point as u32 != 0;
        match step {
            Free => {
                let mut to = self.acked;
                while let Some(entry) = self.entries.get(&to) {
                    to = entry.end;
                }
                if did(Point::Acked) {
                    self.acked = to;
                }
            }
            Push(length) | Reserve(length) | Fill(length) => {
                let Some((start, offset, end)) = self.place(length) else {
                    return;
                };
                // The steps of these two are none of the points.
                if matches!(step, Push(_)) && !did(Point::Reserved) {
                    return;
                }
                self.head = end;
                if start < offset && !matches!(step, Reserve(_)) && did(Point::Padded) {
                    self.entry(start, offset, None);
                }
                if matches!(step, Push(_)) && did(Point::Committed) {
                    self.entry(offset, end, Some(record));
                }
            }
        }
    }

    /// Compares with what is found in the file.
    fn check(&self, dead: &Dead) {
        let left: Vec<_> = self.entries.range(self.acked..).collect();
        assert_eq!(dead.acked(), self.acked);
        let end = left.last().map_or(self.acked, |(_, entry)| entry.end);
        assert_eq!(dead.end(), end);
        let mut expected = RawBatch::new(source(dead.producer()));
        for (offset, entry) in &left {
            if let Some(record) = &entry.record {
                let site = |_| Some(callsite());
                assert!(expected.take(**offset, SITE, record, site).is_some());
            }
        }
        let batches: Vec<_> = dead.batches(self.acked).collect();
        match batches.as_slice() {
            [] => assert_eq!(end, self.acked),
            [batch] => {
                assert_eq!((batch.from, batch.to), (self.acked, end));
                assert_eq!(batch.count, expected.records());
                assert_eq!(batch.bytes, expected.bytes(), "byte for byte");
            }
            more => panic!("{} batches for a small ring", more.len()),
        }
    }
}

/// Who logs, as a field of a batch.
pub(super) fn source(producer: ProducerId) -> Vec<u8> {
    let mut out = Vec::new();
    encode::source(
        &mut out,
        &Source {
            producer,
            service: "shop".to_owned(),
            process_id: 4711,
            ..Source::default()
        },
    );
    out
}

pub(super) fn callsite() -> Vec<u8> {
    let mut out = Vec::new();
    let callsite = Callsite {
        target: "shop::orders".to_owned(),
        ..Callsite::default()
    };
    encode::callsite(&mut out, SITE, &callsite, ["a", "b"]);
    out
}

/// A ring in a new file of `dir`.
pub(super) fn spooled(dir: &SpoolDir, capacity: u64) -> (Arc<Ring>, Reader) {
    let producer = ProducerId::random();
    let (ring, reader) =
        Ring::spooled(dir, producer, capacity as usize, &source(producer), true).unwrap();
    ring.keep_callsite(SITE, &callsite()).unwrap();
    (ring, reader)
}

/// What the only dead process in `dir` left.
pub(super) fn the_dead(dir: &SpoolDir) -> Dead {
    let mut dead: Vec<_> = dir.dead().unwrap().collect();
    assert_eq!(dead.len(), 1);
    dead.remove(0).unwrap()
}

fn perform(step: Step, record: &[u8], ring: &Ring, reader: &mut Reader) {
    match step {
        Push(_) => {
            let _ = ring.push(SITE, record);
        }
        Free => {
            while reader.next(|_| Some(())).is_some() {}
            reader.free();
        }
        Reserve(length) => {
            let _ = ring.reserve(None, 0, 0, length);
        }
        Fill(length) => {
            if let Ok(reserved) = ring.reserve(None, 0, 0, length) {
                ring.pad(reserved);
                ring.fill(reserved.offset(), SITE, record, record.len() as u32);
            }
        }
    }
}

fn record(number: usize, step: Step) -> Vec<u8> {
    let (Push(length) | Reserve(length) | Fill(length)) = step else {
        return Vec::new();
    };
    (0..length).map(|i| (number * 37 + i) as u8 | 1).collect()
}

/// A process does `before`, then is killed at its `kill`th point in `then`. Says whether it got so far.
pub(super) fn killed(before: &[Step], then: &[Step], kill: u32) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let dir = SpoolDir::open(folder.path()).unwrap();
    let (ring, mut reader) = spooled(&dir, CAPACITY);
    let records: Vec<_> = before
        .iter()
        .chain(then)
        .enumerate()
        .map(|(number, step)| record(number, *step))
        .collect();
    let (records_before, records_then) = records.split_at(before.len());
    for (step, record) in before.iter().zip(records_before) {
        perform(*step, record, &ring, &mut reader);
    }
    // Steps that are done; points passed in the one that is not.
    let [done, passed] = witness(2) else {
        unreachable!()
    };
    let child = fork(|| {
        arm(kill, passed);
        for (step, record) in then.iter().zip(records_then) {
            passed.store(0, Ordering::Relaxed);
            perform(*step, record, &ring, &mut reader);
            done.fetch_add(1, Ordering::Relaxed);
        }
        arm(0, passed);
    });
    let is_killed = match wait(child) {
        Ended::By(libc::SIGKILL) => true,
        ended => {
            assert_eq!(ended, Ended::With(0));
            false
        }
    };
    // What the child did, it did to the file that this process has in common with it; now this one lets go of it, too.
    drop((ring, reader));

    let mut model = Model::default();
    for (step, record) in before.iter().zip(records_before) {
        model.step(*step, record, 0, true);
    }
    let done = done.load(Ordering::Relaxed) as usize;
    for (number, (step, record)) in then.iter().zip(records_then).enumerate() {
        if number <= done {
            let passed = passed.load(Ordering::Relaxed);
            model.step(*step, record, passed, number < done);
        }
    }
    assert_eq!(is_killed, done < then.len());
    model.check(&the_dead(&dir));
    is_killed
}

/// The same for every point that there is. Says how many there are.
pub(super) fn killed_everywhere(before: &[Step], then: &[Step]) -> u32 {
    let mut points = 0;
    while killed(before, then, points + 1) {
        points += 1;
    }
    points
}
