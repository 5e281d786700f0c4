//! The processor: records become lines, here or by several threads.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::RecordRef;

use super::config::Config;
use super::format::Writer;
use super::recover::{self, Opened};
use super::rotated;
use super::tidy::Tidy;
use super::token::Mark;
use crate::processor::{
    Convert, Converted, ConvertedRecord, Error, Processor, TakeConverted, Token,
};

/// Lines are written to the file when they have this many bytes.
const WRITE_BYTES: usize = 256 << 10;
/// So many rotated files are open at once before they are made durable.
const MAX_UNSYNCED: usize = 16;

/// The file is gone with what was not flushed.
#[derive(Debug, thiserror::Error)]
#[error("was removed: what had come since the last flush is written again, to a new file")]
struct Removed;

impl From<Removed> for io::Error {
    fn from(removed: Removed) -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, removed)
    }
}

/// Writes records into a file, one line each.
pub struct Lines {
    config: Config,
    name: String,
    /// `None` after something failed: the file has to be brought back to the last flush first.
    open: Option<Opened>,
    /// Files rotated since the last flush; they have to be durable, too.
    unsynced: Vec<File>,
    /// Whether there was a rotation since the last flush.
    rotated: bool,
    /// Lines that are not written yet.
    lines: Vec<u8>,
    /// Where the last flush ended.
    mark: Option<Mark>,
    /// Number in the store of the last record that a flush made durable.
    flushed: u64,
    /// Number of the last record taken.
    taken: u64,
    /// Old files up to the last flush, which may be compressed and removed once the cursor is behind them.
    settled: Option<String>,
    tidy: Tidy,
}

