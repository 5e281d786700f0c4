//! A way in for records: the trait that every receiver is, the daemon's own and those that
//! [`Builder::receiver`](crate::daemon::Builder::receiver) registers.
//!
//! `context.rs` is what a receiver is given, `validate.rs` checks batches of encoding B before they are stored. The
//! daemon's receivers are in `receivers/`.

mod context;
mod validate;

use std::io;

pub use context::{ReceiverContext, SubmitError};
pub use validate::LeftOut;
pub(crate) use validate::{Checked, Validated, check, validate};

/// A way in for records, bound to its address: all that the daemon knows of one.
pub trait Receiver: Send {
    /// Where it listens.
    fn endpoints(&self) -> Vec<Endpoint>;

    /// Starts to take records. Called once; the receiver stops by itself when [`ReceiverContext::is_stopping`].
    ///
    /// # Errors
    /// If the system gives no thread.
    fn start(&mut self, context: ReceiverContext) -> io::Result<()>;

    /// Whether it has stopped: everything that it took was handed to the store.
    fn is_stopped(&self) -> bool;

    /// Waits for its end. Called when the store is closed, so that the last answers can be given.
    fn wait(&mut self);
}

/// Where a receiver listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name in the configuration.
    pub receiver: &'static str,
    /// The address that clients connect to.
    pub address: String,
}
