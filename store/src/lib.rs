//! The store: a durable, segmented log of batches with an index of their trace ids.
//!
//! # What it promises
//!
//! A [`commit`](Store::commit) that returned stays, whatever happens to the process or the power; each batch is in it
//! at most once; readers see nothing that could still be lost. A full disk or a failed write costs what was not
//! committed, is said by a typed error, and the store goes on. Damage is skipped and counted, it never stops a reader.
//!
//! # Files
//!
//! | file | holds | written |
//! |---|---|---|
//! | `lock` | the process id of who has the store open | at open; locked with `flock` |
//! | `checkpoint` | the next record number, where in which segment the durable frames end, where each producer stands | replaced as a whole when a segment is begun, each minute, at close |
//! | `clock` | what the clock of ages and the system's said at one time | replaced with the checkpoint |
//! | `segments/ID.log` | a raw segment: header, frames, then zeros that were allocated ahead | appended; the last one is the open one |
//! | `segments/ID.seal` | a sealed segment: header, blocks of frames in columns, what is in each, trace index, footer | once, aside, then renamed; the raw one goes after that |
//! | `segments/ID.G.seal` | the same, written anew for the Gth time: in columns, or without deleted records | as that; the one before goes after that |
//! | `deletions` | what is being deleted, as who deletes wrote it | replaced as a whole; not there when nothing is |
//! | `segments/*.damaged` | a file that recovery could make nothing of | never read again |
//! | `cursors/NAME` | a consumer's next record number and its token | replaced as a whole |
//!
//! "Replaced as a whole" is: written aside (`.tmp`), synced, renamed, the directory synced. Numbers are little-endian;
//! CRC is CRC32C. Record numbers count from 1 over the whole store and follow each other without holes: a batch of n
//! records takes n.
//!
//! ## A raw segment
//!
//! | at | what |
//! |---|---|
//! | 0 | segment header, 64 bytes: magic, id, first record number, salt, CRC |
//! | 64 | frames, each at a multiple of 8 |
//!
//! A frame is what one commit wrote, or about 256 KiB of it: a header of 40 bytes (magic, CRC of the header, length of
//! the body, number of batches, first record number, number of records, CRC of the body, salt), then for each batch 56
//! bytes (producer, from, to, time received, number of records, length, flags) and its bytes. The salt is random for
//! each segment: neither bytes of an older file nor a frame hidden in somebody's log text pass for a frame of this one.
//!
//! A segment ends where the next one's first record number says: what a failed write left behind that is not read.
//! (Batches that are only holes have no numbers. Of those, recovery may take one that a failure had taken back: its
//! producer then stands further, past offsets that have no records.)
//!
//! ## A sealed segment
//!
//! | part | what |
//! |---|---|
//! | header | 64 bytes, as in a raw one with another magic |
//! | blocks | each 32 bytes of header (magic, CRC of it, stored and raw length, first record number, CRC, method) and whole frames up to about 1 MiB, in columns (`columns/`), or compressed with zstd, or as they were |
//! | block table | 24 bytes for each block: offset, first record number, stored and raw length |
//! | filter | a blocked Bloom filter over the trace ids |
//! | trace pages | 4 KiB each, with a CRC: 170 sorted entries of trace id, place and length of its list |
//! | lists | for each trace the numbers of its blocks, and a CRC |
//! | summaries | for each block the range of its times, counts by service and severity, tasks that begin and end; compressed, with a CRC in the footer |
//! | word filters | for each block a blocked Bloom filter over the words of its texts (`words.rs`) |
//! | footer | 128 bytes: record numbers, newest time, where the parts are, version, number of deleted records, CRC |
//!
//! A segment is sealed when it is full, or at least a quarter of it is and nothing comes any more. Segments that come
//! faster than columns can be made are sealed in compressed rows, without summaries and word
//! filters; so are those that earlier versions wrote (version 0). They are written anew in columns when there is time.
//! A segment of a later version is refused.
//!
//! A record that was deleted leaves a mark in its batch (`removed` of `Record`, which stands in its place alone)
//! and so keeps its number and those of the others; heads of batches and frames stay as they are, but for lengths and
//! CRCs. A batch of which all records were deleted has no source any more. Readers get an error for each mark, and pass
//! over it.
//!
//! A look-up of a trace asks the filter of each segment, which is in memory once it was read, while there is room
//! (`kept_filter`). A segment that may have it is read: a few pages and the blocks. A damaged index makes it slower (it
//! reads all blocks), a damaged table or footer is rebuilt at the next open.
//!
//! # Recovery
//!
//! The checkpoint is read, then every raw segment walked. In the last one the first bad frame after the checkpoint ends
//! it: the file is cut there and synced before anything else. Everywhere else bad frames are stepped over and counted.
//! A segment that could not be sealed before is sealed again. Of several generations of a sealed one the newest counts
//! whose footer and table are good; then the others go.
//!
//! # Reading order
//!
//! `options`, `append`, `error`: what is asked and answered. `layer`: the file operations. `format`: the bytes.
//! `writer`: the [`Store`], with `pending` (the frame under construction), `producers`, `checkpoint`, `directory` and
//! `retention`. `state`: what writer and readers share. `reader`, `consumer`, `cursor`, `trace`, `search`, `batches`:
//! reading; `words`: what a search compares.
//! `sealer` and `columns_thread` (the threads), `backlog` (what waits for them), `seal_full`, `seal` and `packers`
//! (write), `sealed` and `block_reader` (read),
//! `columns` (blocks), `summary`, `memory`, `filter` and `trace_index`: sealed segments and the indexes. `rewrite`
//! writes one anew, for `columns_thread` and `erase` (without what is deleted, which `removal` says). `search`,
//! `block_lists`, `kept_filter`, `words`, `text_part`: what queries read. `recover`, `raw_segment`, `parallel`, `scan`,
//! `salvage`:
//! after a crash or damage. `damage`: what is lost, told once. `age_clock`: what is old. `cursor_file`, `replace`:
//! small files. `stats`: counters.

