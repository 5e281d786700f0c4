//! OTLP in and out, from clients of all manners, with a real daemon.

mod bad_requests;
mod export;
mod limits;
mod receive;
mod refusals;
mod spans;
mod unusual;
