//! `deploy/nats`: agents, three servers of NATS, two hubs, a database. Whoever is killed, each record is there once.

use std::collections::BTreeMap;
use std::path::Path;

use std::process::Command;

use distlog_testkit::{ClickHouse, Daemon, Nats, Postgres, Process, eventually};
use serde_json::Value;

use super::{DISTLOGD, Secrets, adapted, ask, service, start, whole};
use crate::databases::nats::Load;
use crate::databases::{Key, difference, stored};

/// The three servers.
fn servers(folder: &Path, secrets: &Secrets) -> Nats {
    let tls = format!("{}/tls/", secrets.folder().display());
    Nats::configured(folder, 3, |number, own, ports| {
        let [client, route, monitor] = ports[number].map(|port| format!("127.0.0.1:{port}"));
        let routes: Vec<String> = ports
            .iter()
            .map(|[_, route, _]| format!("127.0.0.1:{route}"))
            .collect();
        adapted(
            "nats/nats.conf",
            &[
                ("$SERVER_NAME", &format!("n{number}")),
                ("0.0.0.0:4222", &client),
                ("0.0.0.0:6222", &route),
                ("127.0.0.1:8222", &monitor),
                ("nats-1.example:6222", &routes[0]),
                ("nats-2.example:6222", &routes[1]),
                ("nats-3.example:6222", &routes[2]),
                ("/var/lib/nats", own.to_str().unwrap()),
                ("/etc/nats/tls/", &tls),
                ("$AGENT_KEY", &secrets.agent),
                ("$HUB_KEY", &secrets.hub),
            ],
        )
    })
}

/// A configuration of `deploy/nats` for servers of a test.
fn configuration(file: &str, nats: &Nats, secrets: &Secrets) -> String {
    let at = [0, 1, 2].map(|number| nats.address(number));
    let changes = [
        ("nats-1.example:4222", &*at[0]),
        ("nats-2.example:4222", &*at[1]),
        ("nats-3.example:4222", &*at[2]),
        ("/var/lib/distlog/store", "store"),
        ("/etc/distlog", secrets.folder().to_str().unwrap()),
    ];
    adapted(file, &changes)
}

/// Everything but the database.
struct Site {
    nats: Nats,
    agents: [Daemon; 2],
    hubs: [Daemon; 2],
}

/// Starts all. `environment` and the changed configuration of the hubs say where the database is.
fn site(folder: &Path, hub: impl Fn(&Nats, &Secrets) -> String, environment: &[String]) -> Site {
    let secrets = Secrets::new(&folder.join("etc"));
    let nats = servers(folder, &secrets);
    let agent = configuration("nats/agent.yaml", &nats, &secrets);
    let hub = hub(&nats, &secrets).replace("localhost:5080", "localhost:0");
    let agents = ["agent-1", "agent-2"].map(|name| start(folder, name, &secrets, &agent, &[]));
    let hubs = ["hub-1", "hub-2"].map(|name| start(folder, name, &secrets, &hub, environment));
    Site { nats, agents, hubs }
}

impl Site {
    /// Requests that cross both machines, and much else, while a hub, a server and an agent are killed. Gives what the
    /// agents have stored.
    fn endure(&mut self) -> BTreeMap<Key, String> {
        let [first, second] = &mut self.agents;
        let (_back, back) = service(second, "back", None);
        let (_front, front) = service(first, "front", Some(&back));
        let mut loads = [Load::start(&[first]), Load::start(&[second])];
        loads.iter_mut().for_each(|load| load.run(1000));
        ask(&front, "front, back");
        self.hubs[0].kill();
        loads.iter_mut().for_each(|load| load.run(1000));
        ask(&front, "front, back");
        let leader = self.nats.leader("distlog");
        self.nats.kill(leader);
        loads.iter_mut().for_each(|load| load.run(1000));
        self.hubs[0].restart();
        self.nats.restart(leader);
        first.kill();
        first.restart();
        loads.iter_mut().for_each(|load| load.run(1000));
        ask(&front, "front, back");
        loads.iter_mut().for_each(Load::arrive);
        // The services send by themselves.
        eventually("what the services said", || {
            let said = self
                .agents
                .iter()
                .flat_map(|agent| stored(agent).into_values());
            let count = said
                .filter(|message| message.ends_with(" was asked"))
                .count();
            if count == 6 { Ok(()) } else { Err(count) }
        });
        self.agents.iter().flat_map(stored).collect()
    }
}

/// Waits until a database has what the agents have stored, each record once.
fn compare(expected: &BTreeMap<Key, String>, rows: impl Fn() -> Vec<(Key, String)>) {
    eventually("what the agents have, in the database", || {
        let difference = difference(expected, &rows());
        if difference.is_empty() {
            Ok(())
        } else {
            Err(difference)
        }
    });
    // Three of each task.
    assert!(expected.len() >= 24_000, "{}", expected.len());
}

