//! A connection to the database, set up for writing.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::Config;
use super::fault::judged;
use super::tls;
use crate::processor::Error;

/// The server says itself that a step took too long; who does not hear that gives up so much later.
const GRACE: Duration = Duration::from_secs(2);
/// A transaction that its daemon forgot holds locks for at most so long. It begins with the first rows, and ends with
/// the flush.
const MAX_IDLE_TRANSACTION: Duration = Duration::from_secs(600);

/// An open connection. What is dropped is closed at once, and its transaction undone.
pub(crate) struct Connection {
    pub(crate) client: Client,
    destination: String,
    timeout: Duration,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Connects, in a runtime of tokio.
    pub(crate) async fn open(config: &Config) -> Result<Connection, Error> {
        let destination = config.url.to_string();
        let timeout = config.timeout;
        let tls = tls::client_config(config)
            .map_err(|error| Error::retry(format_args!("{destination}: {error}")))?;
        let library = config.url.to_config(timeout);
        let connecting = library.connect(MakeRustlsConnect::new(tls));
        let (client, connection) = match tokio::time::timeout(timeout, connecting).await {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => return Err(judged(&destination, "connecting", &error)),
            Err(_) => {
                let reason = format!("{destination}: no connection within {timeout:?}");
                return Err(Error::retry(reason));
            }
        };
        let task = tokio::spawn(async move {
            // Who waits for an answer gets the error, too.
            let _ = connection.await;
        });
        let connection = Connection {
            client,
            destination,
            timeout,
            task,
        };
        connection.run("setting up", &setup(timeout)).await?;
        Ok(connection)
    }

    /// Runs statements that give nothing.
    pub(crate) async fn run(&self, doing: &str, statements: &str) -> Result<(), Error> {
        self.step(doing, self.client.batch_execute(statements))
            .await
    }

    /// Waits for a step, no longer than it may take.
    pub(crate) async fn step<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        step(&self.destination, self.timeout, doing, work).await
    }

    /// Whether it is known to be of no use any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

/// Waits for a step at `destination`, no longer than it may take.
///
/// # Errors
/// If it fails, or is not done within the time.
pub(crate) async fn step<T>(
    destination: &str,
    timeout: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(timeout + GRACE, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(judged(destination, doing, &error)),
        Err(_) => Err(Error::retry(format_args!(
            "{destination}: {doing}: no answer within {timeout:?}"
        ))),
    }
}

/// Limits of the session. What is committed must be durable, whatever the database has as default.
fn setup(timeout: Duration) -> String {
    let millis = timeout.as_millis();
    format!(
        "SET statement_timeout = {millis}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning; \
         SET client_encoding = 'UTF8'; SET timezone = 'UTC'; SET search_path = pg_catalog, pg_temp; \
         SET temp_buffers = '32MB'; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        (millis / 2).max(1),
        MAX_IDLE_TRANSACTION.as_millis(),
    )
}
