//! Stops the daemon when a thread has failed that it cannot do without.
//!
//! With a panicked store, receiver or tracker the daemon would go on answering and keep nothing. It ends with an error
//! instead, so that its service manager restarts it.

use std::sync::Arc;

use tokio::sync::watch;

/// Which part has failed, once one has. Clones share it.
#[derive(Debug, Clone)]
pub struct Supervisor(Arc<watch::Sender<Option<&'static str>>>);

impl Default for Supervisor {
    fn default() -> Supervisor {
        Supervisor(Arc::new(watch::Sender::new(None)))
    }
}

/// Held by a thread while it runs: the supervisor hears of its panic.
#[derive(Debug)]
pub struct Watched {
    supervisor: Supervisor,
    name: &'static str,
}

impl Supervisor {
    /// For a thread to hold; `name` says what it is.
    pub fn watch(&self, name: &'static str) -> Watched {
        Watched {
            supervisor: self.clone(),
            name,
        }
    }

    /// A part has failed for good.
    pub fn fail(&self, name: &'static str) {
        self.0.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(name);
            first
        });
    }

    /// The part that failed first; `None` while all run.
    pub fn failed(&self) -> Option<&'static str> {
        *self.0.borrow()
    }

    /// Waits until a part has failed.
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

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("{} has panicked: the daemon cannot go on", self.name);
            self.supervisor.fail(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_noticed_and_an_end_is_not() {
        let supervisor = Supervisor::default();
        let watched = supervisor.watch("the quiet one");
        std::thread::spawn(move || drop(watched)).join().unwrap();
        assert_eq!(supervisor.failed(), None);
        for name in ["the first", "the second"] {
            let watched = supervisor.watch(name);
            let thread = std::thread::spawn(move || {
                let _watched = watched;
                panic!("on purpose");
            });
            assert!(thread.join().is_err());
        }
        assert_eq!(supervisor.failed(), Some("the first"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(supervisor.wait()), "the first");
    }
}
