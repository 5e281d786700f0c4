//! The store of this daemon.

use std::ops::Range;
use std::sync::Arc;

use distlog_proto::{RecordRef, TraceId};
use distlog_store::{Batch, Batches, Consumer, Reader};

use super::{
    Block, Numbering, Place, RecordReader, Scope, Storage, StorageError, TraceBatch, TraceReader,
};
use crate::access::Services;

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;

/// The store of this daemon.
#[derive(Clone)]
pub struct LocalStorage {
    reader: Reader,
}

impl LocalStorage {
    /// What a reader sees.
    pub fn new(reader: Reader) -> LocalStorage {
        LocalStorage { reader }
    }
}

impl Storage for LocalStorage {
    fn numbering(&self) -> Numbering {
        Numbering::Arrival
    }

    fn positions(&self) -> Result<Range<u64>, StorageError> {
        Ok(self.reader.first()..self.reader.end())
    }

    fn blocks(&self, _: &Scope) -> Result<Vec<Block>, StorageError> {
        // What is known of each block tells whether it is of the scope.
        let blocks = self.reader.blocks()?;
        Ok(blocks.into_iter().map(Block::Store).collect())
    }

    fn blocks_of(&self, traces: &[TraceId], end: u64) -> Result<Vec<Block>, StorageError> {
        let blocks = self.reader.blocks_of(traces)?.into_iter();
        let before = blocks.take_while(|block| block.numbers().start < end);
        Ok(before.map(Block::Store).collect())
    }

    fn each_batch(
        &self,
        trace: TraceId,
        positions: Range<u64>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError> {
        let cursor = self.reader.trace(trace);
        cursor.for_each(READ_BYTES, |head, bytes, parsed| {
            !positions.contains(&head.first)
                || take(TraceBatch {
                    position: head.first,
                    first: head.first,
                    received: head.received,
                    bytes,
                    parsed,
                })
        })?;
        Ok(())
    }

    fn trace_reader(&self, trace: TraceId) -> Box<dyn TraceReader> {
        let consumer = self.reader.consumer_from(self.reader.first());
        Box::new(LocalTrace {
            storage: self.clone(),
            trace,
            consumer,
        })
    }

    fn record_reader(&self) -> Box<dyn RecordReader> {
        Box::new(LocalRecords {
            reader: self.reader.clone(),
            batches: Batches::new(),
        })
    }

    fn showing(&self, services: &Services) -> Arc<dyn Storage> {
        let reader = self.reader.showing(services.show());
        Arc::new(LocalStorage { reader })
    }

    fn live(&self) -> Option<&Reader> {
        Some(&self.reader)
    }
}

struct LocalRecords {
    reader: Reader,
    /// Those that were read last.
    batches: Batches,
}

impl RecordReader for LocalRecords {
    fn read(
        &mut self,
        place: Place,
        see: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), StorageError> {
        let number = place.number;
        let holds = |head: &Batch| (head.first..head.end()).contains(&number);
        if !self.batches.iter().any(|(head, _)| holds(head)) {
            let mut cursor = self.reader.cursor(number);
            cursor.next_batches(&mut self.batches, 1)?;
        }
        let mut batches = self.batches.parsed();
        if let Some((head, batch)) = batches.find(|(head, _)| holds(head)) {
            let mut records = head.records(&batch);
            let found = records.find(|record| record.store_number == number);
            found.iter().for_each(see);
        }
        Ok(())
    }
}

struct LocalTrace {
    storage: LocalStorage,
    trace: TraceId,
    /// Reads batches again.
    consumer: Consumer,
}

impl TraceReader for LocalTrace {
    fn each_batch(
        &mut self,
        positions: Range<u64>,
        take: &mut dyn FnMut(TraceBatch<'_>) -> bool,
    ) -> Result<(), StorageError> {
        self.storage.each_batch(self.trace, positions, take)
    }

    fn again(&mut self, first: u64, take: &mut dyn FnMut(u64, &[u8])) -> Result<(), StorageError> {
        self.consumer.seek(first);
        let chunk = self.consumer.read(READ_BYTES)?;
        for (head, bytes) in chunk.encoded_batches() {
            take(head.first, bytes);
        }
        Ok(())
    }
}
