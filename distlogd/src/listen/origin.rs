//! Which web pages may ask an HTTP server: `Host` and `Origin` are checked.
//!
//! Any page may send requests to loopback. With DNS rebinding its own name resolves to 127.0.0.1, so that the browser
//! takes the answers for the page's own: then `Host` is the page's name. Other pages are told by `Origin`, or, where
//! browsers leave it out, by `Sec-Fetch-Site`. Programs (SDKs, curl) send neither, and name the server by its address.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::config::Http;
use crate::escape::one_line;

/// Browsers ask again after so many seconds.
const MAX_AGE: &str = "600";
const PRIVATE_REQUEST: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const PRIVATE_ALLOW: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// An origin as browsers write it, `https://shop.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// Reads an origin: scheme and host, the port where it is not the scheme's.
pub(crate) fn origin(text: &str) -> Option<Origin> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let rest = rest.to_ascii_lowercase();
    let rest = rest.strip_suffix(usual).unwrap_or(&rest);
    name(rest)?;
    Some(Origin(format!("{scheme}://{rest}")))
}

/// Whether it can be the name of a host, without a port.
pub(crate) fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = !text.is_empty() && text.chars().all(plain);
    name || address(text).is_some()
}

/// The address that a host is, in brackets where it is one of IPv6.
fn address(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse().ok().filter(IpAddr::is_ipv6),
        None => host.parse().ok(),
    }
}

/// The host of `HOST` or `HOST:PORT`, without a dot at its end.
fn name(text: &str) -> Option<String> {
    let authority: Authority = text.parse().ok()?;
    let host = authority.host();
    let sound = !text.contains('@') && is_host(host);
    sound.then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

/// What one HTTP server answers.
#[derive(Debug, Clone)]
pub(crate) struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    /// In lower case.
    hosts: Vec<String>,
    /// It listens on all addresses of the machine: which ones these are may change.
    any: bool,
    /// With which its own pages come.
    scheme: &'static str,
    cors: Vec<Origin>,
    /// The receiver's key in the configuration, for messages.
    key: &'static str,
}

/// Why a request is not answered.
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) String);

impl Guard {
    /// For the receiver `listen.KEY`.
    pub(crate) fn new(key: &'static str, http: &Http) -> Guard {
        let bound = name(&http.bind).unwrap_or_default();
        let any = address(&bound).is_some_and(|address| address.is_unspecified());
        let hosts = http
            .hosts
            .iter()
            .map(|host| host.trim_end_matches('.').to_ascii_lowercase())
            .chain([bound])
            .collect();
        Guard(Arc::new(Rules {
            hosts,
            any,
            scheme: if http.tls.is_some() {
                "https://"
            } else {
                "http://"
            },
            cors: http.cors.clone(),
            key,
        }))
    }

    /// Looks at a request before anybody else. Some: what a browser wants to know before it sends.
    ///
    /// # Errors
    /// If it is of a page that may not ask, or for another server.
    pub(crate) fn answer(&self, request: &Request) -> Result<Option<Response>, Refused> {
        let headers = request.headers();
        self.host(request)?;
        self.page(headers)?;
        let asks = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let origin = self.shares(headers);
        let preflight = |origin| preflight(origin, headers);
        let wanted = asks && request.method() == Method::OPTIONS;
        Ok(origin.filter(|_| wanted).map(preflight))
    }

