//! Who lives and who is dead, among real processes: this test binary runs itself again for each role.

#[path = "it/fixtures.rs"]
mod fixtures;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use distlog_spool::{Frame, SpoolDir, SpoolError};
use fixtures::{Image, SECRET, dead, name, only, producer, record, records, source};

const ROLE: &str = "SPOOL_TEST_ROLE";
const DIRECTORY: &str = "SPOOL_TEST_DIRECTORY";

/// A process with a role, killed when it is dropped.
struct Actor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Actor {
    fn start(role: &str, directory: &Path) -> Actor {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "actor", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Actor {
            child,
            input,
            output,
        }
    }

    /// Waits for what it says.
    fn hears(&mut self) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, said)) = line.split_once("says: ") {
                return said.trim_end().to_owned();
            }
            line.clear();
        }
        panic!("the other process ended: {:?}", self.child.wait())
    }

    fn tell(&mut self) {
        self.input.write_all(b"go\n").unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: &str) {
    // At once and with one call, so that a forked child can say something, too.
    let line = format!("says: {what}\n");
    std::fs::File::from(rustix::io::dup(rustix::stdio::stdout()).unwrap())
        .write_all(line.as_bytes())
        .unwrap();
}

/// Ends the process if there is nobody any more who could tell it to go on.
fn wait_for_a_line() {
    if std::io::stdin().read_line(&mut String::new()).unwrap() == 0 {
        std::process::exit(0);
    }
}

fn wait_for_the_end() {
    let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
}

fn hold(spools: &SpoolDir) -> distlog_spool::LiveSpool {
    let new = spools.create(producer(), 4096, SECRET, &source()).unwrap();
    let mut image = Image::new(4096);
    image.push(0, &record(0, "last words"), true).unwrap();
    new.file()
        .write_all_at(&image.bytes()[4096..8192], 4096)
        .unwrap();
    new.publish().unwrap()
}

#[test]
#[ignore = "the other tests run it as another process"]
fn actor() {
    let Some(role) = std::env::var_os(ROLE) else {
        return;
    };
    let directory = std::env::var_os(DIRECTORY).unwrap();
    let spools = SpoolDir::open(&directory).unwrap();
    match role.to_str().unwrap() {
        "holds" => {
            let _live = hold(&spools);
            say("ready");
            wait_for_the_end();
        }
        "makes" => {
            let _new = spools.create(producer(), 4096, SECRET, &source()).unwrap();
            say("ready");
            wait_for_the_end();
        }
        role @ ("forks and keeps" | "forks and closes") => {
            let live = hold(&spools);
            // SAFETY: the child only looks at files, says something and waits; nothing that it needs can be held by
            // another thread, as the tests' main thread waits for this one.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child > 0 {
                // SAFETY: no pointer is given.
                unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
                return;
            }
            let seen = spools.dead().unwrap().count();
            // What the child has is a copy: it does not remove the file.
            live.remove().unwrap();
            let mut own = None;
            if role == "forks and keeps" {
                std::mem::forget(live);
                let new = spools.create(producer_of_child(), 4096, SECRET, &source());
                own = Some(new.unwrap().publish().unwrap());
            } else {
                drop(live);
            }
            say(&format!("{seen}"));
            wait_for_a_line();
            let claimed: Vec<_> = spools.dead().unwrap().collect();
            say(&format!("{}", claimed.len()));
            wait_for_the_end();
            drop(own);
            std::process::exit(0);
        }
        "forks with batches" => {
            let spool = spools.create_batches(producer()).unwrap();
            let mut bytes = source();
            distlog_proto::wire::put_record(&mut bytes, 0, &record(0, "last words"));
            let append = |from| {
                let (to, bytes) = (from + 1, &bytes[..]);
                spool.append([Frame { from, to, bytes }])
            };
            append(0).unwrap();
            // SAFETY: as above.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child > 0 {
                // SAFETY: no pointer is given.
                unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
                return;
            }
            // What the child has is a copy.
            let refused = [append(1).is_err(), spool.set_acked(1).is_err()];
            drop(spool);
            say(&format!("{refused:?}"));
            wait_for_the_end();
            std::process::exit(0);
        }
        "claims" => {
            say("ready");
            wait_for_a_line();
            let claimed: Vec<_> = spools.dead().unwrap().collect();
            say(&format!("{}", claimed.len()));
            wait_for_the_end();
        }
        "is a stranger" => {
            if rustix::process::geteuid().is_root() {
                // SAFETY: takes a number, changes the user of this process.
                assert_eq!(unsafe { libc::setuid(65534) }, 0);
            }
            let error = spools.dead().unwrap().next().unwrap().unwrap_err();
            assert!(matches!(error, SpoolError::NoPermission { .. }), "{error}");
            let error = spools
                .create(producer_of_child(), 4096, SECRET, &source())
                .unwrap_err();
            assert!(matches!(error, SpoolError::NoPermission { .. }), "{error}");
            say("refused");
        }
        "has no room" => {
            let limit = rustix::process::Rlimit {
                current: Some(100_000),
                maximum: Some(100_000),
            };
            rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
            // SAFETY: ignoring a signal runs no handler. The write that is too long fails then.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
            let error = spools
                .create(producer(), 1 << 20, SECRET, &source())
                .unwrap_err();
            assert!(matches!(error, SpoolError::File { .. }), "{error}");
            say("refused");
        }
        role => panic!("no such role: {role}"),
    }
}

