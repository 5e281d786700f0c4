//! The log of decisions: which trees pass, and which records of them are to be delivered. It lies beside the
//! processor's cursor. What stands in it is not decided again, whatever happens to the process.
//!
//! It has several files, `N.log`, each a head of 32 bytes (magic, id of the log, place of its first entry, CRC32C and 4
//! zero bytes) and [frames](super::frame). It is synced before anything that was decided leaves the daemon. A frame
//! that was cut off by a crash ends the last file.
//!
//! Decisions are remembered for as long as their file is there, so that records that come late share the fate of their
//! tree. The oldest file goes when there are more than [`MAX_FILES`] or its last decision is older than [`MAX_AGE`],
//! and everything in it is delivered and lies before the oldest record of an open tree.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use distlog_proto::TraceId;
use hashbrown::HashMap;

use super::decision::Decisions;
use super::frame::{Bytes, Entry, Frame};

const MAGIC: [u8; 8] = *b"DLTREES1";
const HEAD: usize = 32;
/// Decisions in one file.
const FILE_DECISIONS: usize = 1 << 19;
/// Bytes of one file: what is delivered takes room, too.
const FILE_BYTES: u64 = 64 << 20;
/// Files beyond which the oldest goes: they have four million decisions.
pub(super) const MAX_FILES: usize = 8;
/// A file goes so long after its last decision, in ns.
pub(super) const MAX_AGE: u64 = 3600 * 1_000_000_000;

/// A file of the log cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {error}", path.display())]
pub(super) struct LogError {
    what: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// One file, and what is remembered of it.
struct Part {
    number: u64,
    decided: HashMap<TraceId, bool>,
    /// All that it says is about records before this number.
    position: u64,
    /// The place behind its last entry.
    end: u64,
    /// When it was written to last, by [`Clock`](super::clock::Clock).
    written: u64,
}

/// The log.
pub(super) struct DecisionLog {
    dir: PathBuf,
    id: u64,
    /// The oldest first; the last one is written to.
    parts: VecDeque<Part>,
    file: File,
    /// Bytes of the last file that are frames.
    length: u64,
    /// A frame that is to be written before anything else.
    pending: Option<Vec<u8>>,
    is_synced: bool,
}

/// An entry and its place in the order of delivery. Each record number within it has a place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub place: u64,
    pub entry: Entry,
}

impl Placed {
    /// The place after it.
    pub(super) fn end(&self) -> u64 {
        self.place + (self.entry.to - self.entry.from)
    }
}

