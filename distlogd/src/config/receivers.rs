//! Receivers as the configuration names them: an address, an object with an address, or `off`.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};

use crate::address::{TCP, ZMQ, check_tcp, check_zmq};
use crate::listen::{Origin, is_host, origin};
use crate::values;

/// An HTTP server; gRPC is HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// `HOST:PORT`; as `localhost` both loopback addresses.
    pub bind: String,
    /// It speaks TLS.
    pub tls: Option<Tls>,
    /// File of the tokens of which each request needs one.
    pub tokens: Option<PathBuf>,
    /// Names by which it is asked for besides its address.
    pub hosts: Vec<String>,
    /// Origins of the web pages that may send to it.
    pub cors: Vec<Origin>,
}

impl<T: Into<String>> From<T> for Http {
    fn from(bind: T) -> Http {
        Http {
            bind: bind.into(),
            tls: None,
            tokens: None,
            hosts: Vec::new(),
            cors: Vec::new(),
        }
    }
}

/// Certificate and key in PEM files, which are read anew when they change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "files like { cert: tls/cert.pem, key: tls/key.pem }"
)]
pub struct Tls {
    /// Certificate, with its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities: who connects shows a certificate that one of them signed.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// A receiver by ZeroMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zmq {
    /// `tcp://HOST:PORT` or `ipc://PATH`; as `localhost` both loopback addresses.
    pub bind: String,
    /// Only those with keys connect.
    pub curve: Option<Curve>,
}

impl<T: Into<String>> From<T> for Zmq {
    fn from(bind: T) -> Zmq {
        Zmq {
            bind: bind.into(),
            curve: None,
        }
    }
}

/// Keys, as `distlogd keys new` makes them: those of this daemon, and those of its clients.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "files like { key: keys/distlogd.key, clients: keys/clients }"
)]
pub struct Curve {
    /// File with this daemon's keys.
    pub key: PathBuf,
    /// Folder with the public keys of those who may connect (`NAME.pub`); read anew when it changes.
    pub clients: PathBuf,
}

/// A receiver written as a map; an address alone is its `bind`.
pub(super) trait Receiver: serde::de::DeserializeOwned {
    /// An example of an address.
    const ADDRESS: &str;

    fn check(&self) -> Result<(), String>;
}

