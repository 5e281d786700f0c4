//! Golden bytes: how the encodings J and P write a record must not change unnoticed. `python/read_ours.py` reads the
//! same files as Python does. To write them anew: `UPDATE_GOLDEN=1 cargo test -p distlog-python --test json_golden`.

use std::path::PathBuf;

use distlog_proto::*;
use distlog_python::{json, pickle};
use distlog_testkit::records::{batch, topic};

fn end() -> Record {
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3.9f2c01ab"
        .parse()
        .unwrap();
    let source = Source {
        producer: ProducerId::from_bytes([7; 16]),
        host: "web1".into(),
        process_id: 812,
        process_name: "orders".into(),
        service: "orders".into(),
        resource: [("deployment", "blue")].into_iter().collect(),
        environment: Environment::Production,
        ..Source::default()
    };
    let callsite = Callsite {
        severity: Severity::INFO,
        target: "shop::pay".into(),
        file: "src/pay.rs".into(),
        line: 42,
        module: "shop::pay".into(),
        function: "charge".into(),
        template: "charge {}".into(),
    };
    let mut fields = Map::new();
    fields.insert("amount", 12.0);
    fields.insert("id", 18_446_744_073_709_551_615u64);
    fields.insert("order", Value::Text("Order { id: 7 }".into()));
    fields.insert("raw", vec![0u8, 255]);
    fields.insert("nan", f64::NAN);
    fields.insert(
        "list",
        Value::List(vec![Value::Text("x".into()), Value::Null, true.into()]),
    );
    Record {
        source,
        callsite,
        offset: 4096,
        kind: Kind::End,
        time: 1_763_871_098_123_456_789,
        severity: Severity::ERROR,
        message: "charge \"7\"\nfailed é".into(),
        task: Some(Task {
            context: [("user", "leo"), ("key", "own")].into_iter().collect(),
            flags: 3,
            ..Task::from(&id)
        }),
        number: 5,
        thread_id: 3,
        thread_name: "worker".into(),
        fields,
        outcome: Outcome::Failed,
        duration: 1_500_000,
        error: Some(ErrorInfo {
            kind: "Declined".into(),
            message: "card".into(),
            chain: vec!["timeout".into()],
            traceback: String::new(),
        }),
        ..Record::default()
    }
}

fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let known = std::fs::read(&path).unwrap_or_default();
    assert!(
        known == bytes,
        "{name}:\nis    {}\nmust be {}",
        bytes.escape_ascii(),
        known.escape_ascii()
    );
}

#[test]
fn the_bytes_stay_what_they_are() {
    let record = end();
    let bytes = batch(&record);
    let batch = BatchRef::parse(&bytes).unwrap();
    let record_ref = batch.records().next().unwrap().unwrap();
    let (mut text, mut pickled) = (Vec::new(), Vec::new());
    json::encode(&record_ref, &mut text);
    pickle::encode(&record_ref, &mut pickled);
    golden("end.json", &text);
    golden("end.pickle", &pickled);
    golden("end.batch", &bytes);
    assert_eq!(
        json::decode(&text, topic(&record, Encoding::Json)).unwrap(),
        record
    );
    assert_eq!(
        pickle::decode(&pickled, topic(&record, Encoding::Pickle)).unwrap(),
        record
    );
}
