//! What a token may, and what a request needs.

use std::fmt;
use std::sync::Arc;

use distlog_proto::BatchRef;
use distlog_store::ShowFn;
use serde::Deserialize;

/// What a token may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Right {
    /// Send records.
    Ingest,
    /// Ask for what is stored.
    Read,
    /// Delete.
    Admin,
}

impl Right {
    /// As the file of tokens has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Right::Ingest => "ingest",
            Right::Read => "read",
            Right::Admin => "admin",
        }
    }
}

/// The right that a request needs, least first. A path that declares nothing needs the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Needs {
    /// Nothing: it tells nothing about records.
    Nothing,
    /// To send records.
    Ingest,
    /// To read. The answer has only what the token's services stored.
    Read,
    /// To read what all services stored: the answer cannot be limited to some.
    ReadAll,
    /// To change what is stored.
    #[default]
    Admin,
}

impl Needs {
    /// The right, if one is needed.
    pub(crate) fn right(self) -> Option<Right> {
        match self {
            Needs::Nothing => None,
            Needs::Ingest => Some(Right::Ingest),
            Needs::Read | Needs::ReadAll => Some(Right::Read),
            Needs::Admin => Some(Right::Admin),
        }
    }
}

/// The services whose records a token may read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Services(Arc<[String]>);

impl Services {
    pub(crate) fn new(names: Vec<String>) -> Services {
        Services(names.into())
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// Which batches of the store are shown.
    pub(crate) fn show(&self) -> ShowFn {
        let services = self.clone();
        Arc::new(move |batch| services.has(batch))
    }

    /// Whether an encoded batch is of one of them. As people see it, a program without the name of a service is that
    /// of its process.
    fn has(&self, batch: &[u8]) -> bool {
        // Valid when it was stored.
        BatchRef::parse(batch).is_ok_and(|batch| {
            let source = batch.source();
            self.have(source.service, source.process_name)
        })
    }

    /// Whether records of a service, or of a process that names none, are of them.
    pub(crate) fn have(&self, service: &str, process_name: &str) -> bool {
        let name = match service {
            "" => process_name,
            service => service,
        };
        self.0.iter().any(|service| service == name)
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
