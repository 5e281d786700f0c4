//! [`Waker`]: ends a thread's sleep.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends a thread's sleep: a pipe, so that the thread can sleep on its sockets at the same time. Nobody writes to it
/// while the thread is awake.
#[derive(Debug)]
pub struct Waker {
    reader: PipeReader,
    writer: PipeWriter,
    sleeping: AtomicBool,
}

impl Waker {
    /// A waker of one thread.
    ///
    /// # Errors
    /// If the system gives no pipe.
    pub fn new() -> std::io::Result<Waker> {
        let (reader, writer) = std::io::pipe()?;
        Ok(Waker {
            reader,
            writer,
            sleeping: AtomicBool::new(false),
        })
    }

    /// Whether the thread sleeps, as far as the caller can know.
    #[inline]
    pub fn is_sleeping(&self) -> bool {
        self.sleeping.load(Ordering::Relaxed)
    }

    /// Wakes the thread if it sleeps; without a system call if not.
    pub fn wake(&self) {
        // In one order with `begin` and whatever the thread looks at after it: either it sees that, or we see it
        // asleep.
        if self.sleeping.load(Ordering::SeqCst) && self.sleeping.swap(false, Ordering::SeqCst) {
            // One byte for each sleep at most, so there is always room.
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// The thread's: from here on it may be woken.
    pub fn begin(&self) {
        self.sleeping.store(true, Ordering::SeqCst);
    }

    /// The thread's: what becomes readable when it is woken.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// The thread's: it is awake. `woken`: the descriptor was readable.
    pub fn end(&self, woken: bool) {
        self.sleeping.store(false, Ordering::Relaxed);
        if woken {
            let _ = (&self.reader).read(&mut [0; 64]);
        }
    }
}
