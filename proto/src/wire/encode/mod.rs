//! Writes the messages of `distlog/v1/*.proto`.
//!
//! The layer and the bridge write their records piece by piece with these functions: `fields.rs` (values with their
//! names), `heads.rs` (what stands around them). Whole records in owned form (`whole.rs`) go through
//! [`super::BatchWriter`].

mod fields;
mod heads;
mod whole;

pub use fields::{ITEMS, Key, Scalar, fields, list_with, map_with, scalar, text_with, value};
pub use heads::{
    CallsiteHead, LINK_ATTRIBUTES, LinkHead, OTLP_BODY, OtlpRest, SCOPE_ATTRIBUTES,
    SOURCE_RESOURCE, ScopeHead, SourceHead, TaskHead, callsite_of, error, link_with, scope_with,
    source_with,
};
pub use whole::{callsite, link, record, source, task};
