//! Addresses to listen on.

use std::fmt;
use std::net::IpAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor,
};

use crate::listen::{Origin, is_host, origin};

const ZMQ: &str = "a ZeroMQ address like tcp://127.0.0.1:5010 or ipc:///run/distlog/push";
const TCP: &str = "an address like 127.0.0.1:5080";

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
    closed(
        address,
        host,
        plaintext,
        "who could read along and exhaust the memory",
    )
}

/// What is wrong with the address of a TCP receiver, if anything is: `HOST:PORT`.
fn check_tcp(address: &str, plaintext: bool) -> Result<(), String> {
    let host = host_and_port(address)
        .filter(|_| !address.ends_with('*'))
        .ok_or_else(|| format!("`{address}` is no address: expected {TCP}"))?;
    closed(
        address,
        host,
        plaintext,
        "who could read along and send anything",
    )
}

/// Beyond loopback only where that is said.
fn closed(address: &str, host: &str, plaintext: bool, danger: &str) -> Result<(), String> {
    if plaintext || is_loopback(host) {
        return Ok(());
    }
    Err(format!(
        "`{address}` is reachable by others, {danger}: write {{ bind: '{address}', plaintext: true }} if the network is trusted, else \
         listen on localhost"
    ))
}

/// The host of `HOST:PORT`.
pub(super) fn host_and_port(text: &str) -> Option<&str> {
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
            Err(E::invalid_value(Unexpected::Bool(on), &self))
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

/// An HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// `HOST:PORT`; as `localhost` both loopback addresses.
    pub bind: String,
    /// Names by which it is asked for besides its address.
    pub hosts: Vec<String>,
    /// Origins of the web pages that may send to it.
    pub cors: Vec<Origin>,
}

impl<T: Into<String>> From<T> for Http {
    fn from(bind: T) -> Http {
        Http {
            bind: bind.into(),
            hosts: Vec::new(),
            cors: Vec::new(),
        }
    }
}

/// The receiver of OTLP over gRPC: `HOST:PORT`, `{ bind: HOST:PORT, plaintext: true }`, or `off`.
///
/// # Errors
/// If it is none of these, or open to others without saying so.
pub fn grpc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let written = deserializer.deserialize_any(Tcp::<Bind>::NEW)?;
    Ok(written.map(|Bind { bind, .. }| bind))
}

/// The HTTP server: `HOST:PORT`, `{ bind: HOST:PORT, plaintext: true, hosts: [NAME] }`, or `off`.
///
/// # Errors
/// As for [`grpc`].
pub fn http<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Http>, D::Error> {
    let written = deserializer.deserialize_any(Tcp::<BindHttp>::NEW)?;
    Ok(written.map(|BindHttp { bind, hosts, .. }| Http {
        hosts,
        ..bind.into()
    }))
}

/// The receiver of OTLP over HTTP: as [`http()`], and `cors: [ORIGIN]`.
///
/// # Errors
/// As for [`grpc`].
pub fn otlp_http<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Http>, D::Error> {
    let written = deserializer.deserialize_any(Tcp::<BindOtlp>::NEW)?;
    Ok(written.map(|written| Http {
        hosts: written.hosts,
        cors: written.cors,
        ..written.bind.into()
    }))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BindHttp {
    bind: String,
    #[serde(default)]
    plaintext: bool,
    #[serde(default, deserialize_with = "hosts")]
    hosts: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BindOtlp {
    bind: String,
    #[serde(default)]
    plaintext: bool,
    #[serde(default, deserialize_with = "hosts")]
    hosts: Vec<String>,
    #[serde(default, deserialize_with = "origins")]
    cors: Vec<Origin>,
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let read = |text: &str| is_host(text).then(|| text.to_owned());
    let one = "the name of a host like logs.example, without a port";
    deserializer.deserialize_seq(Many { one, read })
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Origin>, D::Error> {
    let one = "the origin of web pages like https://shop.example";
    deserializer.deserialize_seq(Many { one, read: origin })
}

/// A list of what `read` takes.
struct Many<T> {
    one: &'static str,
    read: fn(&str) -> Option<T>,
}

impl<'de, T> Visitor<'de> for Many<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list, each {}", self.one)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(One(&self))? {
            all.push(item);
        }
        Ok(all)
    }
}

struct One<'m, T>(&'m Many<T>);

impl<'de, T> DeserializeSeed<'de> for One<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T> Visitor<'_> for One<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.one)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0.read)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// What is written for a TCP receiver.
trait Written: serde::de::DeserializeOwned {
    fn plain(bind: String) -> Self;
    fn bind(&self) -> (&str, bool);
}

impl Written for Bind {
    fn plain(bind: String) -> Bind {
        let plaintext = false;
        Bind { bind, plaintext }
    }

    fn bind(&self) -> (&str, bool) {
        (&self.bind, self.plaintext)
    }
}

impl Written for BindHttp {
    fn plain(bind: String) -> BindHttp {
        BindHttp {
            bind,
            plaintext: false,
            hosts: Vec::new(),
        }
    }

    fn bind(&self) -> (&str, bool) {
        (&self.bind, self.plaintext)
    }
}

impl Written for BindOtlp {
    fn plain(bind: String) -> BindOtlp {
        BindOtlp {
            bind,
            plaintext: false,
            hosts: Vec::new(),
            cors: Vec::new(),
        }
    }

    fn bind(&self) -> (&str, bool) {
        (&self.bind, self.plaintext)
    }
}

struct Tcp<W>(std::marker::PhantomData<W>);

impl<W> Tcp<W> {
    const NEW: Tcp<W> = Tcp(std::marker::PhantomData);
}

impl<'de, W: Written> Visitor<'de> for Tcp<W> {
    type Value = Option<W>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TCP}, {{ bind: ADDRESS, plaintext: true }}, or off")
    }

    fn visit_str<E: Error>(self, address: &str) -> Result<Option<W>, E> {
        if address == "off" {
            return Ok(None);
        }
        check_tcp(address, false).map_err(E::custom)?;
        Ok(Some(W::plain(address.to_owned())))
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Option<W>, E> {
        if on {
            Err(E::invalid_value(Unexpected::Bool(on), &self))
        } else {
            Ok(None)
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<W>, A::Error> {
        let written = W::deserialize(MapAccessDeserializer::new(map))?;
        let (address, plaintext) = written.bind();
        check_tcp(address, plaintext).map_err(A::Error::custom)?;
        Ok(Some(written))
    }
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