    /// The origin of the page, if it is one of `cors:`.
    pub(crate) fn shares<'r>(&self, headers: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let value = headers.get(ORIGIN)?;
        let known = value.to_str().ok().and_then(origin)?;
        self.0.cors.contains(&known).then_some(value)
    }

    /// Adds to an answer that the page may read it, where it may.
    pub(crate) fn mark(&self, origin: Option<HeaderValue>, response: &mut Response) {
        if self.0.cors.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let exposed = HeaderValue::from_static("Retry-After");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// Checks what the client takes the server for.
    fn host(&self, request: &Request) -> Result<(), Refused> {
        let mut values = request.headers().get_all(HOST).iter();
        let (value, more) = (values.next(), values.next());
        if more.is_some() {
            let why = "the request has several Host headers".to_owned();
            return Err(Refused(StatusCode::BAD_REQUEST, why));
        }
        let header = value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let target = request.uri().authority().map(Authority::to_string);
        // No browser leaves it out.
        for said in header.into_iter().chain(target) {
            if !name(&said).is_some_and(|host| self.serves(&host)) {
                let shown: String = one_line(&said).to_string().chars().take(100).collect();
                let host = name(&said).unwrap_or_else(|| "NAME".to_owned());
                let why = format!(
                    "distlogd does not answer for the host `{shown}`: ask for localhost or its address, or write `hosts: ['{host}']` under \
                     listen.{} in its configuration",
                    self.0.key
                );
                return Err(Refused(StatusCode::MISDIRECTED_REQUEST, why));
            }
        }
        Ok(())
    }

    /// Whether a server of that name or address is this one.
    fn serves(&self, host: &str) -> bool {
        // An address cannot be made to mean another machine.
        let any = self.0.any && address(host).is_some();
        any || is_loopback(host) || self.0.hosts.iter().any(|known| known == host)
    }

    /// Checks what page asks, if one does.
    fn page(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if headers.get_all(ORIGIN).iter().count() > 1 {
            let why = "the request says more than one Origin".to_owned();
            return Err(Refused(StatusCode::BAD_REQUEST, why));
        }
        if let Some(value) = headers.get(ORIGIN) {
            let said = String::from_utf8_lossy(value.as_bytes());
            // As addresses a page of another machine can have any: only what is served here counts.
            let host = said
                .split_once("://")
                .and_then(|(_, authority)| name(authority));
            let own = host.as_deref().is_some_and(|host| {
                is_loopback(host) || self.0.hosts.iter().any(|known| known == host)
            });
            let same = host.is_some()
                && headers
                    .get(HOST)
                    .is_some_and(|host| said.strip_prefix(self.0.scheme) == host.to_str().ok());
            if own || same || self.shares(headers).is_some() {
                return Ok(());
            }
            let shown: String = one_line(&said).to_string().chars().take(100).collect();
            let hint = match self.0.key {
                "otlp_http" => {
                    "; `cors: [ORIGIN]` under listen.otlp_http in the configuration lets pages send"
                }
                _ => "",
            };
            let why = format!("distlogd does not answer pages of `{shown}`{hint}");
            return Err(Refused(StatusCode::FORBIDDEN, why));
        }
        // A link that somebody follows is none of the page's business.
        let follows = text(FETCH_MODE) == Some("navigate") && text(FETCH_DEST) == Some("document");
        if text(FETCH_SITE) == Some("cross-site") && !follows {
            let why = "distlogd does not answer pages of other sites".to_owned();
            return Err(Refused(StatusCode::FORBIDDEN, why));
        }
        Ok(())
    }
}