impl DecisionLog {
    /// A new log in that directory; what is there goes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn create(dir: &Path) -> Result<DecisionLog, LogError> {
        let failed = |what, error| LogError {
            what,
            path: dir.to_owned(),
            error,
        };
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("remove", error));
            }
            _ => {}
        }
        let made = fs::DirBuilder::new().mode(0o700).create(dir);
        made.map_err(|error| failed("make", error))?;
        if let Some(parent) = dir.parent() {
            let synced = File::open(parent).and_then(|parent| parent.sync_all());
            synced.map_err(|error| failed("sync the directory of", error))?;
        }
        let mut random = [0; 8];
        // Where the kernel gives no random bytes the id is that of any other log: that is no reason to stop.
        let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        let id = u64::from_le_bytes(random);
        let file = begin_file(dir, id, 1, 0)?;
        Ok(DecisionLog {
            dir: dir.to_owned(),
            id,
            parts: VecDeque::from([Part::new(1, 0)]),
            file,
            length: HEAD as u64,
            pending: None,
            is_synced: true,
        })
    }

    /// The log with that id, and what it has to deliver; none if another one is there, or none.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub(super) fn open(
        dir: &Path,
        id: u64,
    ) -> Result<Option<(DecisionLog, Vec<Placed>)>, LogError> {
        let mut parts = VecDeque::new();
        let mut entries = Vec::new();
        let mut length = 0;
        let numbers = numbers(dir)?;
        for number in &numbers {
            let path = path(dir, *number);
            let bytes = fs::read(&path).map_err(|error| LogError {
                what: "read",
                path: path.clone(),
                error,
            })?;
            let Some(place) = head(&bytes, id) else {
                // A crash while it was begun leaves less than its head.
                if bytes.len() >= HEAD {
                    tracing::warn!("{} is no log of these decisions", path.display());
                }
                continue;
            };
            let mut part = Part::new(*number, place);
            let mut at = HEAD;
            while let Some((frame, length)) = Frame::decode(&bytes[at..]) {
                part.take(frame, &mut entries);
                at += length;
            }
            if at < bytes.len() && Some(number) != numbers.last() {
                let path = path.display();
                tracing::error!(
                    "{path} is damaged at byte {at}: what was decided behind is forgotten"
                );
            }
            length = at as u64;
            parts.push_back(part);
        }
        let Some(last) = parts.back() else {
            return Ok(None);
        };
        let path = path(dir, last.number);
        let opened = fs::OpenOptions::new().write(true).open(&path);
        let cut = opened.and_then(|file| {
            file.set_len(length)?;
            // Also what a killed process had written and not synced.
            file.sync_all()?;
            Ok(file)
        });
        let file = cut.map_err(|error| LogError {
            what: "write",
            path,
            error,
        })?;
        let log = DecisionLog {
            dir: dir.to_owned(),
            id,
            parts,
            file,
            length,
            pending: None,
            is_synced: true,
        };
        Ok(Some((log, entries)))
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// What was read before this number is decided or of an open tree.
    pub(super) fn position(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| part.position)
            .max()
            .unwrap_or(0)
    }

    /// The place behind all entries.
    pub(super) fn end(&self) -> u64 {
        self.last().end
    }

    fn last(&self) -> &Part {
        &self.parts[self.parts.len() - 1]
    }

    fn last_mut(&mut self) -> &mut Part {
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }

    /// Appends a frame whose decisions are remembered already, and gives its entries their places. Where it cannot be
    /// written, [`DecisionLog::write`] is to be called until it can.
    pub(super) fn append(&mut self, frame: Frame, now: u64) -> Vec<Placed> {
        let mut entries = Vec::with_capacity(frame.entries.len());
        self.pending = Some(frame.encode());
        let last = self.last_mut();
        last.written = now;
        last.take(frame, &mut entries);
        entries
    }

    /// Writes what was appended.
    ///
    /// # Errors
    /// If it cannot be written; it is written by the next call.
    pub(super) fn write(&mut self) -> Result<(), LogError> {
        let Some(bytes) = &self.pending else {
            return Ok(());
        };
        self.is_synced = false;
        let written = self.file.write_all_at(bytes, self.length);
        written.map_err(|error| self.error("write", error))?;
        self.length += bytes.len() as u64;
        self.pending = None;
        if self.last().decided.len() >= FILE_DECISIONS || self.length >= FILE_BYTES {
            self.sync()?;
            let (number, end) = (self.last().number + 1, self.end());
            self.file = begin_file(&self.dir, self.id, number, end)?;
            self.length = HEAD as u64;
            self.parts.push_back(Part::new(number, end));
        }
        Ok(())
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// If that fails.
    pub(super) fn sync(&mut self) -> Result<(), LogError> {
        if !self.is_synced {
            let synced = self.file.sync_data();
            synced.map_err(|error| self.error("sync", error))?;
            self.is_synced = true;
        }
        Ok(())
    }

    fn error(&self, what: &'static str, error: io::Error) -> LogError {
        LogError {
            what,
            path: path(&self.dir, self.last().number),
            error,
        }
    }

    /// Forgets old decisions. All places before `delivered` are delivered, and no open tree has a record before
    /// `oldest`.
    pub(super) fn forget(&mut self, delivered: u64, oldest: u64, now: u64) {
        while self.parts.len() > 1 {
            let first = &self.parts[0];
            let is_old = now.saturating_sub(first.written) > MAX_AGE;
            let old = is_old || self.parts.len() > MAX_FILES;
            let done = first.end <= delivered && first.position <= oldest;
            if !(old && done) {
                return;
            }
            let path = path(&self.dir, first.number);
            // Left behind it is read at the next start, and removed then.
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!("cannot remove {}: {error}", path.display());
            }
            self.parts.pop_front();
        }
    }
}

impl Decisions for DecisionLog {
    fn decision(&mut self, trace: TraceId, number: u64) -> Option<bool> {
        let found = |part: &mut Part| {
            let passes = *part.decided.get(&trace)?;
            // Read again it is not to be taken for the first of another tree.
            part.position = part.position.max(number + 1);
            Some(passes)
        };
        self.parts.iter_mut().rev().find_map(found)
    }

    /// It is in the next frame.
    fn decide(&mut self, trace: TraceId, passes: bool) {
        self.last_mut().decided.insert(trace, passes);
    }
}

impl Part {
    fn new(number: u64, end: u64) -> Part {
        Part {
            number,
            decided: HashMap::new(),
            position: 0,
            end,
            written: 0,
        }
    }

    /// Remembers a frame.
    fn take(&mut self, frame: Frame, entries: &mut Vec<Placed>) {
        self.position = self.position.max(frame.position);
        self.decided.extend(frame.decided);
        for entry in frame.entries {
            let placed = Placed {
                place: self.end,
                entry,
            };
            self.end = placed.end();
            entries.push(placed);
        }
    }
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.log"))
}

