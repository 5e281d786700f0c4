//! A path of the API: what it takes and what it answers, declared once. The router and the description of the API
//! (`openapi.rs`) are made of these declarations, so that neither has what the other lacks.

use std::pin::Pin;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use http_body::Body as _;
use schemars::{Schema, SchemaGenerator};

use super::Api;
use super::params::{Known, Params};
use super::problem::Problem;
use crate::access::Needs;

/// JSON.
pub(super) const JSON: &str = "application/json";
/// One JSON object a line.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// Text for people.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// Server-sent events.
pub(super) const EVENTS: &str = "text/event-stream";

/// How a path is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// As a description has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Post => "post",
            Verb::Put => "put",
            Verb::Delete => "delete",
        }
    }

    pub(super) fn method(self) -> Method {
        match self {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Delete => MethodFilter::DELETE,
        }
    }
}

/// A path, and how it is asked.
pub(super) struct Endpoint {
    pub verb: Verb,
    /// With `{id}` where a parameter stands.
    pub path: &'static str,
    /// What who asks must be allowed to.
    pub needs: Needs,
    /// Its name for programs that make clients.
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    pub params: Known,
    /// Headers that are read as parameters.
    pub headers: Known,
    /// What it can answer. Where the client does not mind, the first.
    pub contents: &'static [Content],
    /// Statuses of its problems beside those that every path has.
    pub problems: &'static [StatusCode],
    /// Answers a request.
    pub answer: fn(Ask) -> Answering,
}

/// A form of an answer.
pub(super) struct Content {
    pub status: StatusCode,
    pub media_type: &'static str,
    pub about: &'static str,
    /// Of the whole answer, or of a text.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// An answer that is made.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

/// A request.
pub(super) struct Ask {
    pub api: Api,
    pub params: Params,
    pub headers: HeaderMap,
    /// What the answer is to be.
    pub media_type: &'static str,
}

impl Ask {
    /// Whether the answer is to be one item a line.
    pub(super) fn wants_lines(&self) -> bool {
        self.media_type == NDJSON
    }
}

impl Endpoint {
    /// Its path as the router has it: an id may have slashes.
    pub(super) fn router_path(&self) -> String {
        self.path.replace("{id}", "{*id}")
    }

    /// Its route.
    pub(super) fn route(&'static self) -> MethodRouter<Api> {
        on(
            self.verb.filter(),
            async |State(api): State<Api>,
                   path: Result<RawPathParams, RawPathParamsRejection>,
                   request: Request| {
                let path = path.map_err(|_| {
                    Problem::bad_request(
                        "the path is no UTF-8: escape the bytes of a text in UTF-8",
                    )
                })?;
                let ask = self.read(api, &path, &request)?;
                (self.answer)(ask).await
            },
        )
    }

    /// Reads a request.
    fn read(&self, api: Api, path: &RawPathParams, request: &Request) -> Result<Ask, Problem> {
        if !request.body().is_end_stream() {
            let why = "a request has no body here: write what you ask for as parameters";
            return Err(Problem::bad_request(why));
        }
        let names = |known: Known| known.iter().map(|param| param.name());
        let mut pairs = pairs(request.uri().query().unwrap_or_default())?;
        let in_path: Vec<&str> = path.iter().map(|(name, _)| name).collect();
        let known: Vec<&str> = names(self.params)
            .filter(|name| !in_path.contains(name))
            .collect();
        // What stands in the path and in headers is none of the query's names.
        Params::new(pairs.clone())?.only(&known)?;
        pairs.extend(path.iter().map(|(name, text)| (name.into(), text.into())));
        for header in names(self.headers) {
            for value in request.headers().get_all(header) {
                pairs.push((header.into(), text_of(header, value)?));
            }
        }
        Ok(Ask {
            api,
            params: Params::new(pairs)?,
            headers: request.headers().clone(),
            media_type: self.media_type(request.headers())?,
        })
    }

