//! Processes of a test's own: the test program again, which tells a story and can be killed.
//!
//! The program has a test `a_process_of_its_own`, which does nothing unless [`STORY`] is set.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Says which story a process of this program tells.
pub const STORY: &str = "DISTLOG_TEST_STORY";
pub const ADDRESS: &str = "DISTLOG_TEST_ADDRESS";
pub const SPOOL: &str = "DISTLOG_TEST_SPOOL";

/// Another process, which tells the story and waits to be killed.
pub struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    pub fn tell(story: &str, dir: &Path, address: &str) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_of_its_own", "--nocapture"])
            .env(STORY, story)
            .env(ADDRESS, address)
            .env(SPOOL, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Process { child, lines }
    }

    /// What it says next, behind `distlog-test:`.
    pub fn said(&mut self) -> String {
        for line in self.lines.by_ref().lines() {
            if let Some((_, said)) = line.unwrap().split_once("distlog-test:") {
                return said.to_owned();
            }
        }
        panic!("it said nothing more");
    }

    pub fn go_on(&mut self) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(b"go on\n").unwrap();
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end; what it wrote to stderr.
    pub fn end(mut self) -> String {
        drop(self.child.stdin.take());
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }
}