impl Lines {
    /// Opens the file where the flush that `token` tells of left it. `name` is the processor's, for messages.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(name: &str, config: &Config, token: Option<&Token>) -> Result<Lines, Error> {
        let mut lines = Lines {
            tidy: Tidy::new(name, config),
            config: config.clone(),
            name: name.to_owned(),
            open: None,
            unsynced: Vec::new(),
            rotated: false,
            lines: Vec::with_capacity(WRITE_BYTES + (64 << 10)),
            mark: token.and_then(Mark::from_token),
            flushed: 0,
            taken: 0,
            settled: None,
        };
        lines
            .recover()
            .and_then(|()| lines.remark())
            .map_err(|error| lines.failed(&error))?;
        // What a crash left undone. All old files are behind the cursor.
        lines.settle().map_err(|error| lines.failed(&error))?;
        lines.tidy_up();
        Ok(lines)
    }

    /// Brings the file back to the last flush.
    fn recover(&mut self) -> io::Result<()> {
        self.lines.clear();
        self.unsynced.clear();
        self.rotated = false;
        self.taken = self.flushed;
        self.open = None;
        let opened = recover::open(&self.config.path, self.config.mode, self.mark.as_ref())?;
        self.open = Some(opened);
        Ok(())
    }

    /// Here is where the file is brought back to until the first flush.
    fn remark(&mut self) -> io::Result<()> {
        if let Some(open) = &self.open {
            self.mark = Some(Mark::of(&open.file, open.begun)?);
        }
        Ok(())
    }

    /// Forgets what is not flushed, and says why.
    fn failed(&mut self, error: &io::Error) -> Error {
        self.open = None;
        // At once if possible: half a line is nothing that others should see for long.
        if self.mark.is_some() {
            let _ = self.recover();
        }
        if error.get_ref().is_some_and(|error| error.is::<Removed>()) {
            let path = self.config.path.display();
            return Error::Retry {
                reason: format!("{path} {Removed}"),
                after: Some(Duration::ZERO),
            };
        }
        let reason = match error.kind() {
            io::ErrorKind::PermissionDenied => "not permitted".to_owned(),
            io::ErrorKind::StorageFull => "the disk is full".to_owned(),
            _ => error.to_string(),
        };
        Error::retry(format_args!(
            "cannot write {}: {reason}",
            self.config.path.display()
        ))
    }

    fn take_records(&mut self, records: &[RecordRef<'_>]) -> io::Result<()> {
        if self.open.is_none() {
            self.recover()?;
        }
        let mut writer = Writer::new(self.config.format);
        for record in records {
            // The last flush was durable here, but the cursor could not be stored: these are in the file.
            if record.store_number != 0 && record.store_number <= self.flushed {
                continue;
            }
            writer.write(record, &mut self.lines);
            self.taken = record.store_number;
            if self.lines.len() >= WRITE_BYTES || self.is_full() {
                self.write()?;
            }
        }
        Ok(())
    }

    /// As [`Lines::take_records`], of lines that are written already.
    fn take_lines(&mut self, converted: &Converted) -> io::Result<()> {
        if self.open.is_none() {
            self.recover()?;
        }
        if !self.lines.is_empty() {
            self.write()?;
        }
        let (bytes, records) = (converted.bytes(), converted.records());
        let is_known = |record: &ConvertedRecord| (1..=self.flushed).contains(&record.number);
        let (known, mut rest) = records.split_at(records.partition_point(is_known));
        let mut begin = known.last().map_or(0, |record| record.end);
        while !rest.is_empty() {
            // Up to the line with which the file is full.
            let fits = |record: &ConvertedRecord| self.has_room(record.end - begin);
            let count = (rest.partition_point(fits) + 1).min(rest.len());
            let now;
            (now, rest) = rest.split_at(count);
            if let Some(last) = now.last() {
                self.taken = last.number;
                self.append(&bytes[begin..last.end])?;
                begin = last.end;
            }
        }
        Ok(())
    }

    /// Whether the next record belongs into a new file.
    fn is_full(&self) -> bool {
        !self.has_room(self.lines.len())
    }

    /// Whether, behind so many bytes more, the next record still belongs into this file.
    fn has_room(&self, bytes: usize) -> bool {
        let (Some(rotate), Some(open)) = (&self.config.rotate, &self.open) else {
            return true;
        };
        rotate
            .size
            .is_none_or(|size| open.length + (bytes as u64) < size)
    }

    fn is_old(&self) -> bool {
        let (Some(rotate), Some(open)) = (&self.config.rotate, &self.open) else {
            return false;
        };
        let empty = open.length == 0 && self.lines.is_empty();
        !empty && rotate.age.is_some_and(|age| open.age() >= age)
    }

    /// Writes the lines, and begins a new file if this one is full.
    fn write(&mut self) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        let written = self.append(&lines);
        lines.clear();
        self.lines = lines;
        written
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Some(open) = &mut self.open {
            open.file.write_all(lines)?;
            open.length += lines.len() as u64;
        }
        if self.has_room(0) {
            Ok(())
        } else {
            self.rotate()
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        // What stands there now may be somebody else's.
        if self.follow_path()? {
            return Ok(());
        }
        if let Some(old) = self.open.take() {
            std::fs::rename(&self.config.path, rotated::next(&self.config.path)?)?;
            self.unsynced.push(old.file);
            self.rotated = true;
            if self.unsynced.len() >= MAX_UNSYNCED {
                self.sync_rotated()?;
            }
        }
        let file = recover::append(&self.config.path, self.config.mode)?;
        self.open = Some(Opened::new(file, 0, recover::now()));
        Ok(())
    }

    fn sync_rotated(&mut self) -> io::Result<()> {
        self.unsynced.drain(..).try_for_each(|file| {
            if file.metadata()?.nlink() == 0 {
                return Err(Removed.into());
            }
            file.sync_data()
        })
    }

    fn sync(&mut self) -> io::Result<Mark> {
        if self.open.is_none() {
            self.recover()?;
        }
        self.write()?;
        self.sync_rotated()?;
        self.follow_path()?;
        let Some(open) = &self.open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        open.file.sync_data()?;
        if self.rotated {
            recover::sync_directory(&self.config.path)?;
        }
        Mark::of(&open.file, open.begun)
    }

    /// If somebody moved or removed the file (logrotate, a person), a new one is begun in its place. Says whether one
    /// is.
    fn follow_path(&mut self) -> io::Result<bool> {
        let Some(open) = &self.open else {
            return Ok(false);
        };
        let ours = open.file.metadata()?;
        let there = match std::fs::metadata(&self.config.path) {
            Ok(there) => Some((there.dev(), there.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there == Some((ours.dev(), ours.ino())) {
            return Ok(false);
        }
        if ours.nlink() == 0 && self.taken > self.flushed {
            // What was written since the last flush is nowhere any more, and comes again from the store.
            return Err(Removed.into());
        }
        open.file.sync_data()?;
        tracing::info!(
            processor = self.name,
            "{} was moved or removed; a new file is begun",
            self.config.path.display()
        );
        self.open = Some(recover::open(&self.config.path, self.config.mode, None)?);
        Ok(true)
    }

    /// Everything rotated until now may be tidied up once the cursor is behind it.
    fn settle(&mut self) -> io::Result<()> {
        if self.config.rotate.is_some() {
            self.settled = rotated::list(&self.config.path)?
                .pop()
                .map(|newest| newest.stamp);
        }
        Ok(())
    }

    fn tidy_up(&mut self) {
        if let Some(newest) = self.settled.take() {
            self.tidy.up_to(newest);
        }
    }

    /// Records after the last flush are presented: so the cursor was stored behind it.
    fn presented(&mut self, first: Option<u64>) {
        if first.is_some_and(|first| first > self.flushed) {
            self.tidy_up();
        }
    }
}

impl Processor for Lines {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        self.presented(records.first().map(|first| first.store_number));
        self.take_records(records)
            .map_err(|error| self.failed(&error))
    }

    fn takes_converted(&mut self) -> Option<&mut dyn TakeConverted> {
        Some(self)
    }

    fn flush(&mut self) -> Result<Token, Error> {
        let mark = self.sync().map_err(|error| self.failed(&error))?;
        self.mark = Some(mark);
        self.flushed = self.taken;
        if std::mem::take(&mut self.rotated) {
            self.settle().map_err(|error| self.failed(&error))?;
        }
        if self.is_old() {
            self.rotate().map_err(|error| self.failed(&error))?;
        }
        Ok(mark.to_token())
    }
}

impl TakeConverted for Lines {
    fn converter(&self) -> Arc<dyn Convert> {
        Arc::new(self.config.format)
    }

    fn take(&mut self, converted: &Converted) -> Result<(), Error> {
        self.presented(converted.records().first().map(|first| first.number));
        self.take_lines(converted)
            .map_err(|error| self.failed(&error))
    }
}
