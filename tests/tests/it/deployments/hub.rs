//! `deploy/hub`: agents, a server of NATS beside the hub, and the hub's page over TLS.

use std::collections::BTreeMap;

use distlog_testkit::{Daemon, Nats, eventually};
use serde_json::Value;

use super::{Secrets, adapted, ask, service, start, whole};
use crate::databases::nats::Load;
use crate::databases::{Key, difference, stored};

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn a_hub_has_each_record_of_its_agents_once_and_shows_requests_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let secrets = Secrets::new(&folder.join("etc"));
    let etc = secrets.folder().to_str().unwrap();
    let tls = format!("{etc}/tls/");
    let nats = Nats::configured(folder, 1, |_, own, ports| {
        let [client, _, monitor] = ports[0].map(|port| format!("127.0.0.1:{port}"));
        let changes = [
            ("server_name: hub", "server_name: n0"),
            ("0.0.0.0:4222", &*client),
            ("127.0.0.1:8222", &monitor),
            ("/var/lib/nats", own.to_str().unwrap()),
            ("/etc/nats/tls/", &tls),
            ("$AGENT_KEY", &secrets.agent),
            ("$HUB_KEY", &secrets.hub),
        ];
        adapted("hub/nats.conf", &changes)
    });
    let at = nats.address(0);
    let changes = [
        ("hub.example:4222", &*at),
        ("/var/lib/distlog/store", "store"),
        ("/etc/distlog", etc),
    ];
    let agent = adapted("hub/agent.yaml", &changes);
    let hub = adapted("hub/hub.yaml", &changes).replace("0.0.0.0:5080", "127.0.0.1:0");
    let mut agents = ["agent-1", "agent-2"].map(|name| start(folder, name, &secrets, &agent, &[]));
    let mut hub = start(folder, "hub", &secrets, &hub, &[]);
    assert!(hub.http().starts_with("https://"), "{}", hub.http());

    let [first, second] = &mut agents;
    let (_back, back) = service(second, "back", None);
    let (_front, front) = service(first, "front", Some(&back));
    let mut loads = [Load::start(&[first]), Load::start(&[second])];
    loads.iter_mut().for_each(|load| load.run(1000));
    ask(&front, "front, back");
    hub.kill();
    loads.iter_mut().for_each(|load| load.run(1000));
    ask(&front, "front, back");
    hub.restart();
    second.kill();
    second.restart();
    loads.iter_mut().for_each(|load| load.run(1000));
    loads.iter_mut().for_each(Load::arrive);
    eventually("what the services said", || {
        let said = agents.iter().flat_map(|agent| stored(agent).into_values());
        let count = said
            .filter(|message| message.ends_with(" was asked"))
            .count();
        if count == 4 { Ok(()) } else { Err(count) }
    });
    let expected: BTreeMap<Key, String> = agents.iter().flat_map(stored).collect();
    assert!(expected.len() >= 18_000, "{}", expected.len());
    eventually("what the agents have, at the hub", || {
        let difference = difference(&expected, &found(&hub, &secrets)?);
        if difference.is_empty() {
            Ok(())
        } else {
            Err(difference)
        }
    });

    // People see a request that crossed both machines as one tree.
    let tasks = secrets
        .ask(hub.http(), &["tasks", "--service", "front", "--json"])
        .unwrap();
    let tasks: Vec<Value> = tasks
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(tasks.len(), 2, "{tasks:#?}");
    for task in tasks {
        let tree = secrets
            .ask(hub.http(), &["tree", task["id"].as_str().unwrap()])
            .unwrap();
        whole(&tree);
    }
    // Nobody without a token.
    assert!(
        ureq::get(hub.http().replace("https", "http"))
            .call()
            .is_err()
    );
}

/// The records that the hub has, as a command finds them.
fn found(hub: &Daemon, secrets: &Secrets) -> Result<Vec<(Key, String)>, String> {
    // One answer has ten thousand records at most.
    let mut lines = String::new();
    for kind in ["begin", "event", "bind", "end"] {
        let filter = format!("service != 'distlogd' && kind == '{kind}'");
        let find = ["find", "--json", "-n", "10000", "--filter", &filter];
        lines += &secrets.ask(hub.http(), &find)?;
    }
    let row = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let own = &record["distlog"];
        let producer = own["producer"].as_str().unwrap().replace('-', "");
        let message = record["message"].as_str().unwrap().to_owned();
        (
            (producer, own["offset"].as_i64().unwrap_or_default()),
            message,
        )
    };
    Ok(lines.lines().map(row).collect())
}
