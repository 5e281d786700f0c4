//! `google.rpc.Status`, which both gRPC and OTLP over HTTP answer an error with, as far as it is of use here.

use std::time::Duration;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The bytes of a status; `delay` is how long the sender is to wait before it tries again (`RetryInfo`).
pub(crate) fn encode(code: i32, message: &str, delay: Option<Duration>) -> Vec<u8> {
    let info = delay.map(|delay| Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
        value: RetryInfo {
            retry_delay: Some(Delay {
                seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
                nanos: delay.subsec_nanos() as i32,
            }),
        }
        .encode_to_vec(),
    });
    Status {
        code,
        message: message.to_owned(),
        details: info.into_iter().collect(),
    }
    .encode_to_vec()
}

/// How long the receiver wants to be left alone, if it says so (`RetryInfo`).
#[cfg(feature = "otlp-export")]
pub(crate) fn retry_delay(status: &[u8]) -> Option<Duration> {
    let status = Status::decode(status).ok()?;
    let info = status
        .details
        .iter()
        .find(|any| any.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice())
        .ok()?
        .retry_delay
        .unwrap_or_default();
    let (seconds, nanos) = (
        u64::try_from(delay.seconds).ok()?,
        u32::try_from(delay.nanos).ok()?,
    );
    Some(Duration::new(seconds, nanos.min(999_999_999)))
}

/// What the receiver says is wrong; empty if it does not say it this way.
#[cfg(feature = "otlp-export")]
pub(crate) fn message(status: &[u8]) -> String {
    Status::decode(status)
        .map(|status| status.message)
        .unwrap_or_default()
}

#[cfg(all(test, feature = "otlp-export"))]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read() {
        let delay = Duration::from_millis(2500);
        let status = encode(8, "busy", Some(delay));
        assert_eq!(retry_delay(&status), Some(delay));
        assert_eq!(message(&status), "busy");
        assert_eq!(retry_delay(&encode(8, "busy", None)), None);
    }

    #[test]
    fn anything_else_is_no_delay() {
        let negative = RetryInfo {
            retry_delay: Some(Delay {
                seconds: -1,
                nanos: 0,
            }),
        };
        let any = Any {
            type_url: "x/google.rpc.RetryInfo".into(),
            value: negative.encode_to_vec(),
        };
        let status = Status {
            details: vec![Any::default(), any],
            ..Status::default()
        };
        assert_eq!(retry_delay(&status.encode_to_vec()), None);
        assert_eq!(retry_delay(b"<html>"), None);
        assert_eq!(message(b"\xff\xff\xff"), "");
    }
}
