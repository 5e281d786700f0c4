//! TLS to the server.

use distlog_testkit::{Daemon, Postgres, eventually};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{DISTLOGD, compare, config};
use crate::sessions::Client;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server whose certificate for `localhost` the authority signed, and that takes nobody without TLS.
fn server(authority: &CertifiedIssuer<'static, KeyPair>) -> Postgres {
    let mut server = Postgres::start(&[]);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    server.write("data/server.crt", &certificate.pem());
    server.write("data/server.key", &key.serialize_pem());
    server.write("data/pg_hba.conf", "hostssl all all all scram-sha-256\n");
    server.kill();
    server.set("ssl=on");
    server.restart();
    server
}

/// Starts a daemon; `query` goes to the URL.
fn start(
    folder: &std::path::Path,
    server: &Postgres,
    host: &str,
    query: &str,
    tls: &str,
) -> Daemon {
    let url = server.url_at(&format!("{host}:{}", server.port()));
    let text = config(&format!("{url}{query}"), &format!("timeout: 5s, {tls}"));
    Daemon::start(DISTLOGD, &[], folder, &text)
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn tls_is_as_sslmode_wants_it() {
    let (ours, other) = (authority(), authority());
    let server = server(&ours);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ours.pem"), ours.pem()).unwrap();
    std::fs::write(folder.path().join("other.pem"), other.pem()).unwrap();
    // Host, query, certificates, and why it does not work.
    let cases = [
        ("localhost", "", "tls: { ca: ours.pem }", None),
        (
            "localhost",
            "?sslmode=verify-full",
            "tls: { ca: ours.pem }",
            None,
        ),
        ("localhost", "?sslmode=require", "", None),
        ("127.0.0.1", "", "", None),
        ("localhost", "?sslmode=disable", "", Some("no encryption")),
        (
            "localhost",
            "",
            "tls: { ca: other.pem }",
            Some("no authority of `tls: { ca: … }`"),
        ),
        (
            "localhost",
            "?sslmode=verify-full",
            "",
            Some("no authority of `tls: { ca: … }`"),
        ),
        (
            "127.0.0.1",
            "?sslmode=require",
            "tls: { ca: ours.pem }",
            Some("for another name than the host"),
        ),
    ];
    for (at, (host, query, tls, refused)) in cases.into_iter().enumerate() {
        let own = folder.path().join(at.to_string());
        std::fs::create_dir(&own).unwrap();
        for name in ["ours.pem", "other.pem"] {
            std::fs::copy(folder.path().join(name), own.join(name)).unwrap();
        }
        server.sql("DROP SCHEMA IF EXISTS distlog CASCADE");
        let mut daemon = start(&own, &server, host, query, tls);
        if let Some(reason) = refused {
            daemon.process().expect_stderr(reason, |line| {
                assert!(!line.contains("hunter2"), "{line}");
                line.contains(reason).then_some(())
            });
            continue;
        }
        let mut client = Client::start(&[daemon.session()], 0, &[]);
        client.log(10);
        client.flush();
        compare(&daemon, &server, 11);
        let encrypted = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = 'distlogd' LIMIT 1";
        eventually("its connection", || match server.sql(encrypted) {
            answer if answer == "t" => Ok(()),
            other => Err(other),
        });
        assert!(daemon.stop().success());
    }
}
