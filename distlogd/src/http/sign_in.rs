//! `/sign-in`: a page that takes a token and gives the browser a session instead, in a cookie that no script can read;
//! `/sign-out` ends it. Both are written here without a script.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{ALLOW, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::endpoint::pairs;
use super::problem::Problem;
use super::sign_in_page;
use crate::access::{Attempts, Denied, Needs, OpenSession, SESSION_TIME, Sessions, Tokens};
use crate::listen::Guard;

/// Where the page is.
const SIGN_IN: &str = "/sign-in";
const SIGN_OUT: &str = "/sign-out";
/// Longest form, in bytes.
const MAX_FORM: usize = 16 << 10;
/// Longest path that one is led back to, in bytes. Percent-encoded it is three times as long in the address of the page
/// and in the form. Who wanted to see a longer one begins at `/`.
const MAX_TO: usize = 2 << 10;
/// Time for a browser to send it.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Signs people in and out.
pub(super) struct SignIn {
    tokens: Tokens,
    sessions: Sessions,
    attempts: Attempts,
    /// The name of the cookie. It has the port: browsers send cookies of one host to all its ports.
    cookie: String,
    /// It is sent by TLS alone.
    secure: bool,
}

/// An answer and, if it refuses an attempt, why.
type Answered = Result<(Response, Option<&'static str>), Problem>;

impl SignIn {
    /// For the server on that port.
    pub(super) fn new(tokens: Tokens, port: &str, secure: bool) -> SignIn {
        // Browsers take the prefix only from who may set it: over TLS, for this host alone.
        let prefix = if secure { "__Host-" } else { "" };
        SignIn {
            sessions: Sessions::new(tokens.clone()),
            tokens,
            attempts: Attempts::default(),
            cookie: format!("{prefix}distlogd_{port}"),
            secure,
        }
    }

    /// Whether a path is one of its own.
    pub(super) fn has(&self, path: &str) -> bool {
        matches!(path, SIGN_IN | SIGN_OUT)
    }

    /// The session that a request names; `None` where it names none.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Result<OpenSession, Denied>> {
        let id = self.id(headers)?;
        Some(self.sessions.find(id))
    }

    fn id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        // Those of other programs of this host come, too, and may be anything.
        let cookies = headers.get_all(COOKIE).iter();
        let cookies = cookies.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        let mut cookies = cookies.filter_map(|cookie| {
            let (name, value) = std::str::from_utf8(cookie).ok()?.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        cookies.next()
    }

    /// Sends a browser to the page, and back afterwards.
    pub(super) fn redirect(&self, wanted: &Uri) -> Response {
        let to = wanted.path_and_query().map_or("/", |to| to.as_str());
        if to.len() > MAX_TO {
            return see_other(SIGN_IN);
        }
        let to = utf8_percent_encode(to, NON_ALPHANUMERIC);
        see_other(&format!("{SIGN_IN}?to={to}"))
    }

    /// Answers a request to one of the paths.
    pub(super) async fn answer(
        &self,
        guard: &Guard,
        peer: Option<IpAddr>,
        request: Request,
    ) -> Answered {
        match (request.uri().path(), request.method()) {
            (SIGN_IN, &Method::GET | &Method::HEAD) => {
                let to = wanted(&pairs(request.uri().query().unwrap_or_default())?);
                let known = self.session(request.headers()).and_then(Result::ok);
                let page = match &known {
                    Some(session) => sign_in_page::signed_in(&session.token),
                    None => sign_in_page::sign_in(&to, None),
                };
                Ok((page, None))
            }
            (SIGN_IN, &Method::POST) => {
                guard.own_page(&request)?;
                self.sign_in(peer, request).await
            }
            (SIGN_OUT, &Method::POST) => {
                guard.own_page(&request)?;
                if let Some(id) = self.id(request.headers()) {
                    self.sessions.end(id);
                }
                let mut response = see_other(SIGN_IN);
                self.set_cookie(&mut response, "", Duration::ZERO)?;
                Ok((response, None))
            }
            (path, _) => {
                let why = format!("{path} is a form of the page");
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, why);
                let mut response = problem.into_response();
                let allowed = if path == SIGN_IN {
                    "GET, HEAD, POST"
                } else {
                    "POST"
                };
                let allowed = HeaderValue::from_static(allowed);
                response.headers_mut().insert(ALLOW, allowed);
                Ok((response, None))
            }
        }
    }

    async fn sign_in(&self, peer: Option<IpAddr>, request: Request) -> Answered {
        let body = tokio::time::timeout(READ_TIMEOUT, to_bytes(request.into_body(), MAX_FORM));
        let body = body.await.ok().and_then(Result::ok);
        let form = body
            .as_deref()
            .and_then(|body| std::str::from_utf8(body).ok());
        let form = form.ok_or_else(|| {
            let most = MAX_FORM >> 10;
            Problem::bad_request(format_args!(
                "the form cannot be read: it has more than {most} KiB, is no UTF-8, or broke off"
            ))
        })?;
        let form = pairs(form)?;
        let to = wanted(&form);
        let secret = form.iter().find(|(name, _)| name == "token");
        let secret = secret.map_or("", |(_, secret)| secret.trim());
        let token = match self.tokens.check(secret, Needs::Read) {
            Ok(token) => token,
            // Who has a token is let in whoever else tries from his address.
            Err(_) if !self.attempts.admit(peer) => {
                let why = "Too many attempts: try again in a few seconds.";
                let mut response = sign_in_page::sign_in("/", Some(why));
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("2"));
                return Ok((response, Some("too many attempts")));
            }
            Err(denied) => {
                let why = match &denied {
                    Denied::Lacks { .. } => {
                        "This token may not read: take one that has the right `read`."
                    }
                    Denied::Expired { .. } => {
                        "This token is too old: `distlogd token new` makes another one."
                    }
                    _ => "This token is not known here. It may have been revoked.",
                };
                let mut response = sign_in_page::sign_in(&to, Some(why));
                *response.status_mut() = if denied.is_unauthenticated() {
                    StatusCode::UNAUTHORIZED
                } else {
                    StatusCode::FORBIDDEN
                };
                return Ok((response, Some(denied.reason())));
            }
        };
        let id = self.sessions.begin(&token).map_err(Problem::failed)?;
        let holds = token
            .left()
            .map_or(SESSION_TIME, |left| left.min(SESSION_TIME));
        let mut response = see_other(&to);
        self.set_cookie(&mut response, id.text(), holds)?;
        tracing::info!("somebody signed in with the token `{}`", token.name);
        Ok((response, None))
    }

    fn set_cookie(
        &self,
        response: &mut Response,
        id: &str,
        holds: Duration,
    ) -> Result<(), Problem> {
        let secure = if self.secure { "; Secure" } else { "" };
        let (name, seconds) = (&self.cookie, holds.as_secs());
        let cookie =
            format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        let cookie = HeaderValue::try_from(cookie).map_err(Problem::failed)?;
        response.headers_mut().insert(SET_COOKIE, cookie);
        Ok(())
    }
}

