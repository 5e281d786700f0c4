//! Encoding `B`: protobuf, read in place and written by hand.
//!
//! The contract is in `distlog/v1/record.proto` and `distlog/v1/batch.proto`; generated code would copy every string of
//! every record, so this module walks the bytes itself ([protobuf
//! encoding](https://protobuf.dev/programming-guides/encoding/)). Read it in this order: `scan.rs` (tags and lengths,
//! bounded), `put.rs` (the same, writing), `once.rs` (names that stand twice), `value_ref.rs`, `batch_head.rs` (what
//! records share), `record_ref.rs` with `task_ref.rs`, `error_ref.rs`, `link_ref.rs` and `otlp_ref.rs`, `batch_ref.rs`,
//! `record_header.rs` (reading), `parts.rs` (what of it somebody reads), `encode/`, `batch_writer.rs` and
//! `raw_batch.rs` (writing), `batch_part.rs` (dividing), `batch_edit.rs` (changing), `removed.rs` (deleting).
//!
//! ```
//! use distlog_proto::{BatchRef, Record, wire::BatchWriter};
//!
//! let record = Record { message: "ready".into(), ..Record::default() };
//! let mut batch = BatchWriter::new();
//! batch.push(&record);
//! let bytes = batch.finish();
//! let batch = BatchRef::parse(&bytes)?;
//! for record in batch.records() {
//!     assert_eq!(record?.message, "ready");
//! }
//! # Ok::<(), distlog_proto::wire::DecodeError>(())
//! ```

mod batch_edit;
mod batch_head;
mod batch_part;
mod batch_ref;
mod batch_writer;
pub mod encode;
mod error_ref;
mod link_ref;
mod once;
mod otlp_ref;
mod parts;
pub mod put;
mod raw_batch;
mod record_header;
mod record_ref;
mod removed;
pub mod scan;
mod task_ref;
mod value_ref;

pub use batch_edit::{BatchEdit, DoesNotFit};
pub use batch_head::{CallsiteRef, SourceRef};
pub use batch_part::BatchPart;
pub use batch_ref::{BatchRef, Records, trace_ids};
pub use batch_writer::{BatchWriter, record as put_record};
pub use error_ref::ErrorRef;
pub use link_ref::LinkRef;
pub use otlp_ref::OtlpRef;
pub use parts::Parts;
pub use raw_batch::RawBatch;
pub use record_header::RecordHeader;
pub use record_ref::{LevelName, RecordRef};
pub use removed::{REMOVED, REMOVED_RECORD, without_records};
pub use scan::DecodeError;
pub use task_ref::TaskRef;
pub use value_ref::{FieldsRef, ListRef, ValueRef, field_value};

/// Numbers of the fields in `distlog/v1/*.proto`.
pub mod field {
    /// `RecordBatch`.
    pub mod batch {
        #![allow(missing_docs)]
        pub const SOURCE: u32 = 1;
        pub const CALLSITES: u32 = 2;
        pub const RECORDS: u32 = 3;
    }
    /// `Record`.
    pub mod record {
        #![allow(missing_docs)]
        pub const OFFSET: u32 = 1;
        pub const KIND: u32 = 2;
        pub const CALLSITE: u32 = 3;
        pub const TIME: u32 = 4;
        pub const OBSERVED_TIME: u32 = 5;
        pub const SEVERITY: u32 = 6;
        pub const SEVERITY_TEXT: u32 = 7;
        pub const MESSAGE: u32 = 8;
        pub const TASK: u32 = 9;
        pub const NUMBER: u32 = 10;
        pub const THREAD_ID: u32 = 11;
        pub const THREAD_NAME: u32 = 12;
        pub const FIELDS: u32 = 13;
        pub const OUTCOME: u32 = 14;
        pub const DURATION: u32 = 15;
        pub const ERROR: u32 = 16;
        pub const STACK: u32 = 17;
        pub const LINKS: u32 = 18;
        pub const SPAN_KIND: u32 = 19;
        pub const STATUS_CODE: u32 = 20;
        pub const STATUS_MESSAGE: u32 = 21;
        pub const NAME: u32 = 22;
        pub const OTLP: u32 = 23;
        pub const LEVEL: u32 = 24;
        pub const REMOVED: u32 = 25;
    }
    /// `Task`.
    pub mod task {
        #![allow(missing_docs)]
        pub const TRACE_ID: u32 = 1;
        pub const SPAN_ID: u32 = 2;
        pub const PARENT_SPAN_ID: u32 = 3;
        pub const PATH: u32 = 4;
        pub const FLAGS: u32 = 5;
        pub const TRACE_STATE: u32 = 6;
        pub const CONTEXT: u32 = 7;
    }
    /// `trace_id` of `Otlp`.
    pub const OTLP_TRACE_ID: u32 = 13;
}
