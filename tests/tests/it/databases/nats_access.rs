//! Who may connect to NATS: by certificates, by keys (NKey), by credentials of an operator's account; and how far a hub
//! is behind.

use std::fs;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use distlog_testkit::{Daemon, Nats, eventually};
use nkeys::KeyPair as NKey;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::nats::{Load, compare, said, start};

const STREAM: &str = "distlog";

/// An agent's configuration; `access` are keys of the processor.
fn agent(url: &str, stream: &str, access: &str) -> String {
    format!(
        "processors:
  hub: {{ nats: {{ url: '{url}', stream: {stream}, partitions: 8, {access} }} }}
  all: {{ file: {{ path: all.jsonl }} }}
rules: [{{ to: [hub, all] }}]"
    )
}

/// A hub's configuration.
fn hub(url: &str, stream: &str, access: &str) -> String {
    format!(
        "sources: {{ hub: {{ nats: {{ url: '{url}', stream: {stream}, group: hub, lease: 2s, {access} }} }} }}
processors: {{ all: {{ file: {{ path: all.jsonl }} }} }}
rules: [{{ to: [all] }}]"
    )
}

/// Records come through a stream, from an agent to a hub.
fn come_through(folder: &Path, url: &str, stream: &str, of_agent: &str, of_hub: &str) {
    let own = folder.join(stream);
    let agent = start(&own, "agent", &agent(url, stream, of_agent));
    let hub = start(&own, "hub", &hub(url, stream, of_hub));
    let mut load = Load::start(&[&agent]);
    load.run(500);
    load.arrive();
    assert_eq!(compare(load.tasks(), &[&agent], &[&hub]), 0);
}

/// Agent and hub are refused, and each says once why: both reasons have this part.
fn refused(folder: &Path, name: &str, url: &str, access: &str, reason: &str) {
    let own = folder.join(name);
    let mut agent = start(&own, "agent", &agent(url, STREAM, access));
    let mut hub = start(&own, "hub", &hub(url, STREAM, access));
    for daemon in [&mut agent, &mut hub] {
        said(daemon, reason, 1);
    }
    // It has tried more often, and says no more.
    eventually("attempts", || {
        let retries = agent.metric("distlogd_processor_retries_total{processor=\"hub\"}");
        if retries >= 3.0 { Ok(()) } else { Err(retries) }
    });
    said(&mut agent, reason, 1);
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Writes `NAME-ca.pem`, and `NAME.pem` with `NAME.key` that it signs.
    fn write(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let write = |file: String, text: &str| fs::write(folder.join(file), text).unwrap();
        write(format!("{name}-ca.pem"), &self.0.pem());
        write(format!("{name}.pem"), &certificate.pem());
        write(format!("{name}.key"), &key.serialize_pem());
    }
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn tls_and_certificates_of_clients_are_as_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (ours, other) = (Authority::new(), Authority::new());
    ours.write(folder, "server");
    ours.write(folder, "client");
    other.write(folder, "other");
    let path = |file: &str| folder.join(file).display().to_string();
    let nats = Nats::start(
        folder,
        1,
        &format!(
            "tls {{ cert_file: '{}', key_file: '{}', ca_file: '{}', verify: true }}\n",
            path("server.pem"),
            path("server.key"),
            path("server-ca.pem")
        ),
    );
    let tls = |authority: &str, own: &str| {
        let own = match own {
            "" => String::new(),
            own => format!(
                ", cert: '{}', key: '{}'",
                path(&format!("{own}.pem")),
                path(&format!("{own}.key"))
            ),
        };
        format!("tls: {{ ca: '{}'{own} }}", path(authority))
    };
    let url = format!("tls://{}", nats.address(0));
    let right = tls("server-ca.pem", "client");
    come_through(folder, &url, STREAM, &right, &right);
    let at = format!("cannot connect to NATS at {}", nats.address(0));
    // A server that nobody we trust has signed; none or another certificate of ours.
    refused(folder, "a", &url, &tls("other-ca.pem", "client"), &at);
    refused(folder, "b", &url, &tls("server-ca.pem", ""), &at);
    refused(folder, "c", &url, &tls("server-ca.pem", "other"), &at);
    // The server wants TLS, also where the address does not say so.
    let plain = format!("nats://{}", nats.address(0));
    come_through(folder, &plain, "other", &right, &right);
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn a_key_that_the_server_knows_opens_it_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str| {
        let pair = NKey::new_user();
        let file = folder.join(format!("{name}.nk"));
        // As `nk` writes it, with a line end.
        fs::write(&file, format!("{}\n", pair.seed().unwrap())).unwrap();
        (pair.public_key(), format!("nkey: '{}'", file.display()))
    };
    let (agent, hub, stranger) = (write("agent"), write("hub"), write("stranger"));
    let nats = Nats::start(
        folder,
        1,
        &format!(
            "authorization {{ users: [ {{ nkey: {} }}, {{ nkey: {} }} ] }}\n",
            agent.0, hub.0
        ),
    );
    let url = format!("nats://{}", nats.address(0));
    come_through(folder, &url, STREAM, &agent.1, &hub.1);
    let file = folder.join("stranger.nk");
    let reason = format!("refuses the key of {}", file.display());
    refused(folder, "stranger", &url, &stranger.1, &reason);
    let missing = "nkey: nowhere.nk";
    refused(
        folder,
        "missing",
        &url,
        missing,
        "the key file nowhere.nk cannot be read",
    );
}