impl Guard {
    /// Checks that a request which a browser signs by itself, with a cookie, comes from a page of this very server. To
    /// cookies all ports of a host are one, so a page on another port could ask in the name of whoever is signed in.
    ///
    /// # Errors
    /// If another page asks, or it is not known which one changes something.
    pub(crate) fn own_page(&self, request: &Request) -> Result<(), Refused> {
        let headers = request.headers();
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        // A link that somebody follows only shows something.
        let follows = text(FETCH_MODE) == Some("navigate") && text(FETCH_DEST) == Some("document");
        let own = match (text(FETCH_SITE), text(ORIGIN)) {
            (Some("same-origin"), _) => true,
            // Typed, or a bookmark.
            (Some("none"), _) => reads,
            (Some(_), _) => reads && follows,
            // Browsers leave it out where they do not trust the way here.
            (None, Some(origin)) => {
                let host = origin.strip_prefix(self.0.scheme);
                host.is_some() && host == text(HOST)
            }
            // They do not leave out both where something changes.
            (None, None) => reads,
        };
        if own {
            return Ok(());
        }
        let why =
            "a page of another address asks in the name of who is signed in here: that is refused";
        Err(Refused(StatusCode::FORBIDDEN, why.to_owned()))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || address(host).is_some_and(|address| address.is_loopback())
}

/// <https://fetch.spec.whatwg.org/#cors-preflight-fetch>
fn preflight(origin: &HeaderValue, request: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST"),
    );
    // SDKs send headers that their users configure.
    let wanted = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(wanted) = wanted {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    let varies = "Origin, Access-Control-Request-Headers, Access-Control-Request-Private-Network";
    headers.insert(VARY, HeaderValue::from_static(varies));
    if request.contains_key(PRIVATE_REQUEST) {
        headers.insert(PRIVATE_ALLOW, HeaderValue::from_static("true"));
    }
    response
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (text, as_browsers) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTPS://Shop.Example:443", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text), Some(Origin(as_browsers.into())), "{text}");
        }
        for text in [
            "",
            "null",
            "*",
            "shop.example",
            "https://",
            "https://*.example",
            "https://a/b",
            "https://u@a",
            "ftp://a",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    fn guard(bind: &str, hosts: &[&str]) -> Guard {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard::new(
            "http",
            &Http {
                hosts,
                ..bind.into()
            },
        )
    }

    #[test]
    fn a_page_is_its_own_by_scheme_host_and_port() {
        let tls = Some(crate::config::receivers::Tls {
            cert: "cert.pem".into(),
            key: "key.pem".into(),
            client_ca: None,
        });
        let https = Http {
            tls,
            ..Http::from("0.0.0.0:5080")
        };
        let (http, https) = (guard("0.0.0.0:5080", &[]), Guard::new("http", &https));
        for (origin, by_http, by_https) in [
            ("http://10.0.0.1:5080", true, false),
            ("https://10.0.0.1:5080", false, true),
            ("https://10.0.0.1", false, false),
            ("https://10.0.0.2:5080", false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("10.0.0.1:5080"));
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(http.page(&headers).is_ok(), by_http, "{origin}");
            assert_eq!(https.page(&headers).is_ok(), by_https, "{origin}");
        }
    }

    #[test]
    fn who_is_signed_in_is_asked_for_by_the_own_page_alone() {
        let guard = Guard::new("http", &"127.0.0.1:5080".into());
        let own = |method: Method, headers: &[(&'static str, &'static str)]| {
            let mut request = Request::new(axum::body::Body::empty());
            *request.method_mut() = method;
            let map = request.headers_mut();
            map.insert(HOST, HeaderValue::from_static("localhost:5080"));
            for (name, value) in headers {
                let name = HeaderName::from_static(name);
                map.insert(name, HeaderValue::from_static(value));
            }
            guard.own_page(&request).is_ok()
        };
        const SITE: &str = "sec-fetch-site";
        let follows = [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let frames = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
        for (reads, changes, headers) in [
            (true, true, vec![(SITE, "same-origin")]),
            (true, false, vec![(SITE, "none")]),
            (false, false, vec![(SITE, "same-site")]),
            (
                false,
                false,
                vec![(SITE, "cross-site"), ("origin", "http://localhost:5080")],
            ),
            (true, false, [&[(SITE, "same-site")][..], &follows].concat()),
            (
                false,
                false,
                [&[(SITE, "cross-site")][..], &frames].concat(),
            ),
            (true, true, vec![("origin", "http://localhost:5080")]),
            (false, false, vec![("origin", "http://localhost:5081")]),
            (false, false, vec![("origin", "https://localhost:5080")]),
            (false, false, vec![("origin", "null")]),
            (true, false, vec![]),
        ] {
            assert_eq!(own(Method::GET, &headers), reads, "{headers:?}");
            assert_eq!(own(Method::POST, &headers), changes, "{headers:?}");
            assert_eq!(own(Method::DELETE, &headers), changes, "{headers:?}");
        }
    }

    #[test]
    fn a_server_knows_its_names() {
        let loopback = guard("127.0.0.1:5080", &["Logs.Example"]);
        for host in [
            "localhost",
            "127.0.0.1",
            "127.8.8.8",
            "[::1]",
            "logs.example",
        ] {
            assert!(loopback.serves(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
        ] {
            assert!(!loopback.serves(host), "{host}");
        }
        let all = guard("0.0.0.0:5080", &[]);
        assert!(all.serves("10.0.0.1") && all.serves("[fe80::1]") && !all.serves("evil.example"));
        let named = guard("logs.example:5080", &[]);
        assert!(named.serves("logs.example") && !named.serves("10.0.0.1"));
    }
}
