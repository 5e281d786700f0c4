//! OTLP in JSON (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): `schema.rs` says which fields
//! there are, `write.rs` writes what is in protobuf. The receiver `otlp_http` reads it.

pub(crate) mod schema;
mod write;

pub(crate) use write::write;
