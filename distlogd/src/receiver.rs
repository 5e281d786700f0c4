//! A way in for records, for daemons that register one of their own: see
//! [`Builder::receiver`](crate::daemon::Builder::receiver).

pub use crate::receivers::{Endpoint, LeftOut, Receiver, ReceiverContext, SubmitError};
