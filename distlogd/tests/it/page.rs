//! The page as a browser gets it. What it shows is tried in a browser: `tests/page/`.

use distlog_testkit::Daemon;

use crate::DISTLOGD;
use crate::kit::http::*;

const BROWSER: &str = "accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const PATHS: [&str; 6] = [
    "/",
    "/task/e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3",
    "/find?q=card",
    "/problems",
    "/diff?a=1&b=2",
    "/status",
];

fn daemon(folder: &tempfile::TempDir) -> Daemon {
    Daemon::start(DISTLOGD, &[], folder.path(), "")
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.2).unwrap()
}

#[test]
fn browsers_get_the_page_and_programs_the_list_of_paths() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    for path in PATHS {
        let reply = ask_with(&daemon, path, BROWSER);
        assert_eq!(reply.0, 200, "{path}");
        assert_eq!(
            reply.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(reply.header("vary").unwrap().starts_with("accept"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let policy = reply.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'sha256-",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let list = ask(&daemon, "/");
    assert_eq!(
        list.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(text(&list).contains("GET /api/v1/tasks"));
    assert_eq!(ask(&daemon, "/find").0, 404);
    assert_eq!(ask_with(&daemon, "/finds", BROWSER).0, 404);
}

#[test]
fn what_the_page_names_is_there_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    let shell = ask_with(&daemon, "/", BROWSER);
    let html = text(&shell);
    let named: Vec<&str> = html
        .split(['"', ' '])
        .filter(|word| word.starts_with("/page/"))
        .collect();
    assert!(named.len() > 20, "{html}");
    for name in &named {
        let reply = ask(&daemon, name);
        assert_eq!(reply.0, 200, "{name}");
        let expected = match name.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            other => panic!("{other}"),
        };
        assert_eq!(reply.header("content-type"), Some(expected), "{name}");
        let kept = "public, max-age=31536000, immutable";
        assert_eq!(reply.header("cache-control"), Some(kept), "{name}");
    }
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("{{"));
    assert!(html.contains("/pages/tasks/page.js") && !html.contains("/pages/find/"));
    let find = ask_with(&daemon, "/find", BROWSER);
    assert!(text(&find).contains("/pages/find/page.js") && !text(&find).contains("/pages/tasks/"));
    let icon = ask(&daemon, "/favicon.svg");
    assert_eq!(icon.header("content-type"), Some("image/svg+xml"));
    // Neither another version's files, nor any that are not the page's.
    let hash = named[0].split('/').nth(2).unwrap();
    for path in [
        "/page/0000000000000000/app.js".to_owned(),
        format!("/page/{hash}/none.js"),
        format!("/page/{hash}/../Cargo.toml"),
        format!("/page/{hash}/%2e%2e/Cargo.toml"),
        format!("/page/{hash}/..%2fCargo.toml"),
        format!("/page/{hash}/%2fetc%2fpasswd"),
        format!("/page/{hash}/"),
    ] {
        let reply = ask(&daemon, &path);
        assert_eq!(reply.0, 404, "{path}");
        assert_eq!(reply.problem()["status"], 404);
    }
}
