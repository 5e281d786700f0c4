//! What the tests of OTLP share.

#![allow(dead_code)] // Each test uses some of it.

pub mod collector;