macro_rules! receiver {
    (
        $(#[$meta:meta])*
        $name:ident, $address:expr, $check:path $(, $(#[$keys_meta:meta])* $keys:ident: $keys_type:ty)?
        { $($(#[$field_meta:meta])* $field:ident: $type:ty),* }
    ) => {
        $(#[$meta])*
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, expecting = "a map")]
        pub(super) struct $name {
            /// Address to listen on.
            bind: String,
            /// Others may connect, and everything travels in plain text.
            #[serde(default)]
            plaintext: bool,
            $($(#[$keys_meta])* #[serde(default)] $keys: Option<$keys_type>,)?
            $($(#[$field_meta])* $field: $type,)*
        }

        impl Receiver for $name {
            const ADDRESS: &str = $address;

            fn check(&self) -> Result<(), String> {
                $(if self.plaintext && self.$keys.is_some() {
                    let keys = stringify!($keys);
                    return Err(format!("`plaintext: true` and `{keys}` exclude each other: leave one of them out"));
                })?
                $check(&self.bind, self.plaintext $(|| self.$keys.is_some())?)
            }
        }
    };
}

receiver! {
    /// A receiver that speaks ZeroMQ.
    ZmqReceiver, ZMQ, check_zmq,
    /// Only those with keys connect, and all is encrypted.
    curve: Curve {}
}
receiver! {
    /// The receiver of OTLP over gRPC.
    Grpc, TCP, check_tcp,
    /// It speaks TLS.
    tls: Tls {
        /// File of tokens: each request needs one of them, also on loopback.
        #[serde(default)]
        tokens: Option<PathBuf>
    }
}
receiver! {
    /// The server of the API and the page.
    ApiHttp, TCP, check_tcp,
    /// It speaks TLS.
    tls: Tls {
        /// File of tokens: each request needs one of them, also on loopback.
        #[serde(default)]
        tokens: Option<PathBuf>,
        /// Names by which it is asked for besides its address.
        #[serde(default)]
        hosts: Vec<HostName>
    }
}
receiver! {
    /// The receiver of OTLP over HTTP.
    OtlpHttp, TCP, check_tcp,
    /// It speaks TLS.
    tls: Tls {
        /// File of tokens: each request needs one of them, also on loopback.
        #[serde(default)]
        tokens: Option<PathBuf>,
        /// Names by which it is asked for besides its address.
        #[serde(default)]
        hosts: Vec<HostName>,
        /// Origins of the web pages that may send to it.
        #[serde(default)]
        cors: Vec<WebOrigin>
    }
}

#[derive(Deserialize, JsonSchema)]
struct HostName(#[serde(deserialize_with = "host_name")] String);

#[derive(Deserialize, JsonSchema)]
struct WebOrigin(
    #[serde(deserialize_with = "web_origin")]
    #[schemars(with = "String")]
    Origin,
);

fn host_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let expected = "the name of a host like logs.example, without a port";
    values::scalar(deserializer, expected, |text| {
        is_host(text).then(|| text.to_owned())
    })
}

fn web_origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Origin, D::Error> {
    let expected = "the origin of web pages like https://shop.example";
    values::scalar(deserializer, expected, origin)
}

impl From<ZmqReceiver> for Zmq {
    fn from(receiver: ZmqReceiver) -> Zmq {
        Zmq {
            bind: receiver.bind,
            curve: receiver.curve,
        }
    }
}

impl From<Grpc> for Http {
    fn from(receiver: Grpc) -> Http {
        Http {
            tls: receiver.tls,
            tokens: receiver.tokens,
            ..receiver.bind.into()
        }
    }
}

impl From<ApiHttp> for Http {
    fn from(receiver: ApiHttp) -> Http {
        Http {
            tls: receiver.tls,
            tokens: receiver.tokens,
            hosts: receiver.hosts.into_iter().map(|host| host.0).collect(),
            ..receiver.bind.into()
        }
    }
}

impl From<OtlpHttp> for Http {
    fn from(receiver: OtlpHttp) -> Http {
        Http {
            tls: receiver.tls,
            tokens: receiver.tokens,
            hosts: receiver.hosts.into_iter().map(|host| host.0).collect(),
            cors: receiver.cors.into_iter().map(|origin| origin.0).collect(),
            ..receiver.bind.into()
        }
    }
}

/// The schema of a receiver that is written as `R`, as its address, or as `off`.
pub(super) fn schema<R: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<R>()] })
}

/// Reads a receiver that is written as `R`, as its address, or as `off`.
///
/// # Errors
/// If it is no receiver, or others can reach it without `plaintext`.
pub(super) fn read<'de, R, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    R: Receiver + Into<T>,
    D: Deserializer<'de>,
{
    let receiver = deserializer.deserialize_any(Written::<R>(PhantomData))?;
    Ok(receiver.map(R::into))
}

struct Written<R>(PhantomData<R>);

impl<'de, R: Receiver> Visitor<'de> for Written<R> {
    type Value = Option<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = R::ADDRESS;
        write!(f, "{address}, {{ bind: ADDRESS, plaintext: true }}, or off")
    }

    fn visit_str<E: Error>(self, address: &str) -> Result<Option<R>, E> {
        if address == "off" {
            return Ok(None);
        }
        let object = [("bind", address)].into_iter();
        let receiver = R::deserialize(MapDeserializer::new(object))?;
        receiver.check().map_err(E::custom)?;
        Ok(Some(receiver))
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Option<R>, E> {
        if on {
            return Err(E::invalid_value(Unexpected::Bool(on), &self));
        }
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<R>, A::Error> {
        let receiver = R::deserialize(MapAccessDeserializer::new(map))?;
        receiver.check().map_err(A::Error::custom)?;
        Ok(Some(receiver))
    }
}
