//! What browsers get: a page to sign in, a cookie, and nothing for pages of others.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;

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

/// The cookie of somebody who signs in with the token.
fn cookie(daemon: &Daemon, token: &str) -> String {
    let host = address(daemon);
    let form = format!("token={token}&to=/");
    let head = format!(
        "POST /sign-in HTTP/1.0\r\nhost: {host}\r\nsec-fetch-site: same-origin\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(form.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let set = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = set.unwrap_or_else(|| panic!("{answer}")).split(';').next();
    cookie.unwrap().to_owned()
}

/// Follows what comes, until it has begun.
fn follow(daemon: &Daemon, path: &str, cookie: &str) -> Lines<BufReader<TcpStream>> {
    let host = address(daemon);
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nsec-fetch-site: same-origin\r\ncookie: {cookie}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    let begun = lines.by_ref().map(Result::unwrap);
    let mut begun = begun.skip_while(|line| !line.is_empty());
    assert!(begun.nth(1).is_some(), "something of the body of {path}");
    lines
}

#[test]
fn who_signs_out_ends_what_the_browser_follows_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let token = new(folder.path(), "me", &["--may", "read"]);
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, "");
    let (one, other) = (cookie(&daemon, &token), cookie(&daemon, &token));
    let paths = ["/api/v1/tail", "/api/v1/changes"];
    let of_one = paths.map(|path| follow(&daemon, path, &one));
    let mut of_other = follow(&daemon, "/api/v1/tail?timeout=3s", &other);
    let own = format!("sec-fetch-site: same-origin\r\ncookie: {one}\r\n");
    assert_eq!(ask(&daemon, "POST", "/sign-out", &own, "").0, 303);
    // Nothing is sent to them, and they end all the same: else this waits for ever.
    for stream in of_one {
        stream.map_while(Result::ok).for_each(drop);
    }
    // The last chunk of an answer that is whole.
    let last = |line: std::io::Result<String>| line.unwrap() == "0";
    assert!(of_other.any(last), "the other goes on to its end");
}

#[test]
fn who_wanted_to_see_a_long_address_signs_in_and_begins_at_the_front_page() {
    let folder = tempfile::tempdir().unwrap();
    let token = new(folder.path(), "me", &["--may", "read"]);
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, "");
    let find = |length: usize| format!("/find?q={}", "a".repeat(length));
    // As long as it may be one comes back, though all of it is percent-encoded on the way.
    let fits = format!("/find?q={}", "/".repeat(2000));
    let reply = ask(&daemon, "GET", &fits, "", "");
    let to = reply.header("location").unwrap().to_owned();
    assert!(to.starts_with("/sign-in?to=%2ffind"), "{to}");
    let reply = ask(&daemon, "GET", &to, "", "");
    assert_eq!(reply.0, 200);
    let form = to.strip_prefix("/sign-in?to=").unwrap();
    let reply = sign_in(&daemon, &token, form);
    assert_eq!((reply.0, reply.header("location")), (303, Some(&*fits)));

    let reply = ask(&daemon, "GET", &find(20_000), "", "");
    assert_eq!((reply.0, reply.header("location")), (303, Some("/sign-in")));
    let long = format!("/sign-in?to={}", find(20_000));
    let reply = ask(&daemon, "GET", &long, "", "");
    assert_eq!(reply.0, 200);
    assert!(page(&reply).contains("name=\"to\" value=\"/\""));
    // No head is that long.
    let reply = ask(
        &daemon,
        "GET",
        &format!("/sign-in?to={}", find(100_000)),
        "",
        "",
    );
    assert!([414, 431].contains(&reply.0), "{}", reply.0);
    let reply = sign_in(&daemon, &token, &find(10_000));
    assert_eq!((reply.0, reply.header("location")), (303, Some("/")));
    // Nor is a form.
    let reply = sign_in(&daemon, &token, &find(20_000));
    assert_eq!(reply.0, 400);
    assert!(
        page(&reply).contains("the form cannot be read: it has more than 16 KiB"),
        "{}",
        page(&reply)
    );
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