fn producer_of_child() -> distlog_proto::ProducerId {
    distlog_proto::ProducerId::from_bytes([0xcc; 16])
}

/// What the killed process left is here.
fn assert_last_words(directory: &Path) {
    let spool = only(directory);
    let batches: Vec<_> = spool.batches(0).collect();
    let read = records(&batches, 0, spool.end());
    assert_eq!(read, [(0, 0, "last words".to_owned())]);
    spool.remove().unwrap();
}

#[test]
fn a_spool_is_claimed_when_its_process_is_killed_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = Actor::start("holds", dir.path());
    assert_eq!(owner.hears(), "ready");
    for _ in 0..3 {
        assert!(dead(dir.path()).is_empty(), "it lives");
    }
    owner.kill();
    assert_last_words(dir.path());
}

#[test]
fn a_spool_in_the_making_is_swept_when_its_process_is_killed_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = Actor::start("makes", dir.path());
    assert_eq!(owner.hears(), "ready");
    assert!(dead(dir.path()).is_empty());
    assert!(dir.path().join(name("tmp")).exists());
    owner.kill();
    assert!(dead(dir.path()).is_empty());
    assert!(!dir.path().join(name("tmp")).exists());
}

#[test]
fn a_child_neither_takes_nor_keeps_its_parents_spool() {
    for role in ["forks and keeps", "forks and closes"] {
        let dir = tempfile::tempdir().unwrap();
        let mut owner = Actor::start(role, dir.path());
        assert_eq!(owner.hears(), "0", "the child takes its parent for dead");
        assert!(
            dead(dir.path()).is_empty(),
            "what the child did has dropped its parent's lock"
        );
        owner.kill();
        // The child lives, one of them with its parent's file open and a spool of its own.
        assert_last_words(dir.path());
    }
}

#[test]
fn a_child_does_not_write_to_its_parents_batches() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = Actor::start("forks with batches", dir.path());
    assert_eq!(owner.hears(), "[true, true]");
    assert!(dead(dir.path()).is_empty(), "its parent lives");
    owner.kill();
    let spool = only(dir.path());
    let batches: Vec<_> = spool.batches(0).collect();
    assert_eq!((batches.len(), batches[0].count, spool.end()), (1, 1, 1));
}

#[test]
fn a_child_claims_what_its_dead_parent_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = Actor::start("forks and closes", dir.path());
    assert_eq!(owner.hears(), "0");
    owner.kill();
    // The pipe is the child's, too.
    owner.tell();
    assert_eq!(owner.hears(), "1");
    assert!(dead(dir.path()).is_empty(), "it is the child's now");
}

#[test]
fn of_many_claimers_one_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    Image::new(4096).leave(dir.path());
    for _ in 0..5 {
        let mut claimers: Vec<_> = (0..4).map(|_| Actor::start("claims", dir.path())).collect();
        claimers
            .iter_mut()
            .for_each(|claimer| assert_eq!(claimer.hears(), "ready"));
        claimers.iter_mut().for_each(Actor::tell);
        let mut claimed: Vec<_> = claimers.iter_mut().map(Actor::hears).collect();
        claimed.sort();
        assert_eq!(claimed, ["0", "0", "0", "1"]);
    }
}

#[test]
fn a_stranger_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = Image::new(4096).leave(dir.path());
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Root becomes somebody else; others lose what they may do with their own.
    if rustix::process::geteuid().is_root() {
        mode(&path, 0o600);
        mode(dir.path(), 0o755);
    } else {
        mode(&path, 0o000);
        mode(dir.path(), 0o555);
    }
    let mut stranger = Actor::start("is a stranger", dir.path());
    let heard = stranger.hears();
    mode(dir.path(), 0o700);
    assert_eq!(heard, "refused");
    assert!(path.exists());
}

#[test]
fn where_there_is_no_room_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut actor = Actor::start("has no room", dir.path());
    assert_eq!(actor.hears(), "refused");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
