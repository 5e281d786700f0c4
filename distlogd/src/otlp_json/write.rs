//! A message in protobuf is written as JSON.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use distlog_proto::wire::scan::{self, Payload, Scan};
use distlog_python::json::write_str;

use super::schema::{Field, Kind, Message, Times};

/// Writes a message as a JSON object: the fields in the order of the schema, without those that have their default.
/// What is malformed is left out.
pub(crate) fn write(message: &Message, bytes: &[u8], out: &mut Vec<u8>) {
    let found: Vec<scan::Field<'_>> = Scan::new("OTLP", bytes).map_while(Result::ok).collect();
    out.push(b'{');
    let mut first = true;
    for field in message.0 {
        let mut values = found.iter().filter(|value| value.number == field.number);
        let start = out.len();
        if !first {
            out.push(b',');
        }
        write_str(out, field.name);
        out.push(b':');
        let written = match field.times {
            Times::Many => write_list(field, values, out),
            Times::Once | Times::Choice => values
                .next_back()
                .is_some_and(|value| write_value(field, value.payload, out)),
        };
        if written {
            first = false;
        } else {
            out.truncate(start);
        }
    }
    out.push(b'}');
}

/// False if there is nothing to list.
fn write_list<'a>(
    field: &Field,
    values: impl Iterator<Item = &'a scan::Field<'a>>,
    out: &mut Vec<u8>,
) -> bool {
    out.push(b'[');
    let mut any = false;
    for value in values {
        let start = out.len();
        if any {
            out.push(b',');
        }
        if write_value(field, value.payload, out) {
            any = true;
        } else {
            out.truncate(start);
        }
    }
    out.push(b']');
    any
}

/// False if it need not be written.
fn write_value(field: &Field, payload: Payload<'_>, out: &mut Vec<u8>) -> bool {
    let always = field.times == Times::Choice;
    match (field.kind, payload) {
        (Kind::Message(message), Payload::Bytes(bytes)) => {
            write(message, bytes, out);
            true
        }
        (Kind::Text, Payload::Bytes(bytes)) => {
            write_str(out, &String::from_utf8_lossy(bytes));
            always || !bytes.is_empty()
        }
        (Kind::Id, Payload::Bytes(bytes)) => {
            out.push(b'"');
            for byte in bytes {
                put(out, format_args!("{byte:02x}"));
            }
            out.push(b'"');
            !bytes.is_empty()
        }
        (Kind::Bytes, Payload::Bytes(bytes)) => {
            write_str(out, &STANDARD.encode(bytes));
            always || !bytes.is_empty()
        }
        (Kind::Bool, Payload::Varint(value)) => {
            put(out, format_args!("{}", value != 0));
            always || value != 0
        }
        (Kind::Double, Payload::Fixed64(bits)) => {
            write_double(f64::from_bits(bits), out);
            true
        }
        // What may have more than 53 bits is text.
        (Kind::Int64, Payload::Varint(value)) => {
            put(out, format_args!("\"{}\"", value.cast_signed()));
            always || value != 0
        }
        (Kind::Fixed64, Payload::Fixed64(value)) => {
            put(out, format_args!("\"{value}\""));
            value != 0
        }
        (Kind::Fixed32, Payload::Fixed32(value)) => {
            put(out, format_args!("{value}"));
            value != 0
        }
        (Kind::Uint32 | Kind::Enum, Payload::Varint(value)) => {
            put(out, format_args!("{value}"));
            value != 0
        }
        _ => false,
    }
}

fn write_double(value: f64, out: &mut Vec<u8>) {
    let text = if value.is_nan() {
        "\"NaN\""
    } else if value == f64::INFINITY {
        "\"Infinity\""
    } else if value == f64::NEG_INFINITY {
        "\"-Infinity\""
    } else {
        // The shortest text that is this number.
        return put(out, format_args!("{value:?}"));
    };
    out.extend_from_slice(text.as_bytes());
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
    use distlog_bridge::otlp::common::v1::any_value::Value as Any;
    use distlog_bridge::otlp::common::v1::{AnyValue, ArrayValue, KeyValue};
    use distlog_bridge::otlp::trace::v1::span::Event;
    use distlog_bridge::otlp::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
    use prost::Message as _;

    use super::super::schema::TRACES;
    use super::*;

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    #[test]
    fn a_span_is_written_as_the_json_of_protobuf_has_it() {
        let span = Span {
            trace_id: vec![0xab; 16],
            span_id: vec![1; 8],
            name: "say \"hi\"".into(),
            kind: 2,
            start_time_unix_nano: u64::MAX,
            attributes: vec![
                attribute("i", Any::IntValue(-1)),
                attribute("z", Any::IntValue(0)),
                attribute("d", Any::DoubleValue(1.5)),
                attribute("n", Any::DoubleValue(f64::NAN)),
                attribute("e", Any::StringValue(String::new())),
                attribute("b", Any::BoolValue(false)),
                attribute("y", Any::BytesValue(vec![0, 1])),
                attribute(
                    "a",
                    Any::ArrayValue(ArrayValue {
                        values: vec![AnyValue::default()],
                    }),
                ),
            ],
            events: vec![Event::default()],
            status: Some(Status {
                code: 2,
                ..Status::default()
            }),
            ..Span::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![span],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let mut out = Vec::new();
        write(&TRACES, &request.encode_to_vec(), &mut out);
        let expected = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abababababababababababababababab",
            "spanId":"0101010101010101","name":"say \"hi\"","kind":2,"startTimeUnixNano":"18446744073709551615",
            "attributes":[{"key":"i","value":{"intValue":"-1"}},{"key":"z","value":{"intValue":"0"}},
            {"key":"d","value":{"doubleValue":1.5}},{"key":"n","value":{"doubleValue":"NaN"}},
            {"key":"e","value":{"stringValue":""}},{"key":"b","value":{"boolValue":false}},
            {"key":"y","value":{"bytesValue":"AAE="}},{"key":"a","value":{"arrayValue":{"values":[{}]}}}],
            "events":[{}],"status":{"code":2}}]}]}]}"#;
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(written, expected);
    }

    #[test]
    fn what_is_malformed_is_left_out() {
        let mut out = Vec::new();
        write(&TRACES, &[0x0a, 0x7f, 1], &mut out);
        assert_eq!(out, b"{}");
    }
}
