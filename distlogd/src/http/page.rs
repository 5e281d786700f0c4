//! The page for browsers: the files of `page/`, embedded in the program.
//!
//! All of them stand under a path with one hash of all, so that a browser keeps them until the program is another one.
//! `page/index.html` is the same for each address; `page/app.js` reads from the address what to show. Debug builds read
//! the files from the source folder at each request: who works on the page only reloads it.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Path};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use rust_embed::Embed;

use super::problem::{Problem, quoted};
use crate::access::{Token, rfc3339};

/// Where the page is shown. Programs get there what they got before there was one.
pub(super) const PATHS: [&str; 6] = ["/", "/task/{*id}", "/find", "/problems", "/diff", "/status"];

/// Nothing but what is embedded is loaded, no script makes markup of a text, and no other site frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
/// As that, for a page without scripts that has a form.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; \
                           form-action 'self'; frame-ancestors 'none'";
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
/// In this the files stand, and in it under the hash.
const BASE: &str = "/page";
/// What `index.html` has where the base and the modules belong.
const BASE_MARK: &str = "{{base}}";
const MODULES_MARK: &str = "<!-- modules -->";
/// Where the page says who is signed in.
const WHO_MARK: &str = "<!-- who -->";
/// What `sign-in.html` has where the form belongs.
const FORM_MARK: &str = "{{form}}";

#[derive(Embed)]
#[folder = "page/"]
struct Files;

/// The page with its links.
struct Shell {
    hash: String,
    html: String,
}

impl Shell {
    /// That of the files as they are.
    fn now() -> Arc<Shell> {
        static EMBEDDED: OnceLock<Arc<Shell>> = OnceLock::new();
        if cfg!(debug_assertions) {
            return Arc::new(Shell::new());
        }
        Arc::clone(EMBEDDED.get_or_init(|| Arc::new(Shell::new())))
    }

    fn new() -> Shell {
        let mut names: Vec<_> = Files::iter().collect();
        names.sort_unstable();
        let mut hasher = DefaultHasher::new();
        let mut modules = String::new();
        for name in &names {
            let file = Files::get(name);
            (name, file.map(|file| file.metadata.sha256_hash())).hash(&mut hasher);
            // All at once, instead of each when another one names it.
            if name.ends_with(".js") {
                let link =
                    format!("<link rel=\"modulepreload\" href=\"{BASE_MARK}/{name}\" />\n    ");
                modules.push_str(&link);
            }
        }
        let hash = format!("{:016x}", hasher.finish());
        let index = Files::get("index.html").map_or_else(Vec::new, |file| file.data.into_owned());
        let html = String::from_utf8_lossy(&index)
            .replace(MODULES_MARK, modules.trim_end())
            .replace(BASE_MARK, &format!("{BASE}/{hash}"));
        Shell { hash, html }
    }
}

/// Whether somebody wants a page for people: a browser says so, programs do not.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accept.filter_map(|value| value.to_str().ok());
    accepted.any(|ranges| {
        ranges
            .split(',')
            .any(|range| range.trim().starts_with("text/html"))
    })
}

/// Whether the page is shown there.
pub(super) fn is_path(path: Option<&MatchedPath>) -> bool {
    path.is_some_and(|path| PATHS.contains(&path.as_str()))
}

/// The page, whatever it is to show, and to whom if it is known.
pub(super) fn shell(who: Option<&Token>) -> Response {
    let link = |token| format!("<a class=\"who cut\" href=\"/sign-in\">{}</a>", name(token));
    let who = who.map(link).unwrap_or_default();
    let html = Shell::now().html.replace(WHO_MARK, &who);
    html_page(html, POLICY, HeaderValue::from_static("no-referrer"))
}

