//! Configuration: an optional YAML file in which every key is optional.
//!
//! ```yaml
//! listen:
//!   push: tcp://localhost:5010      # ZeroMQ: tcp://HOST:PORT or ipc://PATH; localhost is 127.0.0.1 and ::1;
//!                                   #   beyond loopback with keys, as session:, or else plaintext: true
//!   session: { bind: 'tcp://0.0.0.0:5011', curve: { key: keys/distlogd.key, clients: keys/clients } }
//!   otlp_grpc: localhost:4317
//!   otlp_http: localhost:4318       # for web pages { bind: 'localhost:4318', cors: ['https://shop.example'] }
//!   http: localhost:5080            # port 0 is chosen and printed; `off` closes a receiver; for further names of
//!                                   #   the machine { bind: '0.0.0.0:5080', hosts: [logs.example],
//!                                   #     tls: { cert: tls/cert.pem, key: tls/key.pem, client_ca: tls/ca.pem } }
//!   limits: { connections: 512, peer_connections: 256, peer_bytes_per_second: off }  # of each receiver by TCP
//! store:
//!   path: ./distlog-data
//!   keep: { size: 10GiB, age: 7d }  # `off` for no limit
//!   sync: adaptive                  # or a time like 5ms, or `always`
//!   reserve: 256MiB                 # nothing is accepted while less is free on the disk
//! sources:                          # streams of other daemons: NAME: { nats: {…} }
//!   hub: { nats: { url: 'nats://127.0.0.1:4222', stream: distlog, group: hub } }
//! intake:                           # in order, before anything is stored
//!   - { redact: { fields: [password, authorization], patterns: ['\b\d{13,16}\b'] } }
//!   - { when: 'target == "hyper" && severity < WARN', drop: true }
//!   - { when: 'service == "load-test"', sample: 0.01 }  # by trace
//!   - { when: 'fields.route == "/pay"', set: { fields.team: '"payments"' } }
//! levels: { orders: 'orders=debug' }  # what running programs record beside what they were started with, by service
//! processors:                       # NAME: { KIND: {…}, filter: CONDITION, set: {…}, redact: {…}, from: start | end }
//!   everything: { file: { path: logs/all.jsonl, rotate: { size: 100MiB, keep: 5 } } }
//!   errors: { file: { path: logs/errors.log, format: text }, filter: 'severity >= ERROR' }
//! rules:
//!   - to: [everything]              # without `when` every record goes there
//!   - when: severity >= WARN && service == "orders"
//!     to: [errors]
//! lost_after: 60s                   # a task is lost so long after its producer fell silent
//! grace: 10s                        # time for a clean shutdown
//! drain: [/var/spool/shop]          # directories of spools: records that dead processes left there are stored
//! ```
//!
//! Without a file everything is on loopback, the store in `./distlog-data`, and nothing is processed further.
//!
//! In values `${NAME}` and `${NAME:-default}` stand for variables of the environment, `$${` for a literal `${`.
//! Durations may be compound (`1d12h`).
//!
//! All faults are reported at once, each with line and column (`yaml/`). `document.rs` is the shape of the file, and
//! its JSON Schema, with `sections.rs`, `receivers.rs` and `sources.rs`. `load.rs` checks what no type can: names,
//! conditions (`position.rs`), what rules change (`changes.rs`), variables (`environment.rs`), conflicts
//! (`conflicts.rs`), processors that were not built in (`not_built.rs`), certificates (`tls.rs`), files of tokens
//! (`tokens.rs`) and paths of a shell (`tilde.rs`).
//! `sensitive.rs` finds what others must not read.

mod changes;
mod conflicts;
mod document;
mod environment;
mod load;
mod not_built;
mod position;
pub(crate) mod receivers;
mod sections;
mod sensitive;
mod sources;
#[cfg(test)]
mod tests;
mod tilde;
mod tls;
mod tokens;

pub use crate::intake::SyncPolicy;
pub use crate::processors::StartAt;
pub use crate::yaml::{Fault, Faults};
pub use document::schema;
pub use load::load;
pub use receivers::{Http, Zmq};
pub use sections::{Config, Drain, Entry, Keep, Limits, Listen, Store};
pub(crate) use sources::NamedSource;
#[cfg(feature = "nats")]
pub(crate) use sources::SourceKind;
