//! Destinations and sources that are servers of their own, real ones.

mod nats;
