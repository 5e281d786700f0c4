//! Reads the records of the store in order, and keeps the position in a file: the one loop under every reader of the
//! stream.

use std::path::PathBuf;
use std::time::Duration;

use distlog_proto::{BatchRef, Record, RecordRef};

use super::batch::Batch;
use super::batches::Batches;
use super::cursor::{Cursor, Progress};
use super::cursor_file::{CursorFile, SavedCursor};
use super::error::{CursorFileError, FileError, ReadError};
use super::reader::Reader;

/// A consumer of the records, with its position. Made by [`Reader::consumer`] and [`Reader::consumer_from`].
pub struct Consumer {
    reader: Reader,
    cursor: Cursor,
    batches: Batches,
    /// `None`: the position is not kept.
    file: Option<CursorFile>,
}

impl Reader {
    /// A consumer that keeps its position in a file of that name. It begins at the oldest record until it is told to
    /// [`seek`](Consumer::seek).
    ///
    /// # Errors
    /// If the name cannot be that of a file.
    pub fn consumer(&self, name: &str) -> Result<Consumer, CursorFileError> {
        let file = self.cursor_file(name)?;
        Ok(Consumer::new(self.clone(), self.first(), Some(file)))
    }

    /// A consumer that begins at a record and keeps no position.
    pub fn consumer_from(&self, position: u64) -> Consumer {
        Consumer::new(self.clone(), position, None)
    }
}

impl Consumer {
    fn new(reader: Reader, position: u64, file: Option<CursorFile>) -> Consumer {
        Consumer {
            cursor: reader.cursor(position),
            reader,
            batches: Batches::new(),
            file,
        }
    }

    /// The number of the record that is read next.
    pub fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Continues at another record. The number of a record beyond the end of the store is that of another store: the
    /// consumer continues at the end.
    pub fn seek(&mut self, position: u64) {
        if self.cursor.position() != position {
            self.cursor = self.reader.cursor(position);
        }
    }

    /// Waits until there is a record to read; false if there is none within the time, or the store was closed.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.reader.wait(self.position(), timeout)
    }

    /// Reads the next records, about `max_bytes` of them, and moves on. Nothing is allocated for a record, and its
    /// bytes are copied once, from the file.
    ///
    /// # Errors
    /// If a file cannot be read for a reason that may pass. The position stays.
    pub fn read(&mut self, max_bytes: usize) -> Result<Chunk<'_>, ReadError> {
        let from = self.position();
        let progress = self.cursor.next_batches(&mut self.batches, max_bytes)?;
        Ok(Chunk {
            batches: &self.batches,
            progress,
            from,
            to: self.cursor.position(),
        })
    }

    /// The record with that number, if the store still has it. Of ascending numbers each part is read once.
    ///
    /// # Errors
    /// As [`Consumer::read`].
    pub fn record(&mut self, number: u64) -> Result<Option<Record>, ReadError> {
        let holds = |(head, _): (&Batch, &[u8])| (head.first..head.end()).contains(&number);
        if !self.batches.iter().any(holds) {
            self.seek(number);
            self.cursor.next_batches(&mut self.batches, 1)?;
        }
        let found = self.batches.iter().find(|batch| holds(*batch));
        Ok(found.and_then(|(head, bytes)| {
            let at = usize::try_from(number - head.first).ok()?;
            // Valid when it was stored.
            let batch = BatchRef::parse(bytes).ok()?;
            Some(batch.records().nth(at)?.ok()?.to_record())
        }))
    }

    /// The file that the position is kept in; `None`: it is not kept.
    pub fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(CursorFile::path)
    }

    /// What was saved last; `None` if nothing ever was.
    ///
    /// # Errors
    /// If the file is damaged or cannot be read.
    pub fn saved(&self) -> Result<Option<SavedCursor>, CursorFileError> {
        self.file.as_ref().map_or(Ok(None), CursorFile::load)
    }

    /// Saves a position and a token, durably.
    ///
    /// # Errors
    /// If it could not be written. What was saved before holds.
    pub fn save(&self, position: u64, token: &[u8]) -> Result<(), FileError> {
        self.file
            .as_ref()
            .map_or(Ok(()), |file| file.save(position, token))
    }
}

/// What one [`Consumer::read`] gave.
pub struct Chunk<'c> {
    batches: &'c Batches,
    progress: Progress,
    from: u64,
    to: u64,
}

impl<'c> Chunk<'c> {
    /// The number of the record at which it begins.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The number after its last record.
    pub fn to(&self) -> u64 {
        self.to
    }

    /// Records that were skipped.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Whether there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// How many records its batches have. The first batch may begin before [`Chunk::from`].
    pub fn records(&self) -> u64 {
        self.batches.records()
    }

    /// Its batches in the buffer that they were read into.
    pub fn buffer(&self) -> &'c Batches {
        self.batches
    }

    /// Its batches, as they are stored.
    pub fn encoded_batches(&self) -> impl Iterator<Item = (&'c Batch, &'c [u8])> + use<'c> {
        self.batches.iter()
    }

    /// Its batches, parsed. [`Batch::records`] has their records.
    pub fn batches(&self) -> impl Iterator<Item = (&'c Batch, BatchRef<'c>)> + use<'c> {
        self.batches.parsed()
    }
}

impl Batches {
    /// The batches, parsed. All were validated before they were stored.
    pub fn parsed(&self) -> impl Iterator<Item = (&Batch, BatchRef<'_>)> {
        self.iter()
            .filter_map(|(head, bytes)| Some((head, BatchRef::parse(bytes).ok()?)))
    }
}

impl Batch {
    /// Its records, with their numbers in the store; `parsed` is the batch itself.
    pub fn records<'a>(
        &self,
        parsed: &'a BatchRef<'a>,
    ) -> impl Iterator<Item = RecordRef<'a>> + use<'a> {
        self.records_from(parsed, self.first)
    }

    /// Its records from the one with this number on; those before it are not read.
    pub fn records_from<'a>(
        &self,
        parsed: &'a BatchRef<'a>,
        from: u64,
    ) -> impl Iterator<Item = RecordRef<'a>> + use<'a> {
        let from = from.max(self.first);
        let before = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        (from..)
            .zip(parsed.records().skip(before))
            .filter_map(|(number, record)| {
                // Valid when it was stored.
                let mut record = record.ok()?;
                record.store_number = number;
                Some(record)
            })
    }
}
