//! `google.rpc.Status`, which both gRPC and OTLP over HTTP answer an error with, as far as it is of use here.

use std::time::Duration;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Status {
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

/// How long the receiver wants to be left alone, if it says so (`RetryInfo`).
pub(super) fn retry_delay(status: &[u8]) -> Option<Duration> {
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
pub(super) fn message(status: &[u8]) -> String {
    Status::decode(status)
        .map(|status| status.message)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read() {
        let info = RetryInfo {
            retry_delay: Some(Delay {
                seconds: 2,
                nanos: 500_000_000,
            }),
        };
        let any = Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
            value: info.encode_to_vec(),
        };
        let status = Status {
            message: "busy".into(),
            details: vec![Any::default(), any],
        }
        .encode_to_vec();
        assert_eq!(retry_delay(&status), Some(Duration::from_millis(2500)));
        assert_eq!(message(&status), "busy");
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
        assert_eq!(
            retry_delay(
                &Status {
                    message: String::new(),
                    details: vec![any]
                }
                .encode_to_vec()
            ),
            None
        );
        assert_eq!(retry_delay(b"<html>"), None);
        assert_eq!(message(b"\xff\xff\xff"), "");
    }
}
