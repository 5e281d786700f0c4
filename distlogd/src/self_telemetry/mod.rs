//! What the daemon says about itself: metrics, records in its own store, and log lines at a limited rate.
//!
//! `metrics.rs` is the one table of all metrics (listed for users in `docs/metrics.md`), `scrape.rs` the figures that
//! are read when somebody asks. `own_records.rs` writes records into the store, `producer_drops.rs` counts what
//! producers dropped, `rejected_input.rs` what receivers could not take. `rate_limited.rs` keeps each of them from
//! filling the log, `last_error.rs` keeps the last error of each, `reports.rs` the last warnings of the log,
//! `alert_status.rs` which alerts fire.

mod alert_status;
mod last_error;
mod metrics;
mod own_records;
mod producer_drops;
mod rate_limited;
mod rejected_input;
mod reports;
mod scrape;

pub(crate) use alert_status::MAX_SHOWN as MAX_SHOWN_ALERTS;
pub use alert_status::{AlertStatus, FiringAlert};
pub use last_error::TimedError;
pub(crate) use metrics::AlertMetrics;
pub(crate) use metrics::IntakeCounters;
#[cfg(feature = "otlp-export")]
pub use metrics::OtlpCounters;
pub use metrics::{Metrics, Progress, TreeCounters};
pub use own_records::OwnRecords;
pub(crate) use producer_drops::{ProducerDrops, ProducerInfo};
pub(crate) use rate_limited::{OncePerKey, RateLimited};
pub(crate) use rejected_input::RejectedInput;
pub use reports::Report;
pub(crate) use reports::{Reports, reports};
pub(crate) use scrape::Scrape;
pub(crate) use scrape::WorkerList;
