//! Where records come in.
//!
//! `hall.rs` is what a door needs, `bind.rs` how one is opened. `push.rs` is the ZeroMQ door that takes all three encodings
//! and acknowledges nothing, `session/` the one that acknowledges, `otlp/` those of
//! OpenTelemetry. `legacy.rs` makes batches of the single records that
//! encodings J and P carry; `check.rs` looks through batches of encoding B before they are stored, `fit.rs` also compares them
//! with what their sender may say.

mod bind;
mod check;
mod fit;
mod hall;
mod legacy;
mod otlp;
mod push;
mod session;

pub use bind::OpenError;
pub(crate) use fit::{Fitting, fit};
pub use hall::{Hall, Received};
pub use otlp::{Bound as BoundOtlp, Otlp};
pub use push::{Bound as BoundPush, Push};
pub use session::{Bound as BoundSession, Session};
