//! The ring: what the calling threads write and the sender reads.
//!
//! A lock-free ring of bytes for many producers and one consumer, in a memory map. A position is absolute: it counts
//! the bytes written since the ring began and never falls, so the position of a record is also its sequence number
//! (`offset`); numbers in between are holes. The map is anonymous memory, or the front of a file (a *spool*): then
//! every record whose [`Ring::push`] returned survives the process, however that ends.
//!
//! Read in this order: `entry.rs` (an entry's two words), `live.rs` (the positions), `mirror.rs` (what of them a file
//! has a copy of), `writer.rs` (reserve, copy, commit), `lease.rs` and `slot.rs` (how threads stay out of each other's
//! way), `reader.rs` (read, go back, free), `counters.rs` (drops and epochs), `spool.rs` and `open.rs` (the file, and
//! making a ring); then the memory: `map.rs` and `sigbus.rs` (a file whose memory is taken away), `loom_map.rs` (the
//! same memory as loom can follow it). `fork.rs` says how a child process notices that it is one, `exit.rs` how the
//! end of a process is noticed, `points.rs` where the tests kill a process. `unsafe` is in `map.rs`, `sigbus.rs`,
//! `fork.rs` and `exit.rs` alone.
//!
//! # An entry
//!
//! ```text
//! ┌──────────────────┬─────────────┬─────────┬──────────────────────┬──────────┐
//! │ commit word: u64 │ length: u32 │ tag: u32│ the record           │ up to 16 │
//! │ position ^ secret│             │         │                      │          │
//! └──────────────────┴─────────────┴─────────┴──────────────────────┴──────────┘
//! ```
//!
//! A producer moves `head` on (it reserves), writes length, tag and record, and stores the commit word last, with
//! Release. The consumer stops at the first entry whose commit word is not the one of its position. Where an entry
//! would not fit before the end of the memory, an entry with the tag `PADDING` fills the rest. So it does with what a
//! thread reserved and does not need (`lease.rs`); the reader may write it, too, since it first takes those bytes away
//! from the thread.
//!
//! # Why nothing is read while it is written
//!
//! The consumer looks only at positions where an entry begins, so what it polls is a commit word, which is only ever
//! stored atomically in its lap. Bytes of the lap before are the consumer's until it stores `tail` with Release, and a
//! producer has loaded that `tail` with Acquire before it reserves them. Where the consumer goes back, it goes to an
//! entry that is not freed, and where it is told to free up to a position that it does not stand at, it looks whether
//! an entry begins there: all bytes before its own position are committed ones.
//!
//! # Recovery
//!
//! `head`, `tail` and the counters are in the process's own memory: what goes wrong with a file cannot move them. The
//! file has `acked` (a copy of `tail`), and copies of the counters; `head` it does not need. Whoever recovers it goes
//! through the positions from `acked` to `acked` + capacity, takes an entry where the commit word is that of the
//! position, and goes on by 16 bytes where it is not. The secret keeps a record's bytes from looking like a commit
//! word, and the position in it keeps the laps before apart. So a kill means:
//!
//! | killed | what is found |
//! |---|---|
//! | after reserving, in the midst of length, record, or padding | not this record (its push did not return), but all that others committed behind it |
//! | with leases | what was committed in them; their rests are holes |
//! | after the commit of padding | padding, and behind it nothing of this producer |
//! | after the commit word | the record, whether or not the call returned |
//! | when a drop is counted | the drop, or not: the call did not return |
//! | before `acked` is stored in the file | what was freed comes again, and is recognised by its offset |
//! | after that, before `tail` is in memory | what was freed is not looked at, and not yet overwritten |
//!
//! The last two are why the file comes first: a producer overwrites only what the file does not claim any more.
//!
//! A forked child has the map of the file in common with its parent. It neither writes nor frees there ([`ForkMark`]
//! tells it), and dropping its copy of the ring unmaps and closes, no more.
//!
//! # When the memory is taken away
//!
//! Who shortens the file takes its memory away, and so does a disk that fails. `sigbus.rs` then puts zeroed memory in
//! the place of each page that is met; the ring goes on, but is *torn*: committed entries are gone, and a consumer that
//! waits for one would wait for ever. So in a torn ring the consumer steps over a place without a commit word once it
//! stood before it for a second, to the next valid entry or else the `head` of that moment, and counts the bytes. A
//! record that crosses from a page that remained into one that did not arrives with zeros in it.
//!
//! In a torn ring, and in no other, a producer that sleeps between reserving and committing for longer than that second
//! is overtaken: its record is lost, and if the ring goes round before it wakes, its bytes lie in the midst of another
//! record, which arrives damaged. It still stays within the bytes that it reserved, so nothing but the content of
//! records is at stake; in looking for the next valid entry the consumer also compares words that a producer may just
//! be writing as part of a record, and uses them for nothing else.

mod counters;
mod entry;
mod exit;
mod fork;
mod lease;
mod live;
#[cfg(loom)]
mod loom_map;
#[cfg(not(loom))]
mod map;
mod mirror;
mod open;
mod points;
mod reader;
#[cfg(not(loom))]
mod sigbus;
mod slot;
mod spool;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use entry::{Entry, Pushed, Refused};
pub(crate) use exit::at_exit;
pub(crate) use fork::ForkMark;
pub(crate) use reader::Reader;
pub(crate) use writer::Ring;
