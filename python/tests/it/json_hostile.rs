//! Hostile and merely odd bodies: bounded work, and what can be kept is kept.

use distlog_proto::{Kind, Outcome, Record, Severity, Topic, Value};
use distlog_python::{json, pickle};

fn read(text: &str) -> Record {
    json::decode(text.as_bytes(), Topic::default())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Bytes of all that a record's fields hold.
fn size(value: &Value) -> usize {
    match value {
        Value::Str(text) | Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.iter().map(size).sum::<usize>() + 32 * items.len(),
        Value::Map(map) => map
            .iter()
            .map(|(name, value)| name.len() + size(value) + 32)
            .sum(),
        _ => 0,
    }
}

fn fields(body: &[u8]) -> usize {
    let record = pickle::decode(body, Topic::default()).unwrap();
    record.fields.iter().map(|(_, value)| size(value)).sum()
}

#[test]
fn wrong_types_cost_their_place_only() {
    let record = read(
        r#"{"name": 7, "levelno": "x", "levelname": "ERROR", "created": [1], "lineno": -1, "process": 1.5, "thread": true,
            "message": "still here", "context": "none", "distlog": {"kind": "nonsense", "duration": "x", "outcome": "ok", "new": 1}}"#,
    );
    assert_eq!(record.message, "still here");
    assert_eq!(record.callsite.severity, Severity::ERROR);
    assert_eq!(record.outcome, Outcome::Ok);
    for name in [
        "name", "levelno", "created", "lineno", "process", "thread", "context",
    ] {
        assert!(record.fields.get(name).is_some(), "{name} stays visible");
    }
    let Some(Value::Map(rest)) = record.fields.get("distlog") else {
        panic!("{:?}", record.fields)
    };
    assert_eq!(
        rest.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["kind", "duration", "new"]
    );
    assert_eq!(read("{}"), Record::default());
}

