//! What the tools that measure share: what the system knows of processes, programs beside ours, results and plots.

pub mod peer;
pub mod plot;
pub mod results;
pub mod system;