    /// What the answer is to be, by `Accept`.
    fn media_type(&self, headers: &HeaderMap) -> Result<&'static str, Problem> {
        let accept = headers.get_all(header::ACCEPT).iter();
        let ranges: Vec<&str> = accept
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|range| !range.is_empty())
            .collect();
        let offered = || self.contents.iter().map(|content| content.media_type);
        if ranges.is_empty() {
            return offered()
                .next()
                .ok_or_else(|| Problem::failed("no content"));
        }
        let preferred = offered()
            .map(|media_type| (preference(&ranges, media_type), media_type))
            .filter(|((quality, _), _)| *quality > 0)
            // Of those that are liked as much the first.
            .reduce(|best, other| if other.0 > best.0 { other } else { best });
        preferred.map(|(_, media_type)| media_type).ok_or_else(|| {
            let all: Vec<&str> = offered().collect();
            let why = format!(
                "`Accept` has nothing that is answered here: {}",
                all.join(" or ")
            );
            Problem::new(StatusCode::NOT_ACCEPTABLE, why)
        })
    }
}

/// How much a client likes a media type, in thousandths, and whether it names it.
/// <https://www.rfc-editor.org/rfc/rfc9110#name-accept>
fn preference(ranges: &[&str], media_type: &str) -> (u16, u8) {
    let essence = media_type.split(';').next().unwrap_or_default();
    let group = essence.split('/').next().unwrap_or_default();
    let of = |range: &&str| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next()?.to_ascii_lowercase();
        let exact = match named.as_str() {
            "*/*" => 0,
            name if name == essence => 2,
            name if name.strip_suffix("/*") == Some(group) => 1,
            _ => return None,
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(Some(1.0), |quality| quality.parse::<f32>().ok())?;
        Some((exact, (quality.clamp(0.0, 1.0) * 1000.0) as u16))
    };
    let closest = ranges.iter().filter_map(of).max();
    closest.map_or((0, 0), |(exact, quality)| (quality, exact))
}

fn text_of(name: &str, value: &HeaderValue) -> Result<String, Problem> {
    let text = value.to_str().map(|text| text.trim().to_owned());
    text.map_err(|_| {
        Problem::parameter(
            name,
            "bytes that are no text",
            "visible characters of ASCII",
        )
    })
}

/// The parameters of a query.
///
/// # Errors
/// If one is no UTF-8.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| {
        Problem::bad_request("a parameter is no UTF-8: escape the bytes of a text in UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_an_answer_is_what_the_client_likes_best() {
        let content = |media_type| Content {
            status: StatusCode::OK,
            media_type,
            about: "",
            schema: |_| true.into(),
        };
        let contents: &'static [Content] = Box::leak(Box::new([content(JSON), content(NDJSON)]));
        let endpoint = Endpoint {
            verb: Verb::Get,
            path: "/",
            needs: Needs::Read,
            name: "",
            title: "",
            about: "",
            params: &[],
            headers: &[],
            contents,
            problems: &[],
            answer: |_| Box::pin(async { Err(Problem::failed("")) }),
        };
        for (accept, expected) in [
            ("", Ok(JSON)),
            ("*/*", Ok(JSON)),
            ("application/*;q=0.5, text/html", Ok(JSON)),
            ("application/x-ndjson", Ok(NDJSON)),
            ("Application/X-NDJSON, */*", Ok(NDJSON)),
            ("application/x-ndjson, application/json", Ok(JSON)),
            (
                "application/x-ndjson;q=0.4, application/json;q=0.3",
                Ok(NDJSON),
            ),
            ("application/json;q=0, */*;q=0.1", Ok(NDJSON)),
            ("text/html", Err(406)),
            ("application/json;q=0", Err(406)),
            ("application/json;q=high", Err(406)),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            let found = endpoint.media_type(&headers);
            let found = found.map_err(|problem| problem.status().as_u16());
            assert_eq!(found, expected, "{accept}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let read = pairs("a=1+2&b=%C3%BC&&c&d=x=y").unwrap();
        let expected = [("a", "1 2"), ("b", "ü"), ("c", ""), ("d", "x=y")];
        assert!(read.iter().map(|(n, v)| (&**n, &**v)).eq(expected));
        assert!(pairs("a=%FF").is_err() && pairs("%C3=1").is_err());
    }
}
