//! A disk that is full: nothing is acked that is not stored.

use std::fs::File;

use distlog_proto::session::ToClient;
use distlog_testkit::eventually;
use distlogd::daemon::Builder;

use crate::kit::in_process::*;
use crate::kit::session_client::*;

/// Bytes that are free where a path is.
fn free(path: &std::path::Path) -> u64 {
    let found = rustix::fs::statvfs(path).unwrap();
    found.f_bavail * found.f_frsize
}

#[test]
fn a_full_disk_stops_the_acks_and_room_brings_them_back() {
    let folder = tempfile::tempdir().unwrap();
    // The disk is full when so little is left that this file makes the difference.
    let ballast = folder.path().join("ballast");
    let size = 1 << 30;
    let mut config = config(folder.path());
    config.store.reserve = free(folder.path()) - size / 2;
    let file = File::create(&ballast).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size).unwrap();
    drop(file);

    let daemon = Builder::new().start(&config).unwrap();
    let context = zmq::Context::new();
    // What is there is known, so there is a welcome.
    let mut client = Client::join(&context, &daemon, id(1), 1);
    client.send(0, 10, vec![record(0, "a")]);
    client.send(10, 20, vec![record(10, "b")]);
    eventually("the store is full", || {
        if metric(&daemon, "distlogd_store_no_space_total") > 2 {
            Ok(())
        } else {
            Err(())
        }
    });
    // It is alive, and says that nothing is durable.
    client.ping([0; 5]);
    match client.hear() {
        ToClient::Ack(ack) => assert_eq!(ack.stored_to, 0),
        other => panic!("{other:?}"),
    }
    assert_eq!(daemon.reader().end(), daemon.reader().first());
    std::fs::remove_file(&ballast).unwrap();
    client.acked(20);
    assert_eq!(stored(daemon.reader(), id(1)).len(), 2);
    daemon.stop();
}