#[test]
#[ignore = "needs nats-server and PostgreSQL: see .ci/run"]
fn two_agents_three_servers_and_two_hubs_write_each_record_once_into_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let postgres = Postgres::start(&[]);
    let roles = [
        ("DATABASE logs", "DATABASE site"),
        ("connect logs", "connect site"),
    ];
    let script = postgres.write("roles.sql", &adapted("nats/postgres.sql", &roles));
    let made = postgres
        .session("postgres")
        .arg("--file")
        .arg(script)
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{made:?}");
    // The password that the test's own user has.
    for role in ["distlogd", "reader"] {
        postgres.sql(&format!("ALTER ROLE {role} PASSWORD 'hunter2'"));
    }
    let url = format!(
        "DATABASE_URL=postgres://distlogd:hunter2@127.0.0.1:{}/site",
        postgres.port()
    );
    let hub =
        |nats: &Nats, secrets: &Secrets| configuration("nats/hub-postgres.yaml", nats, secrets);
    let mut site = site(folder, hub, &[url]);
    let expected = site.endure();

    // As the role that may only read.
    let ask = |statement: &str| {
        let mut session = postgres.session("site");
        let answer = session
            .args(["-U", "reader", "-c", statement])
            .output()
            .unwrap();
        assert!(answer.status.success(), "{answer:?}");
        String::from_utf8(answer.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    };
    compare(&expected, || {
        let rows = ask(
            "SELECT json_build_array(replace(producer::text, '-', ''), record_offset, message) \
             FROM distlog.records WHERE service <> 'distlogd'",
        );
        let row = |row: &str| -> (Key, String) {
            let (producer, offset, message) = serde_json::from_str(row).unwrap();
            ((producer, offset), message)
        };
        rows.lines().map(row).collect()
    });

    // The requests that crossed machines: a server's task, the call, the other server's, each below the one before.
    let trees = ask(
        "SELECT string_agg(service || ' ' || outcome, ', ' ORDER BY begin_time_ns), count(*) FILTER (WHERE EXISTS \
           (SELECT FROM distlog.tasks above WHERE above.trace_id = t.trace_id AND above.span_id = t.parent_span_id)) \
         FROM distlog.tasks t WHERE service IN ('front', 'back') GROUP BY trace_id",
    );
    assert_eq!(trees, ["front ok, front ok, back ok|2"; 3].join("\n"));
    shown(
        folder,
        &format!(
            "postgres://reader:hunter2@127.0.0.1:{}/site",
            postgres.port()
        ),
    );
}

/// The page and the commands show what crossed machines as one tree: `deploy/nats/view.yaml`, with TLS and tokens.
fn shown(folder: &Path, from: &str) {
    let secrets = Secrets::new(&folder.join("view-etc"));
    let etc = secrets.folder().to_str().unwrap();
    let changes = [("0.0.0.0:5080", "127.0.0.1:0"), ("/etc/distlog", etc)];
    let file = folder.join("view.yaml");
    std::fs::write(&file, adapted("nats/view.yaml", &changes)).unwrap();
    let mut command = Command::new("env");
    command.args([&secrets.environment(), &format!("DISTLOGD_FROM={from}")]);
    let mut view = Process::start(command.args([DISTLOGD, "view", "--config"]).arg(&file));
    let http = view.expect_stderr("a running view", |line| {
        line.trim()
            .strip_prefix("http ")
            .map(|url| url.trim().to_owned())
    });
    assert!(http.starts_with("https://"), "{http}");
    let tasks = secrets
        .ask(&http, &["tasks", "--service", "front", "--json"])
        .unwrap();
    let tasks: Vec<Value> = tasks
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(tasks.len(), 3, "{tasks:#?}");
    for task in tasks {
        let tree = secrets
            .ask(&http, &["tree", task["id"].as_str().unwrap()])
            .unwrap();
        whole(&tree);
    }
}

#[test]
#[ignore = "needs nats-server and chdb: see .ci/run"]
fn two_agents_three_servers_and_two_hubs_write_each_record_once_into_clickhouse() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = ClickHouse::start(folder, "secret");
    let environment = [
        format!("CLICKHOUSE_URL=http://{}", server.address()),
        "CLICKHOUSE_PASSWORD=secret".to_owned(),
    ];
    let hub = |nats: &Nats, secrets: &Secrets| {
        // The stand-in knows one user.
        configuration("nats/hub-clickhouse.yaml", nats, secrets)
            .replace("user: distlog", "user: leo")
    };
    let mut site = site(folder, hub, &environment);
    let expected = site.endure();
    compare(&expected, || {
        let rows = server.ask(
            "SELECT toString(producer), record_offset, message FROM distlog.otel_logs FINAL \
             WHERE ServiceName != 'distlogd' FORMAT JSONCompactEachRow",
        );
        let row = |row: &str| -> (Key, String) {
            let (producer, offset, message) = serde_json::from_str(row).unwrap();
            ((producer, offset), message)
        };
        rows.unwrap_or_default().lines().map(row).collect()
    });
}
