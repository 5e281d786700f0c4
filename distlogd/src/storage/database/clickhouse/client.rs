//! Asks by HTTP.

use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::DatabaseError;
use super::address::Address;
use super::query::Query;
use crate::processors::clickhouse::exception::{self, Exception};
use crate::processors::http_client::{Body, Compression, Failure, HttpClient, Url};

/// How long the server may work for an answer, where the user may say so.
const MAX_SECONDS: u64 = 30;
/// How long is waited for it.
const TIMEOUT: Duration = Duration::from_secs(MAX_SECONDS + 5);

/// The way to ClickHouse.
#[derive(Debug)]
pub(super) struct Client {
    client: HttpClient,
    url: Url,
    /// For people.
    pub(super) name: String,
    pub(super) database: String,
    /// Of each request.
    settings: String,
}

/// What became of a query.
#[derive(Debug)]
pub(super) enum Answer {
    Whole(Vec<u8>),
    /// It has more bytes than were wanted.
    TooLong,
}

impl Client {
    /// Must be called where a runtime of tokio is entered.
    pub(super) fn new(address: Address) -> Result<Client, DatabaseError> {
        let Address {
            url,
            database,
            headers,
            tls,
        } = address;
        let name = format!("ClickHouse at {url}, database {database}");
        let client = HttpClient::new(url.is_https(), &tls, headers, Compression::None, TIMEOUT);
        let client = client.map_err(|error| DatabaseError::Url(error.to_string()))?;
        Ok(Client {
            client,
            url,
            name,
            database,
            // What fails in the middle is an error then, and no answer.
            settings: "wait_end_of_query=1".to_owned(),
        })
    }

    /// Asks for read-only queries with an end, unless the user may change no settings: such a user can only read.
    pub(super) fn limit(&mut self, readonly: &str) {
        let limits = match readonly {
            "1" => return,
            "2" => format!("&max_execution_time={MAX_SECONDS}"),
            _ => format!("&readonly=2&max_execution_time={MAX_SECONDS}"),
        };
        self.settings.push_str(&limits);
    }

    pub(super) fn unavailable(&self, reason: impl ToString) -> DatabaseError {
        DatabaseError::Unavailable {
            database: self.name.clone(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn schema(&self, reason: impl ToString) -> DatabaseError {
        DatabaseError::Schema {
            database: self.name.clone(),
            reason: reason.to_string(),
        }
    }

    /// Asks; no more than `most` bytes of an answer are read.
    pub(super) async fn ask(&self, query: &Query, most: usize) -> Result<Answer, DatabaseError> {
        let mut parameters = self.settings.clone();
        for (name, value) in &query.parameters {
            let escaped = escaped(value);
            let value = utf8_percent_encode(&escaped, NON_ALPHANUMERIC);
            parameters.push_str(&format!("&param_{name}={value}"));
        }
        let uri = self.url.with("", Some(parameters.as_str()));
        let uri = uri.map_err(|error| self.unavailable(error))?;
        let body = Bytes::from(query.sql.clone());
        let answer = self.client.post(&uri, None, body, most).await;
        let answer = answer.map_err(|error| self.unavailable(error))?;
        if answer.status.is_success() && answer.body == Body::TooLong {
            return Ok(Answer::TooLong);
        }
        match exception::read(answer, query.sql.len()) {
            Ok(whole) => Ok(Answer::Whole(whole)),
            Err(Exception::Schema(reason)) => Err(self.schema(reason)),
            Err(Exception::Other(
                Failure::Retry { reason, .. }
                | Failure::TooLarge { reason, .. }
                | Failure::Refused { reason },
            )) => Err(self.unavailable(reason)),
        }
    }

    /// Asks for a few lines of text.
    pub(super) async fn lines(&self, query: &Query) -> Result<Vec<String>, DatabaseError> {
        const MAX_LINES: usize = 8 << 20;
        match self.ask(query, MAX_LINES).await? {
            Answer::Whole(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                Ok(text.lines().map(str::to_owned).collect())
            }
            Answer::TooLong => Err(self.unavailable("its answer is longer than expected")),
        }
    }
}

/// As a parameter of a query is read: tab, line break and backslash with a backslash.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_parameter_is_escaped() {
        assert_eq!(escaped("a\tb\\n'ä\n"), "a\\tb\\\\n'ä\\n");
    }
}
