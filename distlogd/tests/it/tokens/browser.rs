//! What browsers get: a page to sign in, a cookie, and nothing for pages of others.

use distlog_testkit::{Daemon, eventually};

use super::*;
use crate::kit::http::{Reply, address, send};

/// Sends as the page of that origin does.
fn ask(daemon: &Daemon, method: &str, path: &str, headers: &str, form: &str) -> Reply {
    let (host, length) = (address(daemon), form.len());
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: {host}\r\naccept: text/html\r\n{headers}content-length: {length}\r\n\r\n{form}"
    );
    send(daemon, request.as_bytes())
}

fn page(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.2).into_owned()
}

/// The head is in lower case: this has the id as it is.
fn sign_in(daemon: &Daemon, token: &str, to: &str) -> Reply {
    let form = format!("token={token}&to={to}");
    ask(
        daemon,
        "POST",
        "/sign-in",
        "sec-fetch-site: same-origin\r\n",
        &form,
    )
}

#[test]
fn somebody_signs_in_and_comes_back_to_where_he_wanted_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let token = new(folder.path(), "me", &["--may", "read"]);
    let sends = new(folder.path(), "sends", &["--may", "ingest"]);
    let mut daemon = Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, "");
    let reply = ask(&daemon, "GET", "/find?q=a&from=1h", "", "");
    assert_eq!(reply.0, 303);
    assert_eq!(
        reply.header("location"),
        Some("/sign-in?to=%2ffind%3fq%3da%26from%3d1h")
    );
    let reply = ask(
        &daemon,
        "GET",
        "/sign-in?to=%2Ffind%3Fq%3D%22%3E%3Cb",
        "",
        "",
    );
    let html = page(&reply);
    assert!(html.contains("value=\"/find?q=&quot;&gt;&lt;b\""), "{html}");
    assert!(!html.contains("<script"), "{html}");
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'") && policy.contains("default-src 'none'"));
    for (token, status, why) in [
        ("distlog_wrong", 401, "not known here"),
        (&sends, 403, "may not read"),
    ] {
        let reply = sign_in(&daemon, token, "/");
        assert_eq!(reply.0, status);
        assert!(reply.header("set-cookie").is_none() && page(&reply).contains(why));
        assert!(!page(&reply).contains(token));
    }
    let said = |line: &str| line.contains("unknown token from 127.0.0.1").then_some(());
    daemon.process().expect_stderr("the attempt", said);

    let reply = sign_in(&daemon, &token, "%2F%2Fevil.example");
    assert_eq!((reply.0, reply.header("location")), (303, Some("/")));
    let cookie = reply.header("set-cookie").unwrap().to_owned();
    assert!(
        cookie.contains("httponly") && cookie.contains("samesite=strict"),
        "{cookie}"
    );
    assert!(!cookie.contains("secure"), "{cookie}");
}

#[test]
fn too_many_attempts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let token = new(folder.path(), "me", &["--may", "read"]);
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, "");
    eventually("one too many", || {
        let reply = sign_in(&daemon, "distlog_wrong", "/");
        match reply.0 {
            429 => {
                assert_eq!(reply.header("retry-after"), Some("2"));
                Ok(())
            }
            status => Err(status.to_string()),
        }
    });
    // Who has a token is not kept out by those who have none.
    assert_eq!(sign_in(&daemon, &token, "/").0, 303);
}

#[test]
fn without_tokens_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let reply = ask(&daemon, "GET", "/", "", "");
    assert_eq!(reply.0, 200);
    assert!(!page(&reply).contains("sign-in"), "{}", page(&reply));
    assert_eq!(ask(&daemon, "GET", "/sign-in", "", "").0, 404);
}
