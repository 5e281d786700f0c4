//! Notices when a thread without which the daemon is deaf or dumb is gone.
//!
//! A daemon whose store, door or tracker has panicked would go on answering and keep nothing. It must end with an error
//! instead, so that whoever started it starts it again.

use std::sync::Arc;

use tokio::sync::watch;

/// Which vital part is gone, once one is. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Vital(Arc<watch::Sender<Option<&'static str>>>);

impl Default for Vital {
    fn default() -> Vital {
        Vital(Arc::new(watch::Sender::new(None)))
    }
}

/// Held by a vital thread while it runs: if that panics, it is noticed.
#[derive(Debug)]
pub struct Pulse {
    vital: Vital,
    name: &'static str,
}

impl Vital {
    /// For a thread to hold; `name` says for people what it is.
    pub fn pulse(&self, name: &'static str) -> Pulse {
        Pulse {
            vital: self.clone(),
            name,
        }
    }

    /// A part is gone for good.
    pub fn fail(&self, name: &'static str) {
        self.0.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(name);
            first
        });
    }

    /// Which part is gone first; `None` while all is well.
    pub fn failed(&self) -> Option<&'static str> {
        *self.0.borrow()
    }

    /// Waits until a part is gone.
    pub async fn wait(&self) -> &'static str {
        let mut watching = self.0.subscribe();
        loop {
            if let Some(name) = *watching.borrow_and_update() {
                return name;
            }
            // The sender lives as long as we do.
            let _ = watching.changed().await;
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("{} has panicked: the daemon cannot go on", self.name);
            self.vital.fail(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_noticed_and_an_end_is_not() {
        let vital = Vital::default();
        let pulse = vital.pulse("the quiet one");
        std::thread::spawn(move || drop(pulse)).join().unwrap();
        assert_eq!(vital.failed(), None);
        for name in ["the first", "the second"] {
            let pulse = vital.pulse(name);
            let thread = std::thread::spawn(move || {
                let _pulse = pulse;
                panic!("on purpose");
            });
            assert!(thread.join().is_err());
        }
        assert_eq!(vital.failed(), Some("the first"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(vital.wait()), "the first");
    }
}
