//! Stories across real processes: programs, daemons, Python, Node, OpenTelemetry and databases.

mod across_processes;
mod alerts;
mod bad_input;
mod beside;
mod clocks;
mod curve;
mod databases;
mod deep;
mod delivery;
mod deployments;
mod earlier_version;
mod exporters;
mod exporters_spool;
mod grpc;
mod intake;
mod levels;
mod loopback;
mod notify;
mod opentelemetry;
mod package;
mod reload;
mod sampling;
mod sessions;
mod torture;
mod trees;
mod web_pages;
