//! Client processes: this program started again, several at once, all told to go at the same moment.
//!
//! What they say to each other is a line each: a client says `ready`, is told to go, and says `done TIME [TASK]`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use distlog_tests::bench::results::program;
use distlog_tests::bench::system;

/// What a client says when it has done its work.
#[derive(Debug, Clone)]
pub struct Done {
    /// When, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// Its first task.
    pub task: Option<String>,
}

impl Done {
    /// The work is done now.
    pub fn now(task: Option<String>) -> Done {
        let at = system::now();
        Done { at, task }
    }

    /// Says so to the parent, and waits until that has looked at what the process used.
    pub fn say(&self) {
        let task = self.task.as_deref().unwrap_or_default();
        println!("done {} {task}", self.at);
        wait_for_parent();
    }

    fn parse(line: &str) -> Option<Done> {
        let mut words = line.strip_prefix("done ")?.split_whitespace();
        Some(Done {
            at: words.next()?.parse().ok()?,
            task: words.next().map(str::to_owned),
        })
    }
}

/// A client is ready, and waits until all are.
pub fn ready() {
    println!("ready");
    wait_for_parent();
}

fn wait_for_parent() {
    let mut word = String::new();
    // At its end the parent is gone; the client soon notices otherwise.
    let _ = std::io::stdin().read_line(&mut word);
}

struct Client {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn line(&mut self) -> String {
        self.lines.next().and_then(Result::ok).unwrap_or_default()
    }

    fn go_on(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin).expect("the client waits for a word");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Client processes that are ready to go.
pub struct ClientProcesses(Vec<Client>);

impl ClientProcesses {
    /// Starts so many in `folder`, and waits until each is ready.
    pub fn start(count: usize, folder: &Path, arguments: &[String]) -> ClientProcesses {
        ClientProcesses::start_with(count, folder, arguments, &[])
    }

    /// As [`ClientProcesses::start`], with these variables in their environment.
    pub fn start_with(
        count: usize,
        folder: &Path,
        arguments: &[String],
        variables: &[(&str, &str)],
    ) -> ClientProcesses {
        let start = |_| {
            let mut child = Command::new(program())
                .args(arguments)
                .envs(variables.iter().copied())
                .current_dir(folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a client starts");
            let stdout = child.stdout.take().expect("a pipe");
            Client {
                child,
                lines: BufReader::new(stdout).lines(),
            }
        };
        let mut clients: Vec<Client> = (0..count).map(start).collect();
        for client in &mut clients {
            assert_eq!(client.line(), "ready", "a client gave up");
        }
        ClientProcesses(clients)
    }

    /// Tells all to go.
    pub fn go(&mut self) {
        self.0.iter_mut().for_each(Client::go_on);
    }

    /// Waits until all have done their work: what each said. They live on.
    pub fn wait(&mut self) -> Vec<Done> {
        self.0
            .iter_mut()
            .map(|client| Done::parse(&client.line()).expect("a client does its work"))
            .collect()
    }

    /// The CPU time that they have used.
    pub fn cpu(&self) -> Duration {
        self.0
            .iter()
            .map(|client| system::cpu(client.child.id()))
            .sum()
    }

    /// Lets them end.
    pub fn end(mut self) {
        self.go();
        for client in &mut self.0 {
            let status = client.child.wait().expect("a client can be waited for");
            assert!(status.success(), "a client ended with {status}");
        }
    }
}
