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
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rust_embed::Embed;
use sha2::{Digest, Sha256};

use super::problem::{Problem, quoted};

/// Where the page is shown. Programs get there what they got before there was one.
pub(super) const PATHS: [&str; 6] = ["/", "/task/{*id}", "/find", "/problems", "/diff", "/status"];

/// Nothing but what is embedded is loaded, no script makes markup of a text, and no other site frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
/// In this the files stand, and in it under the hash.
const BASE: &str = "/page";
/// What `index.html` has where the base and the modules belong.
const BASE_MARK: &str = "{{base}}";
const MODULES_MARK: &str = "<!-- modules -->";
/// Where the page says who is signed in.
const WHO_MARK: &str = "<!-- who -->";
/// Between these it names the files of `style/` that stand there, in their order.
const STYLES_MARK: (&str, &str) = ("/* styles: ", " */");

#[derive(Embed)]
#[folder = "page/"]
struct Files;

/// The page with its links.
struct Shell {
    hash: String,
    /// Without the modules.
    html: String,
    /// In order of their paths.
    modules: Vec<String>,
    /// With the hash of the styles.
    policy: String,
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
        for name in &names {
            let file = Files::get(name);
            (name, file.map(|file| file.metadata.sha256_hash())).hash(&mut hasher);
        }
        let hash = format!("{:016x}", hasher.finish());
        let Styled { html, policy } = styled("index.html", POLICY);
        let html = html.replace(BASE_MARK, &format!("{BASE}/{hash}"));
        let modules = names.iter().filter(|name| name.ends_with(".js"));
        let modules = modules.map(|name| name.clone().into_owned()).collect();
        Shell {
            hash,
            html,
            modules,
            policy,
        }
    }

    /// The page at a path. Its modules are asked for at once, instead of each when another one names it; those of the
    /// other pages are not, since the more come the later is the first one seen.
    fn at(&self, path: &str) -> String {
        let page = match path.split('/').nth(1) {
            None | Some("") => "tasks",
            Some(page) => page,
        };
        let mut links = String::new();
        for module in &self.modules {
            let mut folders = module.split('/');
            if folders.next() != Some("pages") || folders.next() == Some(page) {
                let (base, hash) = (BASE, &self.hash);
                let link =
                    format!("<link rel=\"modulepreload\" href=\"{base}/{hash}/{module}\" />\n    ");
                links.push_str(&link);
            }
        }
        self.html.replace(MODULES_MARK, links.trim_end())
    }
}

/// A file with its styles in it.
pub(super) struct Styled {
    pub(super) html: String,
    /// Lets a browser take these styles, and no others.
    pub(super) policy: String,
}

/// A file of markup with its styles, and a policy that allows them besides. Nothing is seen before they are there, and
/// so they come with the first answer.
pub(super) fn styled(file: &str, policy: &str) -> Styled {
    let file = Files::get(file).map_or_else(Vec::new, |file| file.data.into_owned());
    let text = String::from_utf8_lossy(&file);
    let marked = text.split_once(STYLES_MARK.0).and_then(|(before, rest)| {
        let (names, after) = rest.split_once(STYLES_MARK.1)?;
        Some((before.trim_end(), names, after.trim_start()))
    });
    let (before, names, after) = marked.unwrap_or((&text, "", ""));
    let mut styles = String::from("\n");
    for name in names.split_whitespace() {
        let file = Files::get(&format!("style/{name}.css"));
        styles.push_str(&file.map_or_else(Default::default, |file| {
            String::from_utf8_lossy(&file.data).into_owned()
        }));
    }
    let hash = BASE64_STANDARD.encode(Sha256::digest(&styles));
    Styled {
        html: [before, &styles, after].concat(),
        policy: format!("{policy}; style-src 'sha256-{hash}'"),
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

/// The page at a path of [`PATHS`], and who is signed in, in markup.
pub(super) fn shell(path: &str, who: &str) -> Response {
    let shell = Shell::now();
    let html = shell.at(path).replace(WHO_MARK, who);
    html_page(html, &shell.policy, HeaderValue::from_static("no-referrer"))
}

/// An answer that a browser shows.
pub(super) fn html_page(html: String, policy: &str, referrer: HeaderValue) -> Response {
    let policy = HeaderValue::from_str(policy);
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (
            CONTENT_SECURITY_POLICY,
            policy.unwrap_or(HeaderValue::from_static(POLICY)),
        ),
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
    let found = Files::get(&path).map(|file| file.data);
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
