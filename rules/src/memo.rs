//! Values that were looked up in a record: the conditions of one router often ask for the same fields.

use std::cell::Cell;

use super::value::Out;

/// So many paths have a place; what is beyond is looked up each time.
pub(super) const PLACES: usize = 32;

/// Values of one record, each looked up at most once.
pub(super) struct Memo<'a>(Option<[Cell<Option<Out<'a>>>; PLACES]>);

impl<'a> Memo<'a> {
    /// Remembers nothing.
    pub(super) const NONE: Memo<'a> = Memo(None);

    /// For a record, if `places` were given to paths.
    pub(super) fn new(places: usize) -> Memo<'a> {
        match places {
            0 => Memo::NONE,
            _ => Memo(Some([const { Cell::new(None) }; PLACES])),
        }
    }

    /// The value that belongs to a place: looked up, unless it was before.
    #[inline]
    pub(super) fn get(&self, place: Option<u8>, look_up: impl FnOnce() -> Out<'a>) -> Out<'a> {
        let cell = place.and_then(|place| self.0.as_ref()?.get(usize::from(place)));
        let Some(cell) = cell else { return look_up() };
        cell.get().unwrap_or_else(|| {
            let value = look_up();
            cell.set(Some(value));
            value
        })
    }
}