/// The page that asks for a token. `to` is where somebody wants to go, `why` says what was wrong.
pub(super) fn sign_in(to: &str, why: Option<&str>) -> Response {
    let wrong = why.map(|why| {
        let why = escaped(why);
        format!("<p class=\"why\" id=\"why\" role=\"alert\">{why}</p>")
    });
    let described = why.map_or("about", |_| "why about");
    let form = format!(
        "<form method=\"post\" action=\"/sign-in\">\
         <h1>Sign in</h1>{}\
         <label for=\"token\">Token</label>\
         <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" \
         aria-describedby=\"{described}\" required autofocus />\
         <input type=\"hidden\" name=\"to\" value=\"{}\" />\
         <button>Sign in</button>\
         <p id=\"about\">Who runs this daemon makes one: <code>distlogd token new NAME --may read</code></p>\
         </form>",
        wrong.unwrap_or_default(),
        escaped(to),
    );
    form_page(&form)
}

/// The page for somebody who is signed in.
pub(super) fn signed_in(token: &Token) -> Response {
    let until = token.expires.map(|end| {
        let end = rfc3339(end);
        format!(" until <time datetime=\"{end}\">{end}</time>")
    });
    let form = format!(
        "<form method=\"post\" action=\"/sign-out\">\
         <h1>Signed in</h1>\
         <p>With the token {}{}.</p>\
         <button>Sign out</button>\
         <p><a href=\"/\">To the tasks</a></p>\
         </form>",
        name(token),
        until.unwrap_or_default(),
    );
    form_page(&form)
}

/// A token for people: its name, and what it reads if that is not all.
fn name(token: &Token) -> String {
    let services = token.services.as_ref();
    let services = services.map(|services| format!(", which reads {services} only"));
    escaped(&[&token.name, services.as_deref().unwrap_or_default()].concat())
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

fn form_page(form: &str) -> Response {
    let file = Files::get("sign-in.html").map_or_else(Vec::new, |file| file.data.into_owned());
    let html = String::from_utf8_lossy(&file)
        .replace(BASE_MARK, &format!("{BASE}/{}", Shell::now().hash))
        .replace(FORM_MARK, form);
    // Else browsers send `Origin: null` with the form.
    html_page(html, FORM_POLICY, SAME_ORIGIN)
}

fn html_page(html: String, policy: &'static str, referrer: HeaderValue) -> Response {
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (REFERRER_POLICY, referrer),
        (VARY, HeaderValue::from_static("accept")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            SAME_ORIGIN,
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            SAME_ORIGIN,
        ),
    ];
    (headers, html).into_response()
}

/// `GET /page/{hash}/{path}`.
pub(super) async fn file(Path((hash, path)): Path<(String, String)>) -> Result<Response, Problem> {
    let found = styles(&path).or_else(|| Some(Files::get(&path)?.data));
    let found = found.filter(|_| hash == Shell::now().hash);
    let missing = || {
        let why = format!(
            "there is no file {} of this page: load it anew",
            quoted(&path)
        );
        Problem::not_found(why)
    };
    let caching = "public, max-age=31536000, immutable";
    Ok(answer(&path, found.ok_or_else(missing)?, caching))
}

/// `styles/a+b.css` is the files `style/a.css` and `style/b.css`: until all of them are there nothing is seen, and one
/// request is sooner answered than many.
fn styles(path: &str) -> Option<Cow<'static, [u8]>> {
    let names = path.strip_prefix("styles/")?.strip_suffix(".css")?;
    let mut all = Vec::new();
    for name in names.split('+') {
        all.extend_from_slice(&Files::get(&format!("style/{name}.css"))?.data);
    }
    Some(all.into())
}

/// `GET /favicon.svg`.
pub(super) async fn icon() -> Result<Response, Problem> {
    let found = Files::get("favicon.svg").map(|file| file.data);
    let missing = || Problem::not_found("there is no icon");
    Ok(answer(
        "favicon.svg",
        found.ok_or_else(missing)?,
        "public, max-age=86400",
    ))
}

fn answer(path: &str, data: Cow<'static, [u8]>, caching: &'static str) -> Response {
    let media_type = match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CACHE_CONTROL, HeaderValue::from_static(caching)),
        // A file that a browser shows by itself runs nothing.
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            SAME_ORIGIN,
        ),
    ];
    (headers, data).into_response()
}