/// A claim that `by` signs about `about`, as NATS has JWTs.
fn jwt(by: &NKey, about: &NKey, name: &str, nats: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let claims = json!({
        "jti": about.public_key(), "iat": 1_700_000_000, "iss": by.public_key(), "name": name,
        "sub": about.public_key(), "nats": nats,
    });
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let said = format!("{}.{}", encode(&header), encode(&claims));
    let signature = BASE64URL_NOPAD.encode(&by.sign(said.as_bytes()).unwrap());
    format!("{said}.{signature}")
}

/// An account without limits.
fn account(operator: &NKey, account: &NKey, name: &str) -> String {
    let limits = [
        "subs",
        "data",
        "payload",
        "imports",
        "exports",
        "conn",
        "leaf",
        "mem_storage",
        "disk_storage",
        "streams",
        "consumer",
    ];
    let mut limits: Value = limits.iter().map(|limit| (*limit, -1)).collect();
    limits["wildcards"] = true.into();
    // The account that is the server's own keeps no streams.
    if name == "SYS" {
        for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
            limits[limit] = 0.into();
        }
    }
    let nats = json!({ "limits": limits, "type": "account", "version": 2 });
    jwt(operator, account, name, &nats)
}

/// Writes credentials of a new user of an account, as `nsc generate creds` does; gives the key of the configuration.
fn credentials(folder: &Path, account: &NKey, name: &str) -> String {
    let user = NKey::new_user();
    let nats = json!({
        "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2
    });
    let token = jwt(account, &user, name, &nats);
    let seed = user.seed().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    let file = folder.join(format!("{name}.creds"));
    fs::write(&file, text).unwrap();
    format!("credentials: '{}'", file.display())
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn credentials_of_an_operator_s_account_open_the_server_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let operator = NKey::new_operator();
    let [logs, system, stranger] = [(); 3].map(|()| NKey::new_account());
    let nats = Nats::start(
        folder,
        1,
        &format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n  {}: {}\n  {}: {}\n}}\n",
            jwt(
                &operator,
                &operator,
                "O",
                &json!({ "type": "operator", "version": 2 })
            ),
            system.public_key(),
            logs.public_key(),
            account(&operator, &logs, "LOGS"),
            system.public_key(),
            account(&operator, &system, "SYS"),
        ),
    );
    let url = format!("nats://{}", nats.address(0));
    let [agent, hub] = ["agent", "hub"].map(|name| credentials(folder, &logs, name));
    come_through(folder, &url, STREAM, &agent, &hub);
    let other = credentials(folder, &stranger, "stranger");
    let reason = format!(
        "refuses the credentials of {}",
        folder.join("stranger.creds").display()
    );
    refused(folder, "stranger", &url, &other, &reason);
    fs::write(folder.join("none.creds"), "nothing").unwrap();
    let none = format!("credentials: '{}'", folder.join("none.creds").display());
    refused(
        folder,
        "none",
        &url,
        &none,
        "none.creds holds no credentials: `nsc generate creds`",
    );
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn a_hub_says_how_far_it_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nats = Nats::start(folder, 1, "");
    let url = format!("nats://{}", nats.address(0));
    let agent = start(folder, "agent", &agent(&url, STREAM, ""));
    let behind = |hub: &Daemon| {
        let figure = |name: &str| hub.metric(&format!("distlogd_source_{name}{{source=\"hub\"}}"));
        (figure("partitions"), figure("pending_messages"))
    };
    // Its store takes nothing: no disk has so much room.
    let stuck = format!("store: {{ reserve: 1000TiB }}\n{}", hub(&url, STREAM, ""));
    let mut stuck = start(folder, "hub", &stuck);
    let mut load = Load::start(&[&agent]);
    for _ in 0..5 {
        load.run(200);
        load.arrive();
    }
    let published = || agent.metric("distlogd_processor_lag_records{processor=\"hub\"}");
    eventually("all in the stream", || match published() {
        0.0 => Ok(()),
        lag => Err(lag),
    });
    // At least a message of each partition for each time that something was logged.
    eventually("a hub that is behind", || match behind(&stuck) {
        (8.0, pending) if pending >= 8.0 => Ok(()),
        other => Err(other),
    });
    stuck.kill();
    let hub = start(folder, "hub", &hub(&url, STREAM, ""));
    assert_eq!(compare(load.tasks(), &[&agent], &[&hub]), 0);
    eventually("a hub that is not behind", || match behind(&hub) {
        (8.0, 0.0) => Ok(()),
        other => Err(other),
    });
}
