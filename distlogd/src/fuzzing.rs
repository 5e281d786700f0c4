//! Opens readers of what strangers send to the fuzz targets. Nothing for programs.

use crate::http;
use crate::receivers::otlp::json::to_protobuf;
use crate::rpc::Signal;

/// Spans in OTLP/JSON, as protobuf; what is wrong with them.
pub fn traces(json: &[u8]) -> Result<Vec<u8>, String> {
    to_protobuf(Signal::Traces, json)
}

/// The same with log records.
pub fn logs(json: &[u8]) -> Result<Vec<u8>, String> {
    to_protobuf(Signal::Logs, json)
}

/// The query of a request, read as each path of the API reads it.
pub fn query(text: &str) {
    http::read_query(text);
}

/// A frame of a log of decisions about trees, whatever its body: it is read or refused, and comes back as it was.
pub fn decisions(body: &[u8]) {
    crate::trees::read_frame(body);
}
