//! A program that says nothing of itself is what its environment says.
//!
//! Its program is its own: a child runs it again, with another environment and a subscriber for its whole process.
#![allow(missing_docs)]

mod common;

use std::process::Command;

use common::store::Store;
use distlog_proto::{Environment, Value};
use tracing_subscriber::prelude::*;

const STORY: &str = "DISTLOG_TEST_FROM_ENV";

/// Not a test but what the other one starts.
#[test]
fn a_process_of_its_own() {
    if std::env::var_os(STORY).is_none() {
        return;
    }
    let (layer, _guard) = distlog_layer::builder().connect_from_env().unwrap();
    tracing_subscriber::registry().with(layer).init();
    tracing::info!("from the environment");
}

#[test]
fn a_program_is_what_its_environment_says() {
    let store = Store::tcp();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_of_its_own"])
        .env(STORY, "1")
        .env("DISTLOG_ENDPOINT", &store.address)
        .env("OTEL_SERVICE_NAME", "shop")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=staging,team=tea%20and%20more",
        )
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let kept = store.kept();
    let [record] = &kept.records[..] else {
        panic!("{:?}", kept.records);
    };
    assert_eq!(record.source.service, "shop");
    assert_eq!(record.source.environment, Environment::Staging);
    let team = record.source.resource.get("team");
    assert_eq!(team, Some(&Value::Str("tea and more".into())));
}