mod age_clock;
mod append;
mod backlog;
mod batch;
mod batches;
mod block_lists;
mod block_reader;
mod checkpoint;
mod columns;
mod columns_thread;
mod consumer;
mod cursor;
mod cursor_file;
mod damage;
mod directory;
mod erase;
mod error;
mod filter;
mod format;
mod kept_filter;
mod layer;
mod live;
mod memory;
mod options;
mod packers;
mod parallel;
mod pending;
mod producers;
mod raw_segment;
mod reader;
mod recover;
mod removal;
mod replace;
mod retention;
mod rewrite;
mod salvage;
mod scan;
mod seal;
mod seal_full;
mod sealed;
mod sealer;
mod search;
mod show;
mod state;
mod stats;
mod summary;
mod text_part;
mod trace;
mod trace_index;
mod words;
mod writer;

pub use age_clock::ClockJump;
pub use append::{Append, AppendOutcome, Upstream};
pub use batch::Batch;
pub use batches::Batches;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use columns::fuzzing;
pub use columns::{Rows, Selection};
pub use consumer::{Chunk, Consumer};
pub use cursor::{Cursor, Progress};
pub use cursor_file::{CursorFile, SavedCursor};
pub use erase::Eraser;
pub use error::{CursorFileError, FileError, OpenError, ReadError, StoreError};
pub use layer::{FileLayer, Lock, OsFiles, StoreFile};
pub use options::{IndexFn, MAX_BATCH, Options, PRODUCER_KEPT};
pub use reader::Reader;
pub use removal::{ChangeFn, Removal};
pub use retention::{Expired, Retention};
pub use search::{Block, BlockBatch, BlockBuffer};
pub use show::ShowFn;
pub use stats::Stats;
pub use summary::BlockSummary;
pub use text_part::TextPart;
pub use trace::TraceCursor;
pub use words::{Words, any_text, begins_with, is_word, lowercase, words};
pub use writer::Store;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
