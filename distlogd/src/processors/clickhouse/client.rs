//! Inserts rows, once the tables are there.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Uri;
use http::header::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::column::SENT;
use super::config::Config;
use super::exception::{self, Exception};
use super::row;
use super::schema::Schema;
use crate::processors::http_client::{
    Destination, Failure, HttpClient, Rejected, Request, TlsError, Url,
};

/// More than this of an answer is not read.
const MAX_ANSWER: usize = 256 << 10;

/// Repeated inserts are recognised, also in `otel_traces`; rows of any time are taken; the answer comes at the end.
const SETTINGS: &str = "async_insert=0&insert_deduplicate=1&deduplicate_blocks_in_dependent_materialized_views=1\
    &throw_on_max_partitions_per_insert_block=0&wait_end_of_query=1";

/// The way to ClickHouse.
#[derive(Debug)]
pub(super) struct Client {
    client: HttpClient,
    url: Url,
    destination: String,
    /// The query's part of the address.
    insert: String,
    /// Names and types of columns.
    header: Vec<u8>,
    schema: Schema,
    /// Whether the tables are as they should be, as far as is known.
    is_ready: AtomicBool,
}

impl Client {
    /// Must be called where a runtime of tokio is entered. Connects at the first request.
    pub(super) fn new(config: &Config) -> Result<Client, TlsError> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-clickhouse-user", &config.user),
            ("x-clickhouse-key", &config.password),
        ] {
            if let Some(value) = value {
                headers.insert(name, value.0.clone());
            }
        }
        let (compression, timeout) = (config.compression, config.timeout);
        let by_tls = config.url.is_https();
        let client = HttpClient::new(by_tls, &config.tls, headers, compression, timeout)?;
        let columns: Vec<&str> = SENT.iter().map(|(name, ..)| *name).collect();
        let query = format!(
            "INSERT INTO {}.otel_logs ({}) FORMAT RowBinaryWithNamesAndTypes",
            config.database,
            columns.join(", ")
        );
        let query = utf8_percent_encode(&query, NON_ALPHANUMERIC);
        Ok(Client {
            client,
            destination: format!("{}, database {}", config.url, config.database),
            url: config.url.clone(),
            insert: format!("query={query}&{SETTINGS}"),
            header: row::header(),
            schema: Schema::new(&config.database, config.keep),
            is_ready: AtomicBool::new(false),
        })
    }

    async fn query(&self, parameters: &str, body: Bytes) -> Result<Vec<u8>, Exception> {
        let bytes = body.len();
        let uri: Result<Uri, String> = self.url.with("", Some(parameters));
        let uri = uri.map_err(|error| Exception::Other(Failure::needs_a_person(error)))?;
        let answer = self.client.post(&uri, None, body, MAX_ANSWER).await;
        let answer = answer.map_err(|error| Exception::Other(Failure::retry(error)))?;
        exception::read(answer, bytes)
    }

    /// Runs a statement that is no insert.
    async fn statement(&self, sql: String) -> Result<Vec<u8>, Failure> {
        let answer = self.query("wait_end_of_query=1", sql.into()).await;
        answer.map_err(|exception| match exception {
            Exception::Schema(reason) => Failure::retry(reason),
            // Of the statement, and not of a record.
            Exception::Other(Failure::Refused { reason } | Failure::TooLarge { reason, .. }) => {
                Failure::needs_a_person(reason)
            }
            Exception::Other(failure) => failure,
        })
    }

    /// Makes tables and columns that are missing.
    async fn prepare(&self) -> Result<(), Failure> {
        let there = self.statement(self.schema.question()).await?;
        let statements = self.schema.statements(&String::from_utf8_lossy(&there));
        for statement in statements.map_err(Failure::needs_a_person)? {
            self.statement(statement).await?;
        }
        Ok(())
    }
}

impl Destination for Client {
    fn name(&self) -> &str {
        &self.destination
    }

    async fn send(&self, request: &Request) -> Result<Rejected, Failure> {
        if !self.is_ready.load(Ordering::Relaxed) {
            self.prepare().await?;
            self.is_ready.store(true, Ordering::Relaxed);
        }
        let mut body = Vec::with_capacity(self.header.len() + request.body.len());
        body.extend_from_slice(&self.header);
        body.extend_from_slice(&request.body);
        let parameters = format!(
            "{}&insert_deduplication_token={}",
            self.insert,
            request.digest()
        );
        match self.query(&parameters, body.into()).await {
            Ok(_) => Ok(Rejected::default()),
            Err(Exception::Other(failure)) => Err(failure),
            Err(Exception::Schema(reason)) => {
                // Somebody removed it: it is made again at the next attempt.
                self.is_ready.store(false, Ordering::Relaxed);
                Err(Failure::retry(reason))
            }
        }
    }
}
