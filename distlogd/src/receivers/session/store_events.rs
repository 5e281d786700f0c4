//! What the thread that writes the store tells the session receiver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::shutdown::Waker;

/// What happened to batches that a session gave to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreEvent {
    /// The offset at which the producer resumes, durably.
    ResumeAt { session: u64, offset: u64 },
    /// All before `to` is durable.
    Durable { session: u64, to: u64 },
    /// A batch did not begin at its producer's position: another sender has brought records of it.
    Gap { session: u64 },
    /// A batch can never be stored.
    Refused { session: u64 },
}

/// A list of events that wakes its reader.
#[derive(Debug)]
pub(super) struct StoreEvents {
    list: Mutex<Vec<StoreEvent>>,
    waker: Arc<Waker>,
}

impl StoreEvents {
    pub(super) fn new(waker: Arc<Waker>) -> StoreEvents {
        StoreEvents {
            list: Mutex::default(),
            waker,
        }
    }

    /// Adds an event. Only the first one wakes.
    pub(super) fn put(&self, event: StoreEvent) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let first = list.is_empty();
        list.push(event);
        drop(list);
        if first {
            self.waker.wake();
        }
    }

    /// Takes all. Only the furthest `Durable` of each session is kept, behind the other events.
    pub(super) fn take(&self) -> Vec<StoreEvent> {
        self.waker.reset();
        let list = std::mem::take(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner));
        let mut furthest: HashMap<u64, u64> = HashMap::new();
        let mut others = Vec::new();
        for event in list {
            match event {
                StoreEvent::Durable { session, to } => {
                    let known = furthest.entry(session).or_default();
                    *known = to.max(*known);
                }
                other => others.push(other),
            }
        }
        let durable = furthest.into_iter();
        others.extend(durable.map(|(session, to)| StoreEvent::Durable { session, to }));
        others
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn is_awake(events: &StoreEvents) -> bool {
        let mut items = [zmq::PollItem::from_fd(events.waker.fd(), zmq::POLLIN)];
        zmq::poll(&mut items, 0).unwrap() > 0
    }

    #[test]
    fn many_events_wake_once_and_the_furthest_counts() {
        let events = StoreEvents::new(Arc::new(Waker::new().unwrap()));
        assert!(!is_awake(&events) && events.take().is_empty());
        for to in [10, 30, 20] {
            events.put(StoreEvent::Durable { session: 1, to });
        }
        events.put(StoreEvent::ResumeAt {
            session: 2,
            offset: 5,
        });
        assert!(is_awake(&events));
        assert_eq!(
            events.take(),
            [
                StoreEvent::ResumeAt {
                    session: 2,
                    offset: 5
                },
                StoreEvent::Durable { session: 1, to: 30 }
            ]
        );
        assert!(!is_awake(&events));
        events.put(StoreEvent::Gap { session: 1 });
        assert!(is_awake(&events));
    }

    #[test]
    fn none_is_lost_between_threads() {
        let events = Arc::new(StoreEvents::new(Arc::new(Waker::new().unwrap())));
        let own = Arc::clone(&events);
        let thread = std::thread::spawn(move || {
            (0..20_000).for_each(|session| own.put(StoreEvent::Gap { session }));
        });
        let mut seen = 0;
        while seen < 20_000 {
            let mut items = [zmq::PollItem::from_fd(events.waker.fd(), zmq::POLLIN)];
            let timeout = i64::try_from(Duration::from_secs(30).as_millis()).unwrap();
            assert_eq!(zmq::poll(&mut items, timeout).unwrap(), 1, "after {seen}");
            seen += events.take().len();
        }
        thread.join().unwrap();
    }
}
