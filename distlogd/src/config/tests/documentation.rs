//! The examples of the documentation.

use super::*;

/// The YAML blocks of the documentation that are configurations of distlogd.
fn examples() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut examples = Vec::new();
    let mut pages = vec![
        "README.md",
        "docs/alerts.md",
        "docs/opentelemetry.md",
        "docs/databases.md",
        "docs/levels.md",
        "docs/rule-cookbook.md",
        "docs/rules.md",
        "docs/trees.md",
    ];
    if cfg!(feature = "http-export") {
        pages.push("docs/http.md");
    }
    if cfg!(feature = "clickhouse") {
        pages.push("docs/clickhouse.md");
    }
    if cfg!(feature = "nats") {
        pages.push("docs/past-one-machine.md");
    }
    for page in pages {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let blocks = text.split("```yaml\n").skip(1);
        let blocks = blocks.map(|block| block.split("```").next().unwrap().to_owned());
        // Others configure the Collector, Grafana and Prometheus.
        let others = ["exporters:", "datasources:", "groups:"];
        let built = |block: &String| {
            let mut missing = Kind::NOT_BUILT.iter();
            !missing.any(|(kind, _)| block.contains(&format!("{kind}: {{")))
        };
        examples.extend(
            blocks
                .filter(|block| built(block) && !others.iter().any(|other| block.contains(other))),
        );
    }
    examples
}

#[test]
fn the_documentation_s_examples_fit_the_schema_and_the_loader() {
    let schema = config::schema().to_value();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:#?}");
    // Their certificate and key exist.
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["logs.example".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), pair.cert.pem()).unwrap();
    let key = pair.signing_key.serialize_pem();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let tls = format!(" {}/", folder.path().display());
    for text in &examples {
        let text = &text.replace(" tls/", &tls);
        if let Err(faults) = load(text, "example") {
            panic!("{faults}\n{text}");
        }
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
    }
    for wrong in [
        "lisen: {}",
        "listen: { http: { bnd: 'localhost:1' } }",
        "processors: { a: {} }",
        "processors: { a: { file: { path: x, format: xml } } }",
        "processors: { a: { exec: { command: [] } } }",
        "processors: { a: { pub: {} } }",
        "rules: [{ when: 'true' }]",
        "intake: [{ drp: true }]",
        "intake: [{ sample: 2 }]",
        "intake: [{ set: { context.x: '1' } }]",
        "intake: [{ redact: { names: [x] } }]",
    ] {
        let value: serde_json::Value = serde_saphyr::from_str(wrong).unwrap();
        assert!(!schema.is_valid(&value), "{wrong}");
        assert!(load(wrong, "wrong").is_err(), "{wrong}");
    }
}