#[test]
fn ends_of_other_senders() {
    let text = |function: &str| {
        format!(
            r#"{{"msg": "FAILED pay", "message": "FAILED pay", "levelno": 40, "exc_text": "Traceback\\nE: x", {function}
                "context": {{"key": "4@e252a11f-d33d-483d-ba08-bc8f642b2f10"}}}}"#
        )
    };
    assert_eq!(read(&text("")).kind, Kind::End);
    assert_eq!(read(&text(r#""funcName": "__exit__","#)).kind, Kind::End);
    assert_eq!(read(&text(r#""funcName": "connect","#)).kind, Kind::Event);
}

#[test]
fn what_is_no_json_is_named_with_its_place() {
    for (text, expected) in [
        ("", "unexpected end at byte 0"),
        ("[]", "expected an object: { at byte 0"),
        (
            "{\"a\":01}",
            "expected no digit behind a leading zero at byte 6",
        ),
        ("{\"a\":1,}", "expected a name in quotes at byte 7"),
        (
            "{\"a\":\"\n\"}",
            "a control character within a string must be escaped at byte 6",
        ),
        ("{\"a\":\"\\x\"}", "unknown escape in a string at byte 6"),
        ("{\"a\":nul}", "expected null at byte 5"),
        ("{} {}", "more text behind the object at byte 3"),
        (
            "{\"a\":[1 2]}",
            "expected a comma or the end of the list at byte 8",
        ),
    ] {
        let error = json::decode(text.as_bytes(), Topic::default())
            .unwrap_err()
            .to_string();
        assert_eq!(error, format!("no LogRecord in JSON: {expected}"));
    }
    let error = json::decode(b"{\"a\":\"\xff\"}", Topic::default())
        .unwrap_err()
        .to_string();
    assert_eq!(error, "no LogRecord in JSON: invalid UTF-8 at byte 6");
}

#[test]
fn deep_json_becomes_text() {
    let text = format!(
        r#"{{"a": {}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let mut value = &read(&text).fields.get("a").unwrap().clone();
    let mut depth = 0;
    while let Value::List(items) = value {
        (value, depth) = (&items[0], depth + 1);
    }
    assert_eq!(depth, 64);
    assert_eq!(
        value,
        &Value::Text(format!(
            "{}1{}",
            "[".repeat(100_000 - 64),
            "]".repeat(100_000 - 64)
        ))
    );
    assert!(json::decode("[{\"a\":".repeat(50_000).as_bytes(), Topic::default()).is_err());
}

#[test]
fn many_names_take_no_quadratic_time() {
    let names: String = (0..100_000)
        .map(|i| format!("\"n{i}\":1,\"n{i}\":2,"))
        .collect();
    let started = std::time::Instant::now();
    let record = read(&format!("{{{}\"last\":1}}", names));
    assert_eq!(record.fields.len(), 100_001);
    assert_eq!(record.fields.get("n7"), Some(&Value::I64(2)));
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn pickle_bombs_stay_small() {
    // Each list holds the one before twice: 2^40 items, if they were unfolded.
    let mut body = b"}(X\x01\0\0\0a]q\0".to_vec();
    for _ in 0..40 {
        body.extend_from_slice(b"0](h\0h\0eq\0");
    }
    body.extend_from_slice(b"u.");
    assert!(fields(&body) < 1_000_000);

    // A tuple in a tuple, a million deep.
    let body = [&b"}(X\x01\0\0\0aN"[..], &[0x85; 1_000_000], b"u."].concat();
    assert!(fields(&body) < 100_000);

    // One long string many times: by DUP, by the memo, as bytes of Latin-1, as the argument of a function.
    let text = [&b"X\0\0\x01\0"[..], &[b'x'; 65_536]].concat();
    let dup = [&b"}(X\x01\0\0\0a("[..], &text, &[b'2'; 60_000], b"lu."].concat();
    assert!(fields(&dup) < 4_000_000);
    let call = b"c_codecs\nencode\nh\0N\x86R".repeat(3_000);
    let latin = [&b"}(X\x01\0\0\0a("[..], &text, b"q\0", &call, b"lu."].concat();
    assert!(fields(&latin) < 4_000_000);
    let call = b"cm\nf\nh\0\x85R".repeat(5_000);
    let calls = [&b"}(X\x01\0\0\0a("[..], &text, b"q\0", &call, b"lu."].concat();
    assert!(fields(&calls) < 4_000_000);

    // An integer of half a megabyte, many times.
    let long = [
        &b"}(X\x01\0\0\0a(\x8b\0\0\x08\0"[..],
        &[1; 524_288],
        &[b'2'; 10_000],
        b"lu.",
    ]
    .concat();
    assert!(fields(&long) < 8_000_000);
}

#[test]
fn pickles_run_nothing() {
    let record = pickle::decode(
        b"}(X\x01\0\0\0acos\nsystem\n(X\x02\0\0\0idtRu.",
        Topic::default(),
    )
    .unwrap();
    assert_eq!(
        record.fields.get("a"),
        Some(&Value::Text("os.system('id')".into()))
    );
    for (body, expected) in [
        (&b""[..], "unexpected end at byte 0"),
        (b"\x80\x09", "protocol 9, expected 0 to 5 at byte 0"),
        (b"}u.", "expected a mark at byte 1"),
        (b"].", "expected a dict at byte 2"),
        (b"a", "the stack is empty at byte 0"),
        (b"}h\x05", "no such place in the memo: 5 at byte 1"),
        (
            b"}r\xff\xff\xff\xff.",
            "no such place in the memo: 4294967295 at byte 1",
        ),
        (b"X\xff\xff\xff\xffabc", "unexpected end at byte 0"),
        (
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc",
            "unexpected end at byte 0",
        ),
        (b"\xfe", "unknown instruction 0xfe at byte 0"),
        (b"}(Nu.", "expected a value for each name at byte 3"),
        (b"I1x\n.", "malformed number at byte 0"),
    ] {
        let error = pickle::decode(body, Topic::default())
            .unwrap_err()
            .to_string();
        assert_eq!(error, format!("no pickled LogRecord: {expected}"));
    }
}
