//! distlogd among programs and servers that know OpenTelemetry and nothing of distlog.
//!
//! `clients.rs`: what OpenTelemetry's SDKs send is in the tree as they said it. `chain.rs`: services with and without
//! distlog ask each other, and it is one tree here and one trace behind. `behind.rs`: what came by OTLP leaves as it
//! came. `json.rs`: OTLP in JSON as its specification has it. They share `programs.rs`, which starts what is written in
//! Python and JavaScript, `receiver.rs`, which takes OTLP, and `tasks.rs`, which finds things in a tree.

mod behind;
mod chain;
mod clients;
mod json;
mod programs;
mod receiver;
mod tasks;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
