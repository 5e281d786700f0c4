//! Programs that the daemon starts.

use std::path::PathBuf;

use distlog_testkit::{Daemon, eventually};

use crate::DISTLOGD;
use crate::kit::push_socket;

#[test]
fn a_program_that_ignores_the_end_of_its_input_does_not_outlive_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
grace: 1s
processors: { hangs: { exec: { command: [sh, -c, 'echo $$ > new; mv new pid; exec sleep 1000'] } } }
rules: [ { to: [hangs] } ]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let pid = eventually("its id", || {
        std::fs::read_to_string(folder.path().join("pid"))
    });
    let process = PathBuf::from(format!("/proc/{}", pid.trim()));
    // With a record that it does not acknowledge, its worker waits beyond the grace period.
    let socket = push_socket(daemon.push());
    socket
        .send_multipart(["TLJ", r#"{"message":"hello"}"#], 0)
        .unwrap();
    eventually("the record", || {
        match daemon.metric("distlogd_processor_lag_records{processor=\"hangs\"}") {
            1.0 => Ok(()),
            lag => Err(lag),
        }
    });
    assert!(process.exists());
    assert_eq!(daemon.stop().code(), Some(3), "something is left");
    assert!(!process.exists());
}
