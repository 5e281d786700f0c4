//! The steps at which a process can be killed, for the tests that do it.

/// A step of writing or freeing that is just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// `head` moved on.
    Reserved,
    /// The length word of an entry, or of padding, is written.
    Length,
    /// Half of the record is written.
    #[cfg(all(test, not(loom)))]
    Half,
    /// All of the record is.
    Bytes,
    /// The commit word of padding is stored.
    Padded,
    /// That of the record is.
    Committed,
    /// What was left of a lease is padding.
    Left,
    /// The file says that records are durable elsewhere; the memory does not yet.
    Acked,
    /// The memory does, too.
    Freed,
}

/// Nothing, in a program.
#[cfg(not(all(test, not(loom))))]
#[inline(always)]
pub(super) fn reach(_: Point) {}

#[cfg(all(test, not(loom)))]
pub(super) use killing::{arm, reach};

#[cfg(all(test, not(loom)))]
mod killing {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use super::Point;

    /// Steps until this process is killed; 0: never.
    static LEFT: AtomicU32 = AtomicU32::new(0);
    static PASSED: OnceLock<&'static AtomicU64> = OnceLock::new();

    /// Kills this process at its `steps`th step from here; the steps before it, and it, are noted as bits in `passed`.
    pub(in super::super) fn arm(steps: u32, passed: &'static AtomicU64) {
        let _ = PASSED.set(passed);
        LEFT.store(steps, Ordering::Relaxed);
    }

    /// Ends this process if a test said so.
    pub(in super::super) fn reach(point: Point) {
        if LEFT.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(passed) = PASSED.get() {
            passed.fetch_or(1 << point as u32, Ordering::Relaxed);
        }
        if LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
            // SAFETY: ends this process, from which nothing is expected any more.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            loop {
                std::hint::spin_loop();
            }
        }
    }
}
