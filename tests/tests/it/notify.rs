//! A service manager is told what the daemon does: systemd's protocol, `sd_notify(3)`.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use distlog_testkit::Daemon;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

#[test]
fn the_daemon_says_that_it_is_ready_that_it_lives_reloads_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let hear = || {
        let mut said = [0; 256];
        let length = socket.recv(&mut said).expect("a word of the daemon");
        String::from_utf8(said[..length].to_vec()).unwrap()
    };
    let environment = [
        format!("NOTIFY_SOCKET={}", path.display()),
        "WATCHDOG_USEC=200000".into(),
        DISTLOGD.into(),
    ];
    let arguments: Vec<&str> = environment.iter().map(String::as_str).collect();
    let mut daemon = Daemon::start("env", &arguments, folder.path(), "grace: 1s");
    assert_eq!(hear(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1\n");
    }
    daemon.process().signal("HUP");
    let mut said = std::iter::repeat_with(hear).filter(|said| said != "WATCHDOG=1\n");
    assert_eq!(said.next().as_deref(), Some("RELOADING=1\n"));
    assert_eq!(said.next().as_deref(), Some("READY=1\n"));
    daemon.stop();
    let said: Vec<String> = std::iter::repeat_with(hear)
        .find(|said| said != "WATCHDOG=1\n")
        .into_iter()
        .chain([hear()])
        .collect();
    assert_eq!(said, ["STOPPING=1\n", "EXTEND_TIMEOUT_USEC=31000000\n"]);
}
