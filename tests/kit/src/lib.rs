//! What tests share: a real daemon in a process of its own, and waiting for what must come.
//!
//! `daemon.rs` starts `distlogd` and asks it; `eventually.rs` waits for a condition, never for a time; `process.rs`
//! starts any other program and reads what it prints; `rotel.rs` starts a real server of OpenTelemetry, `postgres.rs`
//! one of PostgreSQL, `clickhouse.rs` one of ClickHouse, `nats.rs` those of NATS; `proxy.rs` is a network that can be
//! cut, `full_disk.rs` a disk that can be full, `files.rs` looks for bytes in files.
//!
//! By features, so that no crate builds more than its tests need: `records.rs` makes records of every kind for
//! proptest, `strict_json.rs` judges JSON, `store_double.rs` is a file system that fails as told, `otlp.rs` is a
//! receiver of OTLP that answers as told.

mod clickhouse;
mod daemon;
mod eventually;
mod files;
mod full_disk;
mod nats;
#[cfg(feature = "otlp")]
pub mod otlp;
mod postgres;
mod process;
mod proxy;
#[cfg(feature = "records")]
pub mod records;
mod rotel;
#[cfg(feature = "store")]
pub mod store_double;
#[cfg(feature = "json")]
pub mod strict_json;

pub use clickhouse::ClickHouse;
pub use daemon::Daemon;
pub use eventually::eventually;
pub use files::has_bytes;
pub use full_disk::FullDisk;
pub use nats::Nats;
pub use postgres::Postgres;
pub use process::Process;
pub use proxy::Proxy;
pub use rotel::Rotel;
