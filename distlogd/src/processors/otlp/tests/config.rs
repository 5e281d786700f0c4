//! The configuration of processor `otlp`.

use std::time::Duration;

use crate::processors::http_client::Compression;
use crate::processors::otlp::{Config, Events, Protocol};

fn read(yaml: &str) -> Result<Config, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

#[test]
fn an_endpoint_is_enough() {
    let config = read("endpoint: http://127.0.0.1:4317").unwrap();
    assert_eq!(config, Config::new("http://127.0.0.1:4317"));
    assert_eq!(
        (config.protocol, config.events, config.compression),
        (Protocol::Grpc, Events::Auto, Compression::None)
    );
    assert_eq!(
        (config.timeout, config.in_flight),
        (Duration::from_secs(10), 16 << 20)
    );
}

#[test]
fn everything_can_be_said() {
    let config = read(
        "endpoint: https://collector:4318\nprotocol: http/protobuf\ncompression: zstd\nheaders: { authorization: Bearer x }\n\
         timeout: 2500ms\ntls: { ca: ca.pem, cert: c.pem, key: k.pem }\nevents: both\nin_flight: 8MiB\nopen_tasks: 100",
    )
    .unwrap();
    assert_eq!(
        (config.protocol, config.events, config.compression),
        (Protocol::HttpProtobuf, Events::Both, Compression::Zstd)
    );
    assert_eq!(
        (config.timeout, config.in_flight, config.open_tasks),
        (Duration::from_millis(2500), 8 << 20, 100)
    );
    assert_eq!(config.headers["authorization"], "Bearer x");
    assert_eq!(config.tls.ca.unwrap().to_str(), Some("ca.pem"));
}

#[test]
fn durations_and_sizes_have_units() {
    let timeout = |text: &str| {
        read(&format!("endpoint: http://x\ntimeout: {text}")).map(|config| config.timeout)
    };
    assert_eq!(timeout("2m"), Ok(Duration::from_secs(120)));
    for bad in ["10", "0s", "0", "-1s", "10 parsecs", "s"] {
        assert!(
            timeout(bad).unwrap_err().contains("a duration like 10s"),
            "{bad}: {:?}",
            timeout(bad)
        );
    }
    let size = |text: &str| {
        read(&format!("endpoint: http://x\nin_flight: {text}")).map(|config| config.in_flight)
    };
    assert_eq!(size("1000"), Ok(1000));
    assert!(size("much").unwrap_err().contains("a size like 16MiB"));
}

#[test]
fn what_cannot_be_is_refused() {
    let fault = |more: &str| read(&format!("endpoint: http://x{more}")).unwrap_err();
    assert!(fault("\nendpiont: y").contains("endpiont"));
    assert!(fault("\ntls: { cacert: y }").contains("cacert"));
    assert!(fault("\nprotocol: http/json").contains("http/json"));
    assert!(
        fault("\nheaders: { 'bad name': x }").contains("`bad name` cannot be the name of a header")
    );
    assert!(fault("\nheaders: { name: \"two\\nlines\" }").contains("the value of header `name`"));
    assert!(read("protocol: grpc").unwrap_err().contains("endpoint"));
}

#[test]
fn what_is_no_endpoint_is_told_at_once() {
    for bad in [
        "",
        "not an address",
        "ftp://host:1",
        "127.0.0.1:4317",
        "http://",
        "http://leo:secret@host:1",
    ] {
        let text = read(&format!("endpoint: '{bad}'")).unwrap_err();
        assert!(
            text.contains("an endpoint like http://127.0.0.1:4317"),
            "{bad}: {text}"
        );
    }
}
