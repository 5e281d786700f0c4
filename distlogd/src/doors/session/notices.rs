//! What the thread that writes the store tells the door.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

/// Something happened to what a session gave to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// Its producer stands there, durably.
    Stands { session: u64, to: u64 },
    /// All that it sent is durable up to there.
    Durable { session: u64, to: u64 },
    /// A batch did not begin where its producer stands: somebody else has brought records of it.
    Gap { session: u64 },
    /// A batch can never be stored.
    Refused { session: u64 },
}

/// A list that wakes who waits for its file descriptor.
#[derive(Debug)]
pub(super) struct Notices {
    list: Mutex<Vec<Notice>>,
    event: OwnedFd,
}

impl Notices {
    pub(super) fn new() -> io::Result<Notices> {
        Ok(Notices {
            list: Mutex::default(),
            event: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        })
    }

    /// Is readable when there are some.
    pub(super) fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Puts one into the list; only the first one wakes.
    pub(super) fn put(&self, notice: Notice) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let first = list.is_empty();
        list.push(notice);
        drop(list);
        if first {
            self.wake();
        }
    }

    /// Wakes without a notice.
    pub(super) fn wake(&self) {
        // It can only fail because it is full, and then whoever waits wakes in any case.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    /// Takes all. Of several notices that a session's records are durable the furthest is left, behind the others.
    pub(super) fn take(&self) -> Vec<Notice> {
        // First this: what comes after it wakes again.
        let _ = rustix::io::read(&self.event, &mut [0u8; 8]);
        let list = std::mem::take(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner));
        let mut furthest: HashMap<u64, u64> = HashMap::new();
        let mut others = Vec::new();
        for notice in list {
            match notice {
                Notice::Durable { session, to } => {
                    let known = furthest.entry(session).or_default();
                    *known = to.max(*known);
                }
                other => others.push(other),
            }
        }
        let durable = furthest.into_iter();
        others.extend(durable.map(|(session, to)| Notice::Durable { session, to }));
        others
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn is_awake(notices: &Notices) -> bool {
        let mut items = [zmq::PollItem::from_fd(notices.fd(), zmq::POLLIN)];
        zmq::poll(&mut items, 0).unwrap() > 0
    }

    #[test]
    fn many_notices_wake_once_and_the_furthest_counts() {
        let notices = Notices::new().unwrap();
        assert!(!is_awake(&notices) && notices.take().is_empty());
        for to in [10, 30, 20] {
            notices.put(Notice::Durable { session: 1, to });
        }
        notices.put(Notice::Stands { session: 2, to: 5 });
        assert!(is_awake(&notices));
        assert_eq!(
            notices.take(),
            [
                Notice::Stands { session: 2, to: 5 },
                Notice::Durable { session: 1, to: 30 }
            ]
        );
        assert!(!is_awake(&notices));
        notices.put(Notice::Gap { session: 1 });
        assert!(is_awake(&notices));
    }

    #[test]
    fn none_is_lost_between_threads() {
        let notices = std::sync::Arc::new(Notices::new().unwrap());
        let own = std::sync::Arc::clone(&notices);
        let thread = std::thread::spawn(move || {
            (0..20_000).for_each(|session| own.put(Notice::Gap { session }));
        });
        let mut seen = 0;
        while seen < 20_000 {
            let mut items = [zmq::PollItem::from_fd(notices.fd(), zmq::POLLIN)];
            let timeout = i64::try_from(Duration::from_secs(30).as_millis()).unwrap();
            assert_eq!(zmq::poll(&mut items, timeout).unwrap(), 1, "after {seen}");
            seen += notices.take().len();
        }
        thread.join().unwrap();
    }
}
