//! The ring against a model, under threads, killed, robbed of its memory, and (with `--cfg loom`) under every order of
//! memory accesses.

#[cfg(not(loom))]
mod child;
#[cfg(not(loom))]
mod file;
#[cfg(not(loom))]
mod killed;
#[cfg(not(loom))]
mod leases;
#[cfg(loom)]
mod loom_ring;
#[cfg(not(loom))]
mod ring;
#[cfg(not(loom))]
mod story;
#[cfg(not(loom))]
mod taken;
