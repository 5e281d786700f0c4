//! How a value of a type of ours passes through `tracing`, which hands it over as a `&dyn Debug` only.
//!
//! While the layer formats a value it arms a slot of the thread. The `Debug` of our types looks whether the slot is
//! armed; if so, it leaves the value there and writes [`MARK`] instead of itself. Where the whole text is the mark, the
//! layer takes the value from the slot; where it is a part of a larger text (`?Some(val(&x))`), the layer formats once
//! more without the slot. Other layers never arm it and see readable text.

use std::cell::{Cell, RefCell};
use std::fmt;

use distlog_proto::Value;

use crate::record::remote_parent::RemoteParent;

/// What our types write in place of themselves. No text of a program looks like it.
pub(crate) const MARK: &str = "\u{1}distlog\u{2}";

/// What came through.
pub(crate) enum Captured {
    /// A value with its structure.
    Value(Value),
    /// Where an imported task comes from.
    RemoteParent(Box<RemoteParent>),
}

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static SLOT: RefCell<Option<Captured>> = const { RefCell::new(None) };
}

/// Runs `format` with the slot armed and returns what came through.
pub(crate) fn during(format: impl FnOnce()) -> Option<Captured> {
    let _restore = Restore(ARMED.replace(true));
    format();
    // Disarmed: something was left.
    if ARMED.get() {
        None
    } else {
        SLOT.try_with(|slot| slot.try_borrow_mut().ok()?.take())
            .ok()?
    }
}

/// Called by the `Debug` of our types: leaves what `make` gives in the slot, if it is armed.
///
/// Returns whether [`MARK`] is to be written.
pub(crate) fn offer(make: impl FnOnce() -> Option<Captured>) -> bool {
    if !ARMED.replace(false) {
        return false;
    }
    let left = make().is_some_and(|captured| {
        SLOT.try_with(|slot| {
            slot.try_borrow_mut()
                .map(|mut slot| *slot = Some(captured))
                .is_ok()
        })
        .unwrap_or(false)
    });
    if !left {
        ARMED.set(true);
    }
    left
}

impl fmt::Debug for RemoteParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if offer(|| Some(Captured::RemoteParent(Box::new(self.clone())))) {
            return f.write_str(MARK);
        }
        self.show(f)
    }
}

/// Brings back the state around a value that is logged while another is formatted.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        ARMED.set(self.0);
    }
}
