//! The thread that brings segments into columns: those that are full, and those that were sealed as rows because they
//! came too fast, or by an earlier version. It stands back behind everything else.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::packers::Effort;
use super::rewrite::Rewrite;
use super::seal_full::seal_full;
use super::sealed::Sealed;
use super::state::{Segment, Shared};
use super::stats::add;

/// How much it stands back: see `nice(1)`. Threads that help it have this priority, too.
const NICE: i32 = 10;
/// What could not be done is tried again after this time.
const RETRY: Duration = Duration::from_secs(10);
/// So many threads at most make columns of a segment, each of which takes some 8 MiB.
const MAX_THREADS: usize = 8;
/// A half-written segment is given up where so many others wait to be sealed.
const GIVE_UP_AT: usize = 8;

/// Runs until the other ends of `woken` are gone. A message says that a segment is full, or was sealed as rows.
pub(super) fn run(shared: &Shared, woken: &Receiver<()>) {
    // On Linux the priority is that of this thread alone.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!("segments are sealed with the priority of the daemon: {error}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // The other half takes what comes in.
    let most = (cores / 2).clamp(1, MAX_THREADS);
    // What is damaged, or cannot be read, stays as it is until the next start.
    let mut given_up = HashSet::new();
    loop {
        while !shared.stopping.load(Ordering::Relaxed) {
            let (full, left) = shared.update(|state| (state.backlog.take(), state.backlog.len()));
            if let Some(full) = full {
                let threads = left.clamp(1, most);
                seal_full(shared, &full, Effort::Columns { threads });
                continue;
            }
            let Some(sealed) = next(shared, &given_up) else {
                break;
            };
            let rewrite = Rewrite {
                shared,
                sealed: &sealed,
                change: &|_, _| None,
                must: false,
                go_on: &|| go_on(shared),
            };
            match rewrite.run() {
                Ok(Some(_)) => tracing::debug!("{} was sealed again", sealed.path.display()),
                // It is another one meanwhile.
                Ok(None) => {}
                Err(e) if may_pass(&e) => break,
                Err(e) => {
                    add(&shared.counters.seal_errors, 1);
                    let path = sealed.path.display();
                    tracing::debug!("{path} cannot be sealed again: {e}");
                    given_up.insert(sealed.footer.id);
                }
            }
        }
        if woken.recv_timeout(RETRY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

fn may_pass(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The newest segment that is in rows.
fn next(shared: &Shared, given_up: &HashSet<u64>) -> Option<Arc<Sealed>> {
    let state = shared.state();
    state
        .segments
        .iter()
        .rev()
        .find_map(|segment| match segment {
            Segment::Sealed(sealed)
                if sealed.footer.version == 0 && !given_up.contains(&sealed.footer.id) =>
            {
                Some(Arc::clone(sealed))
            }
            _ => None,
        })
}

fn go_on(shared: &Shared) -> io::Result<()> {
    let gives_up = shared.stopping.load(Ordering::Relaxed)
        || shared.erasing.load(Ordering::Relaxed) > 0
        || shared.state().backlog.len() >= GIVE_UP_AT;
    if gives_up {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(())
}
