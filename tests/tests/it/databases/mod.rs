//! Processors for databases, with real servers.

mod postgres;
