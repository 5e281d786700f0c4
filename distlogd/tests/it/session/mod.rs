//! The session receiver, seen from a raw socket.

mod disk;
mod kill;
mod load;
mod protocol;
mod tasks;
