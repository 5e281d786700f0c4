//! Values that were looked up in a record: the conditions of one router often ask for the same fields.

use std::cell::Cell;

use super::value::Out;

/// Paths with a slot; the others are looked up each time.
pub(super) const SLOTS: usize = 32;

/// Values of one record, each looked up at most once.
pub(super) struct Memo<'a>(Option<[Cell<Option<Out<'a>>>; SLOTS]>);

impl<'a> Memo<'a> {
    /// Remembers nothing.
    pub(super) const NONE: Memo<'a> = Memo(None);

    /// For a record, if `slots` were given to paths.
    pub(super) fn new(slots: usize) -> Memo<'a> {
        match slots {
            0 => Memo::NONE,
            _ => Memo(Some([const { Cell::new(None) }; SLOTS])),
        }
    }

    /// The value that belongs to a slot: looked up, unless it was before.
    #[inline]
    pub(super) fn get(&self, slot: Option<u8>, look_up: impl FnOnce() -> Out<'a>) -> Out<'a> {
        let cell = slot.and_then(|slot| self.0.as_ref()?.get(usize::from(slot)));
        let Some(cell) = cell else { return look_up() };
        cell.get().unwrap_or_else(|| {
            let value = look_up();
            cell.set(Some(value));
            value
        })
    }
}
