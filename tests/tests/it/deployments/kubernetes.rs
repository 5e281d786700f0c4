//! `deploy/kubernetes`: what kustomize makes of it fits the schemas of Kubernetes, and its parts fit each other.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::files::deploy;

/// What is deployed, and how many objects it is.
const ROOTS: [&str; 3] = ["single", "overlays/postgres", "overlays/clickhouse"];
/// The oldest and the newest version that it is checked with.
const VERSIONS: [&str; 2] = ["1.31.0", "1.37.0"];
/// Secrets that whoever deploys makes, as docs/deployments.md says.
const SECRETS: [&str; 8] = [
    "agent-nkey",
    "clients",
    "database",
    "hub-nkey",
    "keys",
    "nats-users",
    "tokens",
    "view",
];
/// The user of the container, as `packaging/Containerfile` has it.
const USER: u64 = 65532;

fn tool(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("{variable} is not set: see .ci/run"))
        .into()
}

fn build(root: &str) -> String {
    let output = Command::new(tool("DISTLOG_TEST_KUSTOMIZE"))
        .arg("build")
        .arg(deploy().join("kubernetes").join(root))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // What is deprecated is said there, too.
    assert!(output.status.success() && said.is_empty(), "{root}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn objects(root: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&build(root)).unwrap()
}

#[test]
#[ignore = "needs kustomize and kubeconform: see .ci/run"]
fn what_is_deployed_fits_the_schemas() {
    // A folder for each version, as `.ci/kubernetes_schemas.py` makes them.
    let schemas = tool("DISTLOG_TEST_KUBERNETES_SCHEMAS");
    let location = schemas
        .join("{{ .NormalizedKubernetesVersion }}/{{ .ResourceKind }}{{ .KindSuffix }}.json");
    for root in ROOTS {
        let manifest = build(root);
        for version in VERSIONS {
            let check = |manifest: &str| {
                let mut child = Command::new(tool("DISTLOG_TEST_KUBECONFORM"))
                    .args(["-strict", "-summary", "-kubernetes-version", version])
                    .arg("-schema-location")
                    .arg(&location)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut input = child.stdin.take().unwrap();
                std::io::Write::write_all(&mut input, manifest.as_bytes()).unwrap();
                drop(input);
                let output = child.wait_with_output().unwrap();
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                (output.status.success(), text)
            };
            let (good, said) = check(&manifest);
            assert!(
                good && said.contains("Skipped: 0"),
                "{root}, {version}: {said}"
            );
            // It is strict.
            let (good, said) = check(&manifest.replace("readinessProbe:", "readyProbe:"));
            assert!(
                !good && said.contains("readyProbe"),
                "{root}, {version}: {said}"
            );
        }
    }
}

/// Whether all labels of a selector are among those.
fn selects(selector: &Value, labels: &Value) -> bool {
    let selector = selector.as_object().unwrap();
    !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
}

#[test]
#[ignore = "needs kustomize and kubeconform: see .ci/run"]
fn what_is_deployed_fits_together() {
    for root in ROOTS {
        let objects = objects(root);
        let of = |kind: &str| -> Vec<&Value> {
            objects
                .iter()
                .filter(|object| object["kind"] == kind)
                .collect()
        };
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        let maps: Vec<String> = of("ConfigMap").into_iter().map(name).collect();
        let services = of("Service");
        let mut sets = of("StatefulSet");
        assert!(!sets.is_empty());
        sets.extend(of("Deployment"));
        for object in &objects {
            let place = if object["kind"] == "Namespace" {
                &object["metadata"]["name"]
            } else {
                &object["metadata"]["namespace"]
            };
            assert_eq!(place, "distlog", "{root}: {object:#}");
        }
        for set in &sets {
            let (pod, labels) = (
                &set["spec"]["template"]["spec"],
                &set["spec"]["template"]["metadata"]["labels"],
            );
            let what = format!("{root}: {}", name(set));
            if let Some(serving) = set["spec"]["serviceName"].as_str() {
                assert!(
                    services.iter().any(|service| name(service) == serving),
                    "{what}"
                );
            }
            let budgets = of("PodDisruptionBudget");
            let budgets = budgets
                .iter()
                .filter(|budget| selects(&budget["spec"]["selector"]["matchLabels"], labels));
            assert_eq!(budgets.count(), 1, "{what}");
            let policies = of("NetworkPolicy");
            let policies = policies
                .iter()
                .filter(|policy| selects(&policy["spec"]["podSelector"]["matchLabels"], labels));
            assert_eq!(policies.count(), 1, "{what}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{what}");
            assert_eq!(pod["automountServiceAccountToken"], false, "{what}");
            for volume in pod["volumes"].as_array().unwrap() {
                if let Some(map) = volume["configMap"]["name"].as_str() {
                    assert!(maps.iter().any(|known| known == map), "{what}: {map}");
                }
                if let Some(secret) = volume["secret"]["secretName"].as_str() {
                    assert!(SECRETS.contains(&secret), "{what}: {secret}");
                }
            }
            for container in pod["containers"].as_array().unwrap() {
                for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                    let path = container[probe]["httpGet"]["path"].as_str().unwrap();
                    assert!(path.starts_with("/healthz"), "{what}: {path}");
                    let port = &container[probe]["httpGet"]["port"];
                    let ports = container["ports"].as_array().unwrap();
                    assert!(
                        ports.iter().any(|known| known["name"] == *port),
                        "{what}: {port}"
                    );
                }
                let context = &container["securityContext"];
                assert_eq!(context["readOnlyRootFilesystem"], true, "{what}");
                assert_eq!(context["capabilities"]["drop"][0], "ALL", "{what}");
                if container["name"] == "distlogd" {
                    assert_eq!(pod["securityContext"]["runAsUser"], USER, "{what}");
                    assert!(container["image"].as_str().unwrap().contains("/distlogd:"));
                }
            }
        }
        for service in services {
            let selector = &service["spec"]["selector"];
            let set = sets
                .iter()
                .find(|set| selects(selector, &set["spec"]["template"]["metadata"]["labels"]));
            let containers = &set.unwrap()["spec"]["template"]["spec"]["containers"];
            for port in service["spec"]["ports"].as_array().unwrap() {
                let ports = containers[0]["ports"].as_array().unwrap();
                assert!(
                    ports
                        .iter()
                        .any(|known| known["name"] == port["targetPort"]),
                    "{root}: {port}"
                );
            }
        }
    }
}

#[test]
fn the_container_s_user_is_that_of_the_manifests() {
    let file = deploy().join("../packaging/Containerfile");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(&format!("--chown={USER}:{USER} ")), "{text}");
}
