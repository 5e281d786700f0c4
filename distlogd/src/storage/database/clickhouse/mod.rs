//! A ClickHouse database that processor `clickhouse` fills.
//!
//! Read it in this order: `address.rs`, `query.rs` (what is asked as SQL), `client.rs`, `rows.rs` (its answers).
//!
//! Rows come in pages, each a query that begins where the last one ended. A row that was inserted twice and is not
//! merged yet stands beside itself in an answer, and is handed over once.

mod address;
mod client;
mod query;
mod rows;
#[cfg(test)]
mod tests;

use std::ops::{Range, RangeInclusive};

use distlog_proto::Record;
use tokio::runtime::Handle;

use super::conditions::traces;
use super::restore::restore;
use super::slice::{Spread, cut, cut_spreads};
use super::{Ask, Database, DatabaseError};
use crate::processors::database::{Cell, Column};
use address::Credentials;
use client::{Answer, Client};
use query::{Key, Query};
use rows::{Rows, Value};

/// Rows of a page, where they are not too long.
const PAGE: usize = 4000;
/// Bytes of a page; one that is longer is asked for again in parts.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// Bytes of a page with a single row.
const MAX_ROW_BYTES: usize = 512 << 20;
/// A trace is cut into so many slices at most.
const MAX_CUTS: u64 = 1000;
/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// The database.
#[derive(Debug)]
pub(super) struct ClickHouse {
    client: Client,
    runtime: Handle,
}

impl ClickHouse {
    /// Connects, and looks at the table.
    ///
    /// # Errors
    /// If `from` is no URL, the server is not there, or has no table that can be read.
    pub(super) fn open(from: &str, runtime: &Handle) -> Result<ClickHouse, DatabaseError> {
        let other = Credentials {
            user: std::env::var("CLICKHOUSE_USER").ok(),
            password: std::env::var("CLICKHOUSE_PASSWORD").ok(),
        };
        let address = address::address(from, other)?;
        let client = {
            let _entered = runtime.enter();
            Client::new(address)?
        };
        let mut clickhouse = ClickHouse {
            client,
            runtime: runtime.clone(),
        };
        let setting = clickhouse.lines("SELECT getSetting('readonly') FORMAT TSV")?;
        let setting = setting.first().map_or("", String::as_str).to_owned();
        clickhouse.client.limit(&setting);
        clickhouse.check()?;
        Ok(clickhouse)
    }

    /// Whether the table has the columns that are read.
    fn check(&self) -> Result<(), DatabaseError> {
        let database = &self.client.database;
        let there = self.lines(&format!(
            "SELECT name FROM system.columns WHERE database = '{database}' AND table = 'otel_logs' FORMAT TSV"
        ))?;
        if there.is_empty() {
            return Err(self.client.schema(
                "it has no table otel_logs: name the database that processor `clickhouse` writes to, and let this user \
                 read it",
            ));
        }
        let names = Column::ALL.iter().map(|column| column.name());
        let missing: Vec<&str> = names
            .filter(|name| !there.iter().any(|there| there == name))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(self.client.schema(format_args!(
            "its table otel_logs lacks columns of distlog ({}): it is another program's, or of an older distlogd; \
             processor `clickhouse` adds what is missing when it writes there",
            missing.join(", ")
        )))
    }

    fn lines(&self, sql: &str) -> Result<Vec<String>, DatabaseError> {
        let query = Query {
            sql: sql.to_owned(),
            parameters: Vec::new(),
        };
        self.runtime.block_on(self.client.lines(&query))
    }

    fn numbers<const N: usize>(&self, query: &Query) -> Result<Vec<[u64; N]>, DatabaseError> {
        let lines = self.runtime.block_on(self.client.lines(query))?;
        lines
            .iter()
            .map(|line| {
                let mut numbers = [0; N];
                let mut texts = line.split('\t');
                for number in &mut numbers {
                    let text = texts.next().and_then(|text| text.parse().ok());
                    *number = text.ok_or_else(|| {
                        self.client
                            .unavailable("its answer is none of ClickHouse; is the URL right?")
                    })?;
                }
                Ok(numbers)
            })
            .collect()
    }

    /// Where rows lie: each part says its first and last second.
    fn parts(&self) -> Result<Vec<Spread>, DatabaseError> {
        let query = Query {
            sql: format!(
                "SELECT toUnixTimestamp(min_time), toUnixTimestamp(max_time), rows FROM system.parts \
                 WHERE active AND rows > 0 AND database = '{}' AND table = 'otel_logs' FORMAT TSV",
                self.client.database
            ),
            parameters: Vec::new(),
        };
        let parts = self.numbers::<3>(&query)?;
        let spread = |[first, last, rows]: [u64; 3]| Spread {
            times: first * SECOND..(last.max(first) + 1) * SECOND,
            rows,
        };
        Ok(parts.into_iter().map(spread).collect())
    }

