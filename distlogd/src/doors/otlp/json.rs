//! OTLP in JSON: read into messages and written as protobuf, so that both go the same way from there.

use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::rpc::Signal;

/// The request in protobuf.
///
/// # Errors
/// What is wrong, with line and column.
pub(super) fn to_protobuf(signal: Signal, text: &[u8]) -> Result<Vec<u8>, String> {
    match signal {
        Signal::Traces => convert::<ExportTraceServiceRequest>(text),
        Signal::Logs => convert::<ExportLogsServiceRequest>(text),
    }
}

fn convert<M: Message + DeserializeOwned>(text: &[u8]) -> Result<Vec<u8>, String> {
    serde_json::from_slice::<M>(text)
        .map(|message| message.encode_to_vec())
        .map_err(|error| error.to_string())
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
