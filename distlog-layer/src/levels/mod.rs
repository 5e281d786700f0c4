//! Levels that change while the program runs: what it records by target, and of which tasks more.
//!
//! `state.rs` — [`LevelState`]: what was said, by whom and for how long; `table.rs` — [`Table`]: what of it callers
//! look at; `raise.rs` — [`Raise`]: a task of which more is recorded. The filter itself is in
//! `task/levels_filter.rs`.

mod raise;
mod state;
mod table;

pub(crate) use raise::{OpenRaise, Raise};
pub(crate) use state::{LevelState, WITHOUT, takes};
pub(crate) use table::Table;
