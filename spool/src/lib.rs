//! The files of log records that outlive their process.
//!
//! A program that logs with a spool directory has its ring in a file of that directory, mapped into its memory. When it
//! is killed, the kernel still has what was written there; the next process with that directory, or a drainer of the
//! daemon, claims the file and sends what is left in it. A program that exports to distlogd from OpenTelemetry's SDK
//! appends its batches to a file of another kind, with the same rules. This crate knows the files; the ring itself, and
//! all `unsafe` code for it, is in `distlog-layer`, the sending is done by whoever uses this crate.
//!
//! Read it in this order:
//!
//! 1. [`layout`] — where everything stands in a ring's file; [`SpoolError`] (`error.rs`) — what can go wrong.
//! 2. `header.rs`, `table.rs`, `walk.rs` — the three parts of a ring's file, read from bytes that may be damaged.
//! 3. [`Loss`] (`loss.rs`) — the record that tells of dropped records; `snapshot.rs` — a dead one's records in batches.
//! 4. `owners.rs`, `live.rs`, `lock.rs` — whose a file is; `unpublished.rs` — a file without its name; `allocate.rs` —
//!    its room on the disk.
//! 5. `batches/` — the files of batches: [`BatchSpool`], [`Frame`].
//! 6. [`NewSpool`], [`LiveSpool`] (`create.rs`), [`Dead`] (`dead.rs`), [`SpoolDir`] (`dir.rs`) — putting it together.
//!
//! # The file of a ring
//!
//! `<32 hex digits of the producer's id>.spool`, mode 0600. Words are `u64` of the machine unless said otherwise: a
//! file is drained on the machine that wrote it. Version 1:
//!
//! | at | what |
//! |---|---|
//! | 0 | magic number `DISTLOGS`, stored last when the file is made |
//! | 8 | version of this layout |
//! | 16 | capacity of the ring in bytes, a power of two |
//! | 24 | secret, highest bit set |
//! | 32 | the producer's id, 16 bytes |
//! | 128 | epoch: the last one used |
//! | 256 | acked: the position before which everything is durable in a daemon |
//! | 384 | dropped: five counts by level, ERROR first, since the producer began; time of the first and of the last drop that no record has told of, in ns since the Unix epoch |
//! | 512 | reported: five counts, the drops that records in the stream have told of |
//! | 4096 | the ring |
//! | 4096 + capacity | the table, to the end of the file |
//!
//! A position counts the bytes that were ever reserved in the ring; it stands at `position % capacity`. An entry of the
//! ring begins at a multiple of 16 with two words: its position XOR the secret, stored last, and the tag (upper half,
//! the callsite's number, `u32::MAX`: padding) with the record's length. The end of the ring is not noted anywhere:
//! from `acked` on for `capacity` bytes, an entry is where its first word says so; where none does, the next 16 bytes
//! are looked at. What stood there a lap ago has another position, and a record cannot contain what it does not know:
//! the secret.
//!
//! The table only grows. An entry begins at a multiple of 8 with four `u32`: length, CRC32C of (kind, id, bytes), kind
//! (1 source, 2 callsite), id (the callsite's number). Then come the bytes, ready to be put into a batch. The source is
//! first. The first bad entry ends the table: it is one that its process died over.
//!
//! # The file of batches
//!
//! `<32 hex digits of the producer's id>.batches`, mode 0600. Words as above. Version 1:
//!
//! | at | what |
//! |---|---|
//! | 0 | magic number `DISTLOGB` |
//! | 8 | version of this layout |
//! | 32 | the producer's id, 16 bytes |
//! | 128 | epoch: the last one used |
//! | 256 | acked: the offset before which everything is durable in a daemon |
//! | 384 | dropped: five counts by level, ERROR first, since the producer began |
//! | 512 | frames, to the end of the file |
//!
//! A frame has a `u32` length of the batch, a `u32` CRC32C of (from, to, batch), the offset `from` of its first record
//! and the offset `to` after its last one, then the batch, padded with zeros to a multiple of 8. Each batch explains
//! itself. Offsets go up, with holes. A first frame with `from` = `to` = 0 has the source and no records. The first bad
//! frame ends the file: it is one that its process died over, or the file is damaged; the bytes from there on are
//! reported as lost.
//!
//! The fields of the header are written in place, the frames are only appended. Once everything is acknowledged, what
//! is behind the frame of the source is cut off. If 1 MiB of acknowledged frames is in front of the others, and they
//! are the most part, the file is written anew without them, aside, and takes its own name.
//!
//! # Whose a file is
//!
//! Whoever has a POSIX record lock (`fcntl`) on it. The kernel drops it when the process dies, however it dies, and
//! does not care for process ids, which containers use again. A forked child does not inherit it: `flock` and locks of
//! open file descriptions would be kept by a child that lives on with the descriptor of its dead parent.
//!
//! POSIX locks have two traps. They are dropped when the process closes *any* descriptor of the file, and they do not
//! keep the process from itself. So this crate keeps a list of the files that this process has open, compares by device
//! and inode before it opens one, and shows no way to duplicate a descriptor. Entries from before a fork do not count.
//!
//! - To make one: create `<id>.tmp` (nobody's yet), lock it, fill it, rename it to `<id>.spool` or `<id>.batches`.
//! - To take one: look it up in the list, open it, lock it, then compare the file with what has its name now. It may
//!   have been drained and removed in between.
//! - A `.tmp` that can be locked was left by a process that died over making it, and is removed.
//!
//! Taken are files of the user of this process, of root, and of users that are named ([`SpoolDir::with_owners`]): a
//! stranger's file could claim to be any producer's. A symbolic link is not followed; a pipe, a file with a second name
//! and one that a group or everybody can write are not taken. Owner and mode are those of the open file. What is not
//! taken, damaged or of another version is reported and left where it is.
//!
//! # Durability
//!
//! | what happens | what survives |
//! |---|---|
//! | the process ends, panics, is killed (also with `SIGKILL`) | every record whose log call returned, every batch whose append returned: it is in the kernel's page cache |
//! | the machine loses power, or its kernel dies | what the kernel had written out by then: nothing is synced here, a log call could not wait for it |
//! | the disk is full | whatever is in the ring: its room was taken when the file was made. A new callsite may find no room; its records arrive with a nameless one. A batch may find no room: its append fails |
//! | the drainer is killed | everything: it notes what was acknowledged only after it was, and sends the rest again with the same offsets |

mod allocate;
mod batches;
mod create;
mod dead;
mod dir;
mod error;
mod header;
pub mod layout;
mod live;
mod lock;
mod loss;
mod owners;
mod snapshot;
mod table;
mod unpublished;
mod walk;

pub use batches::{BatchSpool, Frame};
pub use create::{LiveSpool, NewSpool};
pub use dead::Dead;
pub use dir::SpoolDir;
pub use error::SpoolError;
pub use loss::{Loss, OWN, own_callsite};
pub use snapshot::DeadBatch;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
