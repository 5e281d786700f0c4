//! Records as OTLP, and back.

mod fixtures;
mod large;
mod log;
mod propagator;
mod request;
mod round_trip;
mod span;
mod values;
