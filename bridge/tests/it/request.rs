//! Requests hold every item once, below its own resource and scope.

use crate::fixtures::{record, source, through_the_wire};
use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceRequest;
use distlog_bridge::otlp::common::v1::any_value::Value as Any;
use distlog_bridge::{Origins, Request, log_record, resource};
use distlog_proto::{Kind, Otlp, Record, Source};
use proptest::prelude::*;
use prost::Message;

fn read(request: &mut Request) -> ExportLogsServiceRequest {
    let bound = request.bytes();
    let bytes = request.finish();
    assert!(
        bytes.len() <= bound,
        "{} bytes, announced {bound}",
        bytes.len()
    );
    assert!(request.is_empty());
    ExportLogsServiceRequest::decode(bytes.as_slice()).unwrap()
}

fn add(request: &mut Request, origins: &mut Origins, records: &[Record]) {
    through_the_wire(records, |records| {
        let mut origins = origins.recent();
        for record in records {
            assert!(request.push(&origins.of(record), &log_record(record)));
        }
    });
}

fn event(service: &str, target: &str, message: &str) -> Record {
    let mut record = record(Kind::Event);
    record.source = Source {
        service: service.into(),
        schema_url: "https://schema/1".into(),
        ..source()
    };
    record.callsite.target = target.into();
    record.message = message.into();
    record
}

fn by_otlp(mut record: Record, version: &str) -> Record {
    record.otlp = Some(Box::new(Otlp {
        scope_name: "lib".into(),
        scope_version: version.into(),
        scope_attributes: [("a", 1)].into_iter().collect(),
        scope_dropped_attributes: 5,
        scope_schema_url: "https://schema/2".into(),
        ..Otlp::default()
    }));
    record
}

#[test]
fn a_resource_says_who_it_was() {
    let mut own = source();
    own.resource.insert("host.name", "other");
    own.resource.insert("cloud.region", "eu");
    own.dropped_attributes = 3;
    through_the_wire(
        &[Record {
            source: own,
            ..record(Kind::Event)
        }],
        |records| {
            let full = resource(records[0].source, false);
            let expected = crate::fixtures::attributes([
                ("host.name", crate::fixtures::text("other")),
                ("cloud.region", crate::fixtures::text("eu")),
                ("service.name", crate::fixtures::text("shop")),
                (
                    "service.instance.id",
                    crate::fixtures::text("07070707-0707-0707-0707-070707070707"),
                ),
                ("process.pid", Any::IntValue(4711)),
                ("process.executable.name", crate::fixtures::text("shopd")),
                (
                    "deployment.environment.name",
                    crate::fixtures::text("production"),
                ),
                ("telemetry.sdk.name", crate::fixtures::text("distlog")),
                ("telemetry.sdk.language", crate::fixtures::text("rust")),
            ]);
            assert_eq!(full.attributes, expected);
            assert_eq!(full.dropped_attributes_count, 3);
            assert_eq!(resource(records[0].source, true).attributes, expected[..2]);
        },
    );
    through_the_wire(
        &[Record {
            source: Source::default(),
            ..record(Kind::Event)
        }],
        |records| {
            assert_eq!(
                resource(records[0].source, false).attributes[0]
                    .value
                    .as_ref()
                    .unwrap()
                    .value,
                Some(crate::fixtures::text("unknown_service"))
            );
        },
    );
}

#[test]
fn schema_urls_and_scopes_survive() {
    let (mut request, mut origins) = (Request::new(1 << 20), Origins::default());
    add(
        &mut request,
        &mut origins,
        &[
            by_otlp(event("shop", "ignored", "one"), "1"),
            by_otlp(event("shop", "", "two"), "2"),
        ],
    );
    let read = read(&mut request);
    assert_eq!(read.resource_logs.len(), 1);
    assert_eq!(read.resource_logs[0].schema_url, "https://schema/1");
    let scopes = &read.resource_logs[0].scope_logs;
    assert_eq!(scopes.len(), 2);
    let scope = scopes[1].scope.as_ref().unwrap();
    assert_eq!(
        (
            scope.name.as_str(),
            scope.version.as_str(),
            scope.dropped_attributes_count
        ),
        ("lib", "2", 5)
    );
    assert_eq!(
        scope.attributes,
        crate::fixtures::attributes([("a", Any::IntValue(1))])
    );
    assert_eq!(scopes[1].schema_url, "https://schema/2");
}

#[test]
fn a_request_does_not_outgrow_its_room() {
    let (mut request, mut origins) = (Request::new(2000), Origins::default());
    let big = event("shop", "t", &"x".repeat(3000));
    let small = event("shop", "t", "small");
    through_the_wire(&[big, small], |records| {
        let mut origins = origins.recent();
        let (big, small) = (&records[0], &records[1]);
        assert!(
            request.push(&origins.of(big), &log_record(big)),
            "alone it goes, whatever its size"
        );
        assert!(!request.push(&origins.of(small), &log_record(small)));
        assert_eq!(request.items(), 1);
        assert!(request.finish().len() > 3000);
        let mut taken = 0;
        while request.push(&origins.of(small), &log_record(small)) {
            taken += 1;
        }
        assert!(taken > 1);
        assert!(!request.push(&origins.of(big), &log_record(big)));
        assert_eq!(
            read(&mut request).resource_logs[0].scope_logs[0]
                .log_records
                .len(),
            taken
        );
    });
}

#[test]
fn an_empty_request_has_no_bytes() {
    assert_eq!(Request::new(1 << 20).finish(), Vec::<u8>::new());
}

proptest! {
    #[test]
    fn every_item_stands_in_its_group(items in prop::collection::vec((0..4u8, 0..4u8), 0..60)) {
        let (mut request, mut origins) = (Request::new(1 << 20), Origins::default());
        let mut expected = Vec::new();
        for (i, (service, target)) in items.iter().enumerate() {
            let (service, target, message) = (format!("s{service}"), format!("t{target}"), i.to_string());
            add(&mut request, &mut origins, &[event(&service, &target, &message)]);
            expected.push((service, target, message));
        }
        prop_assert_eq!(request.items(), items.len());
        let read = read(&mut request);
        let mut arrived = Vec::new();
        for group in &read.resource_logs {
            let attributes = &group.resource.as_ref().unwrap().attributes;
            let service = attributes.iter().find(|a| a.key == "service.name").unwrap().value.clone().unwrap().value;
            for scope in &group.scope_logs {
                for log in &scope.log_records {
                    let text = |value: Option<Any>| match value { Some(Any::StringValue(s)) => s, other => panic!("{other:?}") };
                    arrived.push((text(service.clone()), scope.scope.as_ref().unwrap().name.clone(),
                        text(log.body.clone().unwrap().value)));
                }
            }
        }
        let groups: std::collections::HashSet<_> = items.iter().collect();
        prop_assert_eq!(read.resource_logs.iter().map(|r| r.scope_logs.len()).sum::<usize>(), groups.len());
        arrived.sort();
        expected.sort();
        prop_assert_eq!(arrived, expected);
    }
}