fn see_other(to: &str) -> Response {
    let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// Where somebody wanted to go. It is a path of this server: a browser takes `//host` and `/\host` for another one, and
/// passes over tabs and line feeds.
fn wanted(pairs: &[(String, String)]) -> String {
    let to = pairs.iter().find(|(name, _)| name == "to");
    let to = to.map_or("/", |(_, to)| to.as_str());
    let is_path = to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/sign-");
    let fits = to.len() <= MAX_TO;
    let plain = |c: char| c.is_ascii_graphic() && c != '\\';
    if is_path && fits && to.chars().all(plain) {
        to.to_owned()
    } else {
        "/".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_this_server_only() {
        let to = |to: &str| wanted(&[("to".into(), to.into())]);
        for path in ["/", "/find?q=a%20b&from=1h", "/task/e252a11f/1"] {
            assert_eq!(to(path), path);
        }
        for other in [
            "",
            "find",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nset-cookie: b=c",
            "/sign-out",
            "/ä",
        ] {
            assert_eq!(to(other), "/", "{other}");
        }
        assert_eq!(wanted(&[]), "/");
        let longest = format!("/{}", "a".repeat(MAX_TO - 1));
        assert_eq!(to(&longest), longest);
        assert_eq!(to(&format!("{longest}a")), "/");
    }
}
