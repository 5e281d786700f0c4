//! The configuration of processor `http`.

use std::time::Duration;

use crate::processors::http::Config;
use crate::processors::http::config::Format;
use crate::processors::http::index::Index;
use crate::processors::http_client::Compression;

fn read(yaml: &str) -> Result<Config, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

#[test]
fn an_address_is_enough() {
    let config = read("url: https://logs.example/ingest").unwrap();
    assert_eq!(
        config,
        Config::new("https://logs.example/ingest", Format::Ndjson)
    );
    let times = (config.timeout, config.in_flight);
    assert_eq!(times, (Duration::from_secs(30), 16 << 20));
}

#[test]
fn everything_can_be_said() {
    let config = read(
        "url: https://es:9200\nformat: elasticsearch\nindex: logs-%Y\ncompression: gzip\nheaders: { authorization: ApiKey x }\n\
         timeout: 5s\ntls: { ca: ca.pem, cert: c.pem, key: k.pem }\nin_flight: 8MiB",
    )
    .unwrap();
    let index: Index = serde_json::from_str("\"logs-%Y\"").unwrap();
    assert_eq!(config.format, Format::Elasticsearch(index));
    assert_eq!(config.compression, Compression::Gzip);
    assert_eq!(config.headers["authorization"], "ApiKey x");
    assert_eq!(config.tls.ca.unwrap().to_str(), Some("ca.pem"));
    let default = read("url: http://es:9200\nformat: elasticsearch").unwrap();
    assert_eq!(default.format, Format::Elasticsearch(Index::default()));
}

#[test]
fn secrets_are_not_printed() {
    let config =
        read("url: http://h/in?token=abc\nheaders: { authorization: Bearer xyz }").unwrap();
    let printed = format!("{config:?}");
    assert!(
        !printed.contains("abc") && !printed.contains("xyz"),
        "{printed}"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let fault = |text: &str| read(text).unwrap_err();
    assert!(fault("format: ndjson").contains("url"));
    for bad in ["''", "logs.example", "ftp://h/", "http://leo:pw@h/"] {
        let text = fault(&format!("url: {bad}"));
        assert!(
            text.contains("an address like https://logs.example/ingest"),
            "{bad}: {text}"
        );
    }
    let with = |more: &str| fault(&format!("url: http://h\n{more}"));
    assert!(with("index: logs").contains("`index` is of `format: elasticsearch`"));
    assert!(with("format: elasticsearch\nindex: Logs").contains("the name of an index like"));
    assert!(with("format: splunk").contains("splunk"));
    assert!(with("compression: lz4").contains("lz4"));
    assert!(with("timeout: 0s").contains("a duration like 10s"));
    assert!(with("uri: x").contains("uri"));
}
