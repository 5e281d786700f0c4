//! Delivers one notification once, to a program or by HTTP, and says what became of it.

use std::time::{Duration, Instant};

use super::config::{Exec, To};
use super::notification::{Notification, Writer};
use crate::processors::exec;
use crate::processors::exec::Running;
use crate::shutdown::{Phase, Shutdown};

/// How often it is looked whether the daemon stops.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    /// It is to be tried again, after this time if it is said.
    Later {
        reason: String,
        after: Option<Duration>,
    },
    /// It will never be taken.
    #[cfg_attr(not(feature = "http-export"), allow(dead_code))]
    Never {
        reason: String,
    },
}

impl Outcome {
    fn later(reason: impl ToString) -> Outcome {
        Outcome::Later {
            reason: reason.to_string(),
            after: None,
        }
    }
}

/// Who is notified.
pub(super) enum Target {
    Exec(Exec),
    #[cfg(feature = "http-export")]
    Http(Box<web::Web>),
}

impl Target {
    /// # Errors
    /// If certificates cannot be used, in a sentence.
    #[cfg_attr(not(feature = "http-export"), allow(unused_variables))]
    pub(super) fn new(to: &To, runtime: &tokio::runtime::Handle) -> Result<Target, String> {
        match to {
            To::Exec(exec) => Ok(Target::Exec(exec.clone())),
            #[cfg(feature = "http-export")]
            To::Http(http) => web::Web::new(http, runtime).map(|web| Target::Http(Box::new(web))),
        }
    }

    /// Tries once; at [`Phase::Abort`] it ends without an answer.
    pub(super) fn deliver(
        &self,
        writer: &Writer,
        notification: &Notification,
        shutdown: &Shutdown,
    ) -> Outcome {
        match self {
            Target::Exec(exec) => run(exec, writer, notification, shutdown),
            #[cfg(feature = "http-export")]
            Target::Http(web) => web.post(writer, notification, shutdown),
        }
    }
}

/// Runs a program: one that exits with 0 has taken it.
fn run(exec: &Exec, writer: &Writer, notification: &Notification, shutdown: &Shutdown) -> Outcome {
    let mut env = writer.variables(notification);
    env.extend(exec.env.clone());
    let config = exec::Config {
        command: exec.command.clone(),
        env,
        dir: exec.dir.clone(),
        in_flight: 1,
        timeout: exec.timeout,
    };
    let mut running = match Running::start(writer.name(), &config) {
        Ok(running) => running,
        Err(error) => {
            let command = exec.command.join(" ");
            return Outcome::later(format_args!("cannot start `{command}`: {error}"));
        }
    };
    let body = writer.body(notification);
    let mut rest = body.as_slice();
    let begun = Instant::now();
    let is_over = || begun.elapsed() >= exec.timeout || shutdown.reached(Phase::Abort);
    while !rest.is_empty() && !is_over() {
        match running.write(rest) {
            Ok(0) => running.wait_writable(),
            Ok(written) => rest = &rest[written..],
            // It has what it wants to know: how it ends says the rest.
            Err(_) => break,
        }
    }
    while !is_over() {
        let left = exec.timeout.saturating_sub(begun.elapsed());
        match running.ends_well(left.min(STOP_INTERVAL)) {
            Some(true) => return Outcome::Delivered,
            Some(false) => return Outcome::later(running.epitaph()),
            None => {}
        }
    }
    let command = exec.command.join(" ");
    let timeout = crate::values::show_duration(exec.timeout);
    Outcome::later(format_args!("`{command}` did not end within {timeout}"))
}

#[cfg(feature = "http-export")]
mod web {
    use http::Uri;
    use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
    use tokio::runtime::Handle;

    use super::{Notification, Outcome, Phase, Shutdown, Writer};
    use crate::processors::alert::config::Http;
    use crate::processors::http::of_status;
    use crate::processors::http_client::{Compression, Failure, HttpClient};

    /// More of an answer is not read.
    const MAX_ANSWER: usize = 64 << 10;

    /// Posts to an address.
    pub(in super::super) struct Web {
        client: HttpClient,
        uri: Uri,
        runtime: Handle,
    }

    impl Web {
        pub(super) fn new(config: &Http, runtime: &Handle) -> Result<Web, String> {
            let _entered = runtime.enter();
            let mut headers = config.headers.clone();
            let kind = HeaderValue::from_static("application/json");
            headers.entry(CONTENT_TYPE).or_insert(kind);
            let (by_tls, timeout) = (config.url.is_https(), config.timeout);
            let none = Compression::None;
            let client = HttpClient::new(by_tls, &config.tls, headers, none, timeout);
            Ok(Web {
                client: client.map_err(|error| error.to_string())?,
                uri: config.url.with("", None)?,
                runtime: runtime.clone(),
            })
        }

        pub(super) fn post(
            &self,
            writer: &Writer,
            notification: &Notification,
            shutdown: &Shutdown,
        ) -> Outcome {
            let body = writer.body(notification);
            let length = body.len();
            // draft-ietf-httpapi-idempotency-key-header: a string of structured fields (RFC 9651).
            let key = HeaderValue::from_str(&format!("\"{}\"", notification.key()));
            let key = (key.ok()).map(|key| (HeaderName::from_static("idempotency-key"), key));
            let post = self.client.post(&self.uri, key, body.into(), MAX_ANSWER);
            let answer = self.runtime.block_on(async {
                tokio::select! {
                    answer = post => answer.map_err(|error| error.to_string()),
                    () = shutdown.clone().wait_for(Phase::Abort) => Err("the daemon stops".to_owned()),
                }
            });
            let answer = match answer {
                Ok(answer) => answer,
                Err(reason) => return Outcome::later(reason),
            };
            if answer.status.is_success() {
                return Outcome::Delivered;
            }
            match of_status(answer.status, &answer.headers, answer.body.bytes(), length) {
                Failure::Retry { reason, after } => Outcome::Later { reason, after },
                // No later attempt is another one.
                Failure::TooLarge { reason, .. } | Failure::Refused { reason } => {
                    Outcome::Never { reason }
                }
            }
        }
    }
}
