//! The thread that writes segments in columns which were sealed as rows: those that came too fast, and those of
//! earlier versions. It stands back behind everything else.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::rewrite::Rewrite;
use super::sealed::Sealed;
use super::state::{Segment, Shared};
use super::stats::add;

/// How much it stands back: see `nice(1)`.
const NICE: i32 = 15;
/// What could not be done is tried again after this time.
const RETRY: Duration = Duration::from_secs(10);
/// So long a half-written segment waits for others to be sealed before it is given up.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Runs until the other end of `woken` is gone. A message says that a segment was sealed.
pub(super) fn run(shared: &Shared, woken: &Receiver<()>) {
    // On Linux the priority is that of this thread alone.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!("segments are sealed again with the priority of the daemon: {error}");
    }
    // What is damaged, or cannot be read, stays as it is until the next start.
    let mut given_up = HashSet::new();
    loop {
        while let Some(sealed) = next(shared, &given_up) {
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

/// The newest segment that is in rows, when nothing else is to be done.
fn next(shared: &Shared, given_up: &HashSet<u64>) -> Option<Arc<Sealed>> {
    if shared.stopping.load(Ordering::Relaxed) {
        return None;
    }
    let state = shared.state();
    if state.backlog > 0 {
        return None;
    }
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
    let stops =
        || shared.stopping.load(Ordering::Relaxed) || shared.erasing.load(Ordering::Relaxed) > 0;
    if !stops() && shared.state().backlog > 0 {
        shared.wait(MAX_PAUSE, |state| state.backlog == 0 || stops());
    }
    if stops() || shared.state().backlog > 0 {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(())
}
