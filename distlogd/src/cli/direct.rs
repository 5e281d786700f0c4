//! Commands that read a database themselves: the handlers of the API answer in this process.

use std::io::{self, Read};

use http::{Method, StatusCode};

use super::answer::{Error, Reply};
use crate::daemon::Runtime;
use crate::http::Direct;
use crate::view;

/// Asks for a path of the API over a database.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn ask(
    from: &str,
    method: Method,
    path: &str,
    (query, accept): (&[(&str, &str)], &str),
) -> Result<Reply, Error> {
    let refused = |error: &dyn std::error::Error| Error::Refused(error.to_string());
    let runtime = Runtime::new().map_err(|error| refused(&error))?;
    let api = view::direct(from, runtime.handle()).map_err(|error| refused(&error))?;
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let uri = format!("{path}?{}", query.join("&"));
    let response = api.ask(method, &uri, accept);
    let response = response.map_err(|error| refused(&error))?;
    let status: StatusCode = response.status();
    let body = response.into_body();
    Ok(Reply {
        status,
        is_page: false,
        body: Box::new(Answer {
            body,
            _api: api,
            _runtime: runtime,
        }),
    })
}

/// An answer, and what it is made by while it is read.
struct Answer<R> {
    body: R,
    _api: Direct,
    _runtime: Runtime,
}

impl<R: Read> Read for Answer<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.body.read(out)
    }
}
