//! The destinations. Each is one file or folder: a `Config`, and `open`, which makes the [`Processor`] out of it and a
//! [`Start`] (`start.rs`). To add one, write its file and name it in the three places below.

pub mod console;
pub mod exec;
pub mod file;
pub mod otlp;
pub mod publish;
mod start;

use distlog_proto::{Kind as RecordKind, RecordRef, SpanId, TraceId};
use serde::Deserialize;

use crate::lookup;
use crate::processor::{Error, Processor};

pub use start::Start;

/// What a processor is, as the configuration says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // Each is described in its own file.
pub enum Kind {
    Console(console::Config),
    Exec(exec::Config),
    File(file::Config),
    Otlp(otlp::Config),
    Pub(publish::Config),
}

impl Kind {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Console(_) => "console",
            Kind::Exec(_) => "exec",
            Kind::File(_) => "file",
            Kind::Otlp(_) => "otlp",
            Kind::Pub(_) => "pub",
        }
    }

    /// Makes the processor.
    ///
    /// # Errors
    /// If it cannot be made now; it is tried again.
    pub fn open(&self, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
        match self {
            Kind::Console(config) => console::open(config, start),
            Kind::Exec(config) => exec::open(config, start),
            Kind::File(config) => file::open(config, start),
            Kind::Otlp(config) => open_otlp(config, start),
            Kind::Pub(config) => publish::open(config, start),
        }
    }
}

/// Tells the processor how to find in the store what a task began with.
fn open_otlp(config: &otlp::Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    let (reader, router) = (start.reader.clone(), start.router.clone());
    let find = move |trace: TraceId,
                     span: SpanId,
                     take: &mut dyn FnMut(&RecordRef<'_>)|
          -> Result<(), otlp::FindError> {
        lookup::task(&reader, trace, span, &mut |record| {
            if record.kind != RecordKind::Event || router.takes(record) {
                take(record);
            }
        })
        .map_err(Into::into)
    };
    let processor =
        otlp::open(start.name, config, start.meters, Box::new(find)).map_err(Error::retry)?;
    Ok(Box::new(processor))
}
