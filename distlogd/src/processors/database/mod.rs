//! What processors for databases share: the columns of the table `records`, a record as a row of them, and what a
//! record tells about its task for the table `tasks`.
//!
//! Read it in this order: `column.rs`, `row.rs`, `task.rs`.

mod column;
mod row;
mod task;
#[cfg(test)]
mod tests;

pub use column::Column;
#[allow(unused_imports)] // Without a database its tests alone are built.
pub use column::ColumnType;
pub use row::{Cell, Row, Scratch};
#[allow(unused_imports)] // `clickhouse` has no table of tasks.
pub use task::{TaskChange, TaskEvent};