    /// All rows, evenly: where nothing is known of parts.
    fn even(&self) -> Result<Vec<Spread>, DatabaseError> {
        let count = self.numbers::<1>(&query::count(&Ask::ALL, &self.client.database))?;
        let times = self.times()?;
        let spread = times.zip(count.first()).map(|(times, [rows])| Spread {
            times: *times.start()..times.end().saturating_add(1),
            rows: *rows,
        });
        Ok(spread.into_iter().collect())
    }

    fn slices_of_traces(&self, ask: &Ask<'_>, rows: u64) -> Result<Vec<Range<u64>>, DatabaseError> {
        let database = &self.client.database;
        let count = self.numbers::<1>(&query::count(ask, database))?;
        let count = count.first().map_or(0, |[count]| *count);
        let parts = (count / rows.max(1)).min(MAX_CUTS);
        if parts < 2 {
            return Ok(cut(&ask.times, Vec::new()));
        }
        let cuts = self.numbers::<1>(&query::cuts(ask, database, parts))?;
        Ok(cut(
            &ask.times,
            cuts.into_iter().map(|[time]| time).collect(),
        ))
    }

    /// Hands over a page: how many rows it has; `None` if no more are wanted.
    fn hand_over(
        &self,
        page: &[u8],
        last: &mut Option<Key>,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<Option<usize>, DatabaseError> {
        let mut count = 0;
        for row in Rows(page) {
            count += 1;
            let row = row.map_err(|_| {
                self.client
                    .unavailable("its answer ends within a row; is the URL right?")
            })?;
            let key = key(&row);
            if last.as_ref() == Some(&key) {
                continue;
            }
            *last = Some(key);
            let cells: Vec<Cell<'_>> = row.iter().map(Value::cell).collect();
            if !take(restore(&cells)) {
                return Ok(None);
            }
        }
        Ok(Some(count))
    }
}

fn key(row: &[Value<'_>]) -> Key {
    let number = |column: Column| match row.get(column as usize) {
        Some(Value::Integer(number)) => *number,
        _ => 0,
    };
    let producer = match row.get(Column::Producer as usize) {
        Some(Value::Text(text)) => text.to_string(),
        _ => String::new(),
    };
    Key {
        time: number(Column::Time),
        producer,
        offset: number(Column::RecordOffset),
    }
}

impl Database for ClickHouse {
    fn name(&self) -> &str {
        &self.client.name
    }

    fn times(&self) -> Result<Option<RangeInclusive<u64>>, DatabaseError> {
        let table = format!("{}.otel_logs", self.client.database);
        // ClickHouse knows the first and last second of each part.
        let end = |of: &str| {
            format!(
                "(SELECT greatest(toUnixTimestamp64Nano({of}(Timestamp)), 0) FROM {table} \
                 WHERE TimestampTime = (SELECT {of}(TimestampTime) FROM {table}))"
            )
        };
        let query = Query {
            sql: format!(
                "SELECT {}, {}, (SELECT count() FROM {table}) FORMAT TSV",
                end("min"),
                end("max")
            ),
            parameters: Vec::new(),
        };
        let found = self.numbers::<3>(&query)?;
        Ok(found
            .first()
            .filter(|[_, _, count]| *count > 0)
            .map(|[oldest, newest, _]| *oldest..=*newest))
    }

    fn slices(&self, ask: &Ask<'_>, rows: u64) -> Result<Vec<Range<u64>>, DatabaseError> {
        if traces(ask.rows).is_some() {
            return self.slices_of_traces(ask, rows);
        }
        // Not everybody may see parts.
        let spreads = match self.parts() {
            Ok(spreads) if !spreads.is_empty() => spreads,
            _ => self.even()?,
        };
        Ok(cut_spreads(&ask.times, &spreads, rows))
    }

    fn records(
        &self,
        ask: &Ask<'_>,
        take: &mut dyn FnMut(Record) -> bool,
    ) -> Result<(), DatabaseError> {
        let (mut last, mut rows) = (None, PAGE);
        loop {
            let query = query::page(ask, &self.client.database, last.as_ref(), rows);
            let most = if rows == 1 {
                MAX_ROW_BYTES
            } else {
                MAX_PAGE_BYTES
            };
            match self.runtime.block_on(self.client.ask(&query, most))? {
                Answer::TooLong if rows == 1 => {
                    return Err(self.client.unavailable("a record is too long to be read"));
                }
                Answer::TooLong => rows = (rows / 8).max(1),
                Answer::Whole(page) => match self.hand_over(&page, &mut last, take)? {
                    Some(count) if count == rows => rows = (rows * 2).min(PAGE),
                    _ => return Ok(()),
                },
            }
        }
    }
}
