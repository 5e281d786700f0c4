//! Each example runs as its text says, and the README shows what there is.

mod plugin_slow_tasks;
mod programs;
mod readme;
mod timeless;
