//! The pages that sign somebody in and out: markup without scripts.

use axum::http::HeaderValue;
use axum::response::Response;

use super::page::{Styled, html_page, styled};
use crate::access::{Token, rfc3339};

const POLICY: &str = "default-src 'none'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";
/// What `sign-in.html` has where the form belongs.
const FORM_MARK: &str = "{{form}}";

/// Who is signed in, as a link to where one signs out.
pub(super) fn who(token: &Token) -> String {
    format!("<a class=\"who cut\" href=\"/sign-in\">{}</a>", name(token))
}

/// Which database is viewed, so that the page leaves out what only a daemon can do.
pub(super) fn viewed(database: &str) -> String {
    let database = escaped(database);
    format!(
        "<span class=\"who cut\" id=\"viewed\" title=\"A view of {database}, read-only\">{database}</span>"
    )
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
    let Styled { html, policy } = styled("sign-in.html", POLICY);
    // Without a referrer browsers send `Origin: null` with the form.
    let referrer = HeaderValue::from_static("same-origin");
    html_page(html.replace(FORM_MARK, form), &policy, referrer)
}
