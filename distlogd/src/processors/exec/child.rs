//! The running program: its pipes, and how it is ended.

use std::io::{self, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::answer::{Answer, parse, read_line};
use super::config::Config;

/// Answers waiting to be looked at; then the program has to wait.
const ANSWERS: usize = 4096;
/// How long it may take to finish after its input is closed, and then after it was asked to end.
const STOP_TIMEOUTS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(1)];
/// How often it is looked whether it has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// [`STOP_TIMEOUTS`] together, and some time to notice that the daemon stops.
pub(super) const STOP_TIME: Duration = Duration::from_secs(6);

/// A running program. Dropping it ends it.
pub(in crate::processors) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<Answer>,
    /// The last line of its standard error.
    last_words: Arc<Mutex<String>>,
    shown: String,
}

impl Running {
    /// Starts the program. `name` is the processor's, for what it says on standard error.
    pub(in crate::processors) fn start(name: &str, config: &Config) -> io::Result<Running> {
        let [program, args @ ..] = config.command.as_slice() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut command = Command::new(program);
        command
            .args(args)
            .envs(&config.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(dir) = &config.dir {
            command.current_dir(dir);
        }
        let mut child = command.spawn()?;
        let (sender, answers) = sync_channel(ANSWERS);
        let last_words = Arc::new(Mutex::new(String::new()));
        let attached = Running::attach(name, &mut child, sender, &last_words);
        let mut running = Running {
            child,
            stdin: None,
            answers,
            last_words,
            shown: config.command.join(" "),
        };
        // On an error `running` is dropped here, which ends the program.
        running.stdin = Some(attached?);
        Ok(running)
    }

    /// Starts the threads that listen.
    fn attach(
        name: &str,
        child: &mut Child,
        sender: SyncSender<Answer>,
        last_words: &Arc<Mutex<String>>,
    ) -> io::Result<ChildStdin> {
        let missing = || io::Error::other("a pipe is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        // Writing must never wait for a program that does not read.
        let flags = rustix::fs::fcntl_getfl(&stdin)?;
        rustix::fs::fcntl_setfl(&stdin, flags | rustix::fs::OFlags::NONBLOCK)?;
        let stdout = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        std::thread::Builder::new()
            .name("exec-out".into())
            .spawn(move || listen(stdout, &sender))?;
        let stderr = BufReader::new(child.stderr.take().ok_or_else(missing)?);
        let (name, last_words) = (name.to_owned(), Arc::clone(last_words));
        std::thread::Builder::new()
            .name("exec-err".into())
            .spawn(move || overhear(stderr, &name, &last_words))?;
        Ok(stdin)
    }

    /// Writes what it takes without waiting; returns how many bytes that is.
    pub(in crate::processors) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(stdin) = &mut self.stdin else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        loop {
            match stdin.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Waits until it reads, for a short time only: it may have to get rid of answers first.
    pub(in crate::processors) fn wait_writable(&self) {
        if let Some(stdin) = &self.stdin {
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            let _ = poll(&mut [PollFd::new(stdin, PollFlags::OUT)], Some(&timeout));
        }
    }

    /// The next answer, if there is one.
    pub(super) fn answer(&self) -> Option<Answer> {
        match self.answers.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Answer::End),
        }
    }

    /// Waits for the next answer.
    pub(super) fn wait_answer(&self, timeout: Duration) -> Option<Answer> {
        match self.answers.recv_timeout(timeout) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Answer::End),
        }
    }

    /// Closes its input, and waits so long until it ends by itself: whether it does so well.
    pub(in crate::processors) fn ends_well(&mut self, patience: Duration) -> Option<bool> {
        self.stdin = None;
        self.wait(patience).map(|status| status.success())
    }

    /// Ends it and says how it ended.
    pub(in crate::processors) fn epitaph(mut self) -> String {
        let status = self.end();
        let how = match status {
            Some(status) => status.to_string(),
            None => "an unknown state".to_owned(),
        };
        let last_words = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let said = if last_words.is_empty() {
            String::new()
        } else {
            format!(", and said last: {last_words}")
        };
        format!("`{}` ended with {how}{said}", self.shown)
    }

    /// Politely first: end of input, then SIGTERM, then SIGKILL.
    fn end(&mut self) -> Option<ExitStatus> {
        self.stdin = None;
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        for patience in STOP_TIMEOUTS {
            if let Some(status) = self.wait(patience) {
                return Some(status);
            }
            // It is not waited for yet, so the id is still its own.
            pid.iter()
                .for_each(|pid| _ = kill_process(*pid, Signal::TERM));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => {
                    // It must not hang on answers that nobody takes any more.
                    while self.answers.try_recv().is_ok() {}
                    std::thread::sleep(POLL_INTERVAL);
                }
                _ => return None,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(mut stdout: impl io::BufRead, answers: &SyncSender<Answer>) {
    let mut line = String::new();
    while let Ok(true) = read_line(&mut stdout, &mut line) {
        if let Some(answer) = parse(&line)
            && answers.send(answer).is_err()
        {
            return;
        }
    }
    let _ = answers.send(Answer::End);
}

fn overhear(mut stderr: impl io::BufRead, name: &str, last_words: &Mutex<String>) {
    let mut line = String::new();
    while let Ok(true) = read_line(&mut stderr, &mut line) {
        let said = line.trim_end();
        tracing::info!(processor = name, "{said}");
        if !said.is_empty() {
            *last_words.lock().unwrap_or_else(PoisonError::into_inner) =
                said.chars().take(500).collect();
        }
    }
}
