//! What a program redacts never reaches the daemon.

use std::fs;
use std::path::Path;

use distlog_layer::task;
use distlog_testkit::{Daemon, eventually};
use tracing::{error, info};
use tracing_subscriber::prelude::*;

use crate::DISTLOGD;

const CARD: &str = "4111111111111111";
const PASSWORD: &str = "Tr0ub4dor&3";

/// Whether a file in the folder has these bytes.
fn has(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => has(&path, bytes),
            false => {
                let content = fs::read(&path).unwrap_or_default();
                content.windows(bytes.len()).any(|window| window == bytes)
            }
        }
    })
}

fn pay(folder: &Path, endpoint: &str, redact: bool) {
    let mut builder = distlog_layer::builder().spool(folder.join("spools"));
    if redact {
        builder = builder
            .redact(["password", "authorization"])
            .redact_patterns([r"\b\d{13,16}\b"])
            .unwrap();
    }
    let (layer, guard) = builder.service("shop").connect(endpoint).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let payment = task!(user.password = PASSWORD, "pay with {CARD}");
        payment.bind("http.request.header.authorization", PASSWORD);
        payment.in_scope(|| {
            info!(
                password = PASSWORD,
                card = 4111111111111111_u64,
                "the card {CARD} is good"
            );
            error!(error = %format!("card {CARD} was refused"), "refused");
        });
    });
    // What is not sent yet is in the spool.
    assert_eq!(has(folder, CARD.as_bytes()), !redact);
    drop(guard);
}

#[test]
fn a_secret_is_in_no_file_and_in_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let config = "processors: { all: { file: { path: all.jsonl } } }\nrules: [ { to: all } ]\n";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    pay(folder.path(), daemon.session(), true);
    let records = daemon.records("all.jsonl", 5);
    let found = daemon.get("/api/v1/records?q=refused&from=1h").unwrap();
    assert!(found.contains("[redacted] was refused"), "{found}");
    let text = format!("{records:?}{found}");
    assert!(text.contains("pay with [redacted]") && text.contains("the card [redacted] is good"));
    assert!(!text.contains(CARD) && !text.contains(PASSWORD), "{text}");
    assert!(daemon.stop().success());
    assert!(!has(folder.path(), CARD.as_bytes()) && !has(folder.path(), PASSWORD.as_bytes()));
    assert!(has(folder.path(), b"[redacted]"));

    // The search finds what is there.
    daemon.restart();
    pay(folder.path(), daemon.session(), false);
    eventually("what is not redacted", || {
        match daemon.lines("all.jsonl").join("\n").contains(PASSWORD) {
            true => Ok(()),
            false => Err("not there"),
        }
    });
}
