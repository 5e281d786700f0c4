//! Where the daemon listens, and who may connect.

use super::*;

#[test]
fn others_may_connect_only_where_the_file_allows_it() {
    let text = "\
listen:
  otlp_grpc: 0.0.0.0:4317
  otlp_http: { bind: '[::]:4318', cors: ['https://shop.example'] }
  http:
    bind: logs.example:5080
    hosts: [logs.example]
";
    let found = faults(text);
    for (place, address) in [
        ("2:14", "0.0.0.0:4317"),
        ("3:14", "[::]:4318"),
        ("5:5", "logs.example:5080"),
    ] {
        let hint = format!("write {{ bind: '{address}', plaintext: true }} if the network");
        assert!(
            found
                .iter()
                .any(|(at, message)| at == place && message.contains(&hint)),
            "{place} {hint}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 3, "{found:#?}");

    // Allowed.
    let text = "\
listen:
  otlp_grpc: { bind: '0.0.0.0:4317', plaintext: true }
  otlp_http: { bind: '[::]:4318', plaintext: true, cors: ['https://shop.example'] }
  http: { bind: 'logs.example:5080', plaintext: true, hosts: [logs.example, 10.0.0.1] }
";
    let listen = load(text, "x").unwrap().listen;
    assert_eq!(
        listen.otlp_grpc.as_ref().map(|grpc| grpc.bind.as_str()),
        Some("0.0.0.0:4317")
    );
    assert_eq!(listen.http.unwrap().hosts, ["logs.example", "10.0.0.1"]);

    for (text, place, expected) in [
        (
            "listen: { http: { bind: 'localhost:5080', cors: [] } }",
            "1:43",
            "unknown key `cors`",
        ),
        (
            "listen: { otlp_http: { bind: 'localhost:1', cors: ['*'] } }",
            "1:52",
            "expected the origin of web pages like https://shop.example",
        ),
        (
            "listen: { http: { bind: 'localhost:5080', hosts: ['a:1'] } }",
            "1:51",
            "expected the name of a host",
        ),
        (
            "listen: { otlp_grpc: { plaintext: true } }",
            "1:22",
            "`bind` is missing",
        ),
        // Where push is without being named.
        (
            "listen: { http: '127.0.0.1:5010' }",
            "1:17",
            "the receivers `push` (tcp://localhost:5010) and `http` (127.0.0.1:5010) cannot both",
        ),
    ] {
        let (at, message) = fault(text);
        assert_eq!(at, place, "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_listens_beyond_loopback_says_so() {
    for receiver in ["otlp_grpc", "otlp_http", "http"] {
        for address in ["0.0.0.0:5000", "[::]:5000", "10.1.2.3:5000", "here:5000"] {
            let (place, message) = fault(&format!("listen:\n  {receiver}: '{address}'\n"));
            let column = receiver.len() + 5;
            assert_eq!(place, format!("2:{column}"));
            let hint = format!("write {{ bind: '{address}', plaintext: true }}");
            assert!(message.contains(&hint), "{message}");
            let as_object = |more: &str| {
                load(
                    &format!("listen: {{ {receiver}: {{ bind: '{address}'{more} }} }}"),
                    "f",
                )
            };
            assert!(as_object("").is_err() && as_object(", plaintext: false").is_err());
            let config = as_object(", plaintext: true").unwrap();
            assert!(config.to_string().contains(address), "{config}");
        }
        for address in ["localhost:0", "127.0.0.1:0", "127.9.9.9:0", "'[::1]:0'"] {
            for written in [address.to_owned(), format!("{{ bind: {address} }}")] {
                let text = format!("listen: {{ {receiver}: {written} }}");
                load(&text, "f").unwrap_or_else(|faults| panic!("{faults}"));
            }
        }
    }
}

#[test]
fn a_zeromq_receiver_beyond_loopback_has_keys_or_says_that_it_has_none() {
    let listen = |receiver: &str| load(&format!("listen: {{ session: {receiver} }}"), "x");
    let config = listen("{ bind: 'tcp://0.0.0.0:0', curve: { key: a.key, clients: b } }").unwrap();
    let curve = config.listen.session.unwrap().curve.unwrap();
    assert_eq!((curve.key, curve.clients), ("a.key".into(), "b".into()));
    for (receiver, fault) in [
        ("tcp://0.0.0.0:0", "curve: { key: FILE, clients: FOLDER }"),
        (
            "{ bind: 'tcp://0.0.0.0:0', plaintext: true, curve: { key: a, clients: b } }",
            "exclude each other",
        ),
        (
            "{ bind: 'tcp://0.0.0.0:0', curve: { key: a } }",
            "`clients` is missing",
        ),
    ] {
        let faults = listen(receiver).unwrap_err().to_string();
        assert!(faults.contains(fault), "{receiver}: {faults}");
    }
}

#[test]
fn a_limit_that_would_let_nobody_in_is_refused() {
    for (limit, why) in [
        (
            "connections: 0",
            "expected a number of connections, at least 1; `off` in place of its address closes a receiver",
        ),
        ("peer_connections: 0", "at least 1"),
        ("connections: -1", "at least 1"),
        ("connections: many", "at least 1"),
        (
            "peer_bytes_per_second: 0",
            "expected a size like 20MiB, at least 1, or `off`",
        ),
    ] {
        let text = format!("listen: {{ limits: {{ {limit} }} }}");
        let faults = load(&text, "x").expect_err(limit).faults;
        assert!(
            faults.len() == 1 && faults[0].message.contains(why),
            "{faults:?}"
        );
    }
    let limits = |text: &str| {
        let text = format!("listen: {{ limits: {{ {text} }} }}");
        load(&text, "x").unwrap().listen.limits
    };
    assert_eq!(limits("connections: 1").connections, 1);
    assert_eq!(
        limits("peer_bytes_per_second: off").peer_bytes_per_second,
        None
    );
    let bytes = limits("peer_bytes_per_second: 1KiB").peer_bytes_per_second;
    assert_eq!(bytes, Some(1024));
}
