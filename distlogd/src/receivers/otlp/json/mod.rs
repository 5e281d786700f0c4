//! OTLP in JSON: written as protobuf, so that both go the same way from there
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
//!
//! `otlp_json` says which fields there are; `transcode.rs` walks through the text, `scalar.rs` writes single values.

mod scalar;
mod transcode;

use serde_json::json;

use crate::otlp_json::schema;
use crate::rpc::Signal;

/// The request in protobuf.
///
/// # Errors
/// What is wrong, with line and column.
pub(crate) fn to_protobuf(signal: Signal, text: &[u8]) -> Result<Vec<u8>, String> {
    let message = match signal {
        Signal::Traces => &schema::TRACES,
        Signal::Logs => &schema::LOGS,
    };
    // Protobuf is shorter than JSON, but where surrogates stand alone.
    let mut out = Vec::with_capacity(text.len());
    transcode::transcode(message, text, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

/// The answer to a request that was taken.
pub(super) fn response(signal: Signal, refused: Option<(i64, String)>) -> String {
    let Some((count, message)) = refused else {
        return "{}".to_owned();
    };
    let name = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
    };
    // 64-bit integers are text in the JSON of protobuf.
    json!({ "partialSuccess": { name: count.to_string(), "errorMessage": message } }).to_string()
}

/// A `google.rpc.Status`.
pub(super) fn status(code: i32, message: &str) -> String {
    json!({ "code": code, "message": message }).to_string()
}
