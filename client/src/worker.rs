//! [`Worker`]: a thread with a bounded join.
//!
//! What a thread does at its end can take its time: closing a socket waits for a name to be resolved, reading a file
//! for a disk. A program that ends does not wait for that.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Instant;

/// A thread that reports before it ends.
#[derive(Debug)]
pub struct Worker<T> {
    thread: JoinHandle<()>,
    said: Receiver<T>,
}

impl<T: Send + 'static> Worker<T> {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        name: &str,
        work: impl FnOnce(&mpsc::Sender<T>) + Send + 'static,
    ) -> io::Result<Worker<T>> {
        let (say, said) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || work(&say))?;
        Ok(Worker { thread, said })
    }

    /// Waits until it has ended, or to `until`: then it ends by itself. Returns what it said last.
    pub fn end(self, until: Instant) -> Option<T> {
        let mut last = None;
        loop {
            let time = until.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(time) {
                Ok(said) => last = Some(said),
                Err(RecvTimeoutError::Timeout) => return last,
                Err(RecvTimeoutError::Disconnected) => {
                    // It has nothing more to do.
                    let _ = self.thread.join();
                    return last;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nobody_waits_for_one_who_does_not_come_to_an_end() {
        let (end, ended) = mpsc::channel::<()>();
        let worker = Worker::start("slow", move |say| {
            say.send(7).unwrap();
            let _ = ended.recv();
        });
        let until = Instant::now() + Duration::from_millis(50);
        assert_eq!(worker.unwrap().end(until), Some(7));
        assert!(Instant::now() >= until);
        drop(end);
        let long = Instant::now() + Duration::from_secs(20);
        let worker = Worker::start("quick", |say| say.send(8).unwrap());
        assert_eq!(worker.unwrap().end(long), Some(8));
        let worker = Worker::<u8>::start("silent", |_| {});
        assert_eq!(worker.unwrap().end(long), None);
        assert!(Instant::now() < long);
    }
}