/// Those of the files, in order.
fn numbers(dir: &Path) -> Result<Vec<u64>, LogError> {
    let failed = |error| LogError {
        what: "list",
        path: dir.to_owned(),
        error,
    };
    let list = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        list => list.map_err(failed)?,
    };
    let mut numbers = Vec::new();
    for entry in list {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The place of the first entry, if it is a file of that log.
fn head(bytes: &[u8], id: u64) -> Option<u64> {
    let mut head = Bytes(bytes.get(..HEAD)?);
    let (magic, known, place) = (head.array()?, head.u64()?, head.u64()?);
    let good = head.u32()? == crc32c::crc32c(&bytes[..24]);
    (good && magic == MAGIC && known == id).then_some(place)
}

fn begin_file(dir: &Path, id: u64, number: u64, place: u64) -> Result<File, LogError> {
    let path = path(dir, number);
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&id.to_le_bytes());
    head.extend_from_slice(&place.to_le_bytes());
    head.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
    head.resize(HEAD, 0);
    let begin = || -> io::Result<File> {
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&path)?;
        file.write_all_at(&head, 0)?;
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        Ok(file)
    };
    begin().map_err(|error| LogError {
        what: "begin",
        path: path.clone(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::super::frame::Part as Records;
    use super::*;

    fn trace(n: u8) -> TraceId {
        TraceId::from_bytes([n; 16]).unwrap()
    }

    fn frame(n: u8, passes: bool) -> Frame {
        let (from, to) = (u64::from(n) * 10, u64::from(n) * 10 + 5);
        let part = Records {
            trace: trace(n),
            from,
            to,
            records: 2,
        };
        let entry = Entry {
            from,
            to,
            loose: (0, 0),
            parts: vec![part],
        };
        Frame {
            position: to,
            decided: vec![(trace(n), passes)],
            entries: if passes { vec![entry] } else { Vec::new() },
        }
    }

    fn append(log: &mut DecisionLog, frame: Frame) {
        for (trace, passes) in &frame.decided {
            log.decide(*trace, *passes);
        }
        log.append(frame, 0);
        log.write().unwrap();
    }

    #[test]
    fn what_was_written_is_there_and_a_torn_end_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("jaeger.trees");
        let mut log = DecisionLog::create(&dir).unwrap();
        append(&mut log, frame(1, true));
        append(&mut log, frame(2, false));
        let whole = fs::metadata(dir.join("1.log")).unwrap().len();
        append(&mut log, frame(3, true));
        let id = log.id();
        drop(log);
        assert!(DecisionLog::open(&dir, id ^ 1).unwrap().is_none());
        let longer = fs::metadata(dir.join("1.log")).unwrap().len();
        for cut in whole..longer {
            let file = fs::OpenOptions::new().write(true).open(dir.join("1.log"));
            file.unwrap().set_len(cut).unwrap();
            let (mut log, entries) = DecisionLog::open(&dir, id).unwrap().unwrap();
            assert_eq!(log.decision(trace(1), 7), Some(true));
            assert_eq!(log.decision(trace(2), 7), Some(false));
            assert_eq!(log.decision(trace(3), 7), None);
            assert_eq!((log.position(), log.end(), entries.len()), (25, 5, 1));
            append(&mut log, frame(3, true));
            assert_eq!(log.end(), 10);
        }
    }

    #[test]
    fn an_old_file_goes_when_nothing_needs_it_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("jaeger.trees");
        let mut log = DecisionLog::create(&dir).unwrap();
        append(&mut log, frame(1, true));
        // As when it is full.
        log.sync().unwrap();
        log.file = begin_file(&dir, log.id, 2, log.end()).unwrap();
        log.length = HEAD as u64;
        log.parts.push_back(Part::new(2, 5));
        append(&mut log, frame(2, true));
        for (delivered, oldest, now) in [(4, 99, u64::MAX), (5, 14, u64::MAX), (5, 99, 0)] {
            log.forget(delivered, oldest, now);
            assert_eq!(log.decision(trace(1), 0), Some(true));
        }
        let id = log.id();
        drop(log);
        let (mut log, entries) = DecisionLog::open(&dir, id).unwrap().unwrap();
        assert_eq!(entries[1].place, 5);
        log.forget(5, 15, u64::MAX);
        assert_eq!(log.decision(trace(1), 0), None);
        assert_eq!(log.decision(trace(2), 0), Some(true));
        assert_eq!(numbers(&dir).unwrap(), [2]);
        log.forget(99, 99, u64::MAX);
        assert_eq!(numbers(&dir).unwrap(), [2], "the last one stays");
    }
}
