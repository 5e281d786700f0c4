//! Asks to be called when the process exits: what a ring holds is to be brought away before it is gone.

#[cfg(unix)]
use std::sync::Once;

/// Calls `work` once when the process calls `exit` or returns from `main`; not when it is killed, aborts, or calls
/// `_exit`. A forked child that exits calls it, too. The first `work` counts.
pub(crate) fn at_exit(work: fn()) {
    #[cfg(unix)]
    {
        use std::sync::OnceLock;

        static WORK: OnceLock<fn()> = OnceLock::new();
        static ASKED: Once = Once::new();

        extern "C" fn run() {
            if let Some(work) = WORK.get() {
                // Unwinding out of here would abort the process in the midst of its exit.
                let _ = std::panic::catch_unwind(work);
            }
        }

        let _ = WORK.set(work);
        // SAFETY: `run` is a function without arguments that neither unwinds nor calls `exit`, and it lives as long as
        // the code of this library: `atexit` calls it before a library that is unloaded goes.
        ASKED.call_once(|| _ = unsafe { libc::atexit(run) });
    }
    #[cfg(not(unix))]
    let _ = work;
}
