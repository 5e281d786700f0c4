//! Levels of running programs: what they record on top of what they were started with.
//!
//! `table.rs` — [`LevelTable`]: what was set, by whom and for how long, and which processes apply it; `entry.rs` — one
//! that was set; `file.rs` keeps those in a file, so that a daemon that is started again goes on with them; `shown.rs`
//! is how the API shows it. The session receiver says them to programs, and is told in pings what they apply.

mod entry;
mod file;
mod shown;
mod table;

pub use entry::{Scope, Wanted};
pub use shown::{LevelOverride, LevelProcess, LevelsShown};
pub use table::{LevelTable, Raised, SetError};
