//! Encodings J and P: every field of every record survives, and no bytes do harm.

use distlog_proto::{BatchRef, Encoding, Record, Severity, Topic};
use distlog_python::{json, pickle};
use distlog_testkit::records::{batch, record, topic};
use proptest::prelude::*;

fn through_json(record: &Record) -> Record {
    let bytes = batch(record);
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut text = b"before[".to_vec();
    json::encode(&batch.records().next().unwrap().unwrap(), &mut text);
    let text = text.strip_prefix(b"before[").unwrap();
    let _: serde_json::Value = serde_json::from_slice(text).expect("strict JSON");
    assert!(!text.contains(&b'\n'), "one line");
    json::decode(text, topic(record, Encoding::Json)).unwrap()
}

fn through_pickle(record: &Record) -> Record {
    let bytes = batch(record);
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut body = Vec::new();
    pickle::encode(&batch.records().next().unwrap().unwrap(), &mut body);
    pickle::decode(&body, topic(record, Encoding::Pickle)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_field_survives_in_both_encodings(record in record()) {
        let bytes = batch(&record);
        let from_batch = BatchRef::parse(&bytes).unwrap().records().next().unwrap().unwrap().to_record();
        prop_assert_eq!(&from_batch, &record);
        prop_assert_eq!(&through_json(&record), &record);
        prop_assert_eq!(&through_pickle(&record), &record);
    }

    #[test]
    fn nothing_of_a_record_is_left_in_the_next(records in prop::collection::vec(record(), 2..6),
        cut in any::<prop::sample::Index>()) {
        let (mut from_json, mut from_pickle) = (json::Decoder::default(), pickle::Decoder::default());
        for record in &records {
            let bytes = batch(record);
            let batch = BatchRef::parse(&bytes).unwrap();
            let whole = batch.records().next().unwrap().unwrap();
            let (mut text, mut body) = (Vec::new(), Vec::new());
            json::encode(&whole, &mut text);
            pickle::encode(&whole, &mut body);
            // One that breaks off may have been read in part.
            let (text_end, body_end) = (cut.index(text.len()), cut.index(body.len()));
            prop_assert!(from_json.decode(&text[..text_end], topic(record, Encoding::Json)).is_err());
            prop_assert!(from_pickle.decode(&body[..body_end], topic(record, Encoding::Pickle)).is_err());
            prop_assert_eq!(&*from_json.decode(&text, topic(record, Encoding::Json)).unwrap(), record);
            prop_assert_eq!(&*from_pickle.decode(&body, topic(record, Encoding::Pickle)).unwrap(), record);
        }
    }

    #[test]
    fn damaged_bodies_do_no_harm(record in record(), cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let bytes = batch(&record);
        let batch = BatchRef::parse(&bytes).unwrap();
        let whole = batch.records().next().unwrap().unwrap();
        let (mut text, mut body) = (Vec::new(), Vec::new());
        json::encode(&whole, &mut text);
        pickle::encode(&whole, &mut body);
        for encoded in [&mut text, &mut body] {
            let end = cut.index(encoded.len());
            prop_assert!(json::decode(&encoded[..end], Topic::default()).is_err(), "a part is no record");
            prop_assert!(pickle::decode(&encoded[..end], Topic::default()).is_err(), "a part is no record");
            for (at, byte) in &flips {
                let at = at.index(encoded.len());
                encoded[at] = *byte;
            }
        }
        let _ = (json::decode(&text, Topic::default()), pickle::decode(&body, Topic::default()));
    }
}

#[test]
fn a_severity_that_both_have_is_said_once() {
    let mut record = Record {
        severity: Severity::WARN,
        ..Record::default()
    };
    assert_eq!(through_json(&record), record);
    record.callsite.severity = Severity::WARN;
    record.severity = Severity::UNSET;
    assert_eq!(through_json(&record), record);
    assert_eq!(through_pickle(&record), record);
}
