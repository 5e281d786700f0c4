//! Addresses to listen on.

use std::fmt;
use std::net::IpAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::values::scalar;

const ZMQ: &str = "a ZeroMQ address like tcp://127.0.0.1:5010 or ipc:///run/distlog/push";

/// What is wrong with an address, if anything is: `tcp://HOST:PORT` or `ipc://PATH`. Beyond loopback it must be said that
/// everything travels in plain text.
///
/// # Errors
/// What was found and what was expected.
pub fn check_zmq(address: &str, plaintext: bool) -> Result<(), String> {
    if let Some(path) = address.strip_prefix("ipc://") {
        return if path.is_empty() {
            Err(format!("`{address}` names no path: expected {ZMQ}"))
        } else {
            Ok(())
        };
    }
    let host = address
        .strip_prefix("tcp://")
        .and_then(host_and_port)
        .ok_or_else(|| format!("`{address}` is no address: expected {ZMQ}"))?;
    if plaintext || is_loopback(host) {
        return Ok(());
    }
    Err(format!(
        "`{address}` is reachable by others, who could read along and exhaust the memory: write {{ bind: '{address}', plaintext: true }} \
         if the network is trusted, else listen on 127.0.0.1"
    ))
}

/// The host of `HOST:PORT`.
fn host_and_port(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let fits = !host.is_empty() && (bracketed || !host.contains([':', '/', ' ']));
    (fits && (port == "*" || port.parse::<u16>().is_ok())).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A ZeroMQ door: an address, `{ bind: ADDRESS, plaintext: true }`, or `off`.
///
/// # Errors
/// If it is none of these, or open to others without saying so.
pub fn zmq<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(Zmq)
}

struct Zmq;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Bind {
    bind: String,
    #[serde(default)]
    plaintext: bool,
}

impl<'de> Visitor<'de> for Zmq {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ZMQ}, {{ bind: ADDRESS, plaintext: true }}, or off")
    }

    fn visit_str<E: Error>(self, address: &str) -> Result<Option<String>, E> {
        if address == "off" {
            return Ok(None);
        }
        check_zmq(address, false).map_err(E::custom)?;
        Ok(Some(address.to_owned()))
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Option<String>, E> {
        if on {
            Err(E::invalid_value(serde::de::Unexpected::Bool(on), &self))
        } else {
            Ok(None)
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<String>, A::Error> {
        let Bind { bind, plaintext } = Bind::deserialize(MapAccessDeserializer::new(map))?;
        check_zmq(&bind, plaintext).map_err(A::Error::custom)?;
        Ok(Some(bind))
    }
}

/// A TCP door: `HOST:PORT` or `off`.
///
/// # Errors
/// If it is neither.
pub fn tcp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    scalar(
        deserializer,
        "an address like 127.0.0.1:5080, or off",
        |text| match text {
            "off" => Some(None),
            text => host_and_port(text)
                .filter(|_| !text.ends_with('*'))
                .map(|_| Some(text.to_owned())),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_come_in_only_where_that_is_said() {
        for good in [
            "tcp://127.0.0.1:5010",
            "tcp://127.9.9.9:0",
            "tcp://[::1]:5010",
            "tcp://localhost:*",
            "ipc:///tmp/x",
        ] {
            assert_eq!(check_zmq(good, false), Ok(()), "{good}");
        }
        for open in [
            "tcp://0.0.0.0:5010",
            "tcp://*:5010",
            "tcp://[::]:5010",
            "tcp://example.org:1",
            "tcp://eth0:1",
        ] {
            assert!(
                check_zmq(open, false)
                    .unwrap_err()
                    .contains("plaintext: true"),
                "{open}"
            );
            assert_eq!(check_zmq(open, true), Ok(()), "{open}");
        }
        for bad in [
            "",
            "127.0.0.1:5010",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:70000",
            "tcp://:1",
            "udp://127.0.0.1:1",
            "ipc://",
            "tcp://::1:5",
        ] {
            assert!(check_zmq(bad, true).is_err(), "{bad}");
        }
    }
}
