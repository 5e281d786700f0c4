//! What is secret is not shown. The processor `otlp` has headers.

use super::*;

/// What is said of a file.
fn said(text: &str) -> String {
    load(text, "x").expect_err(text).to_string()
}

#[test]
fn no_fault_shows_a_header_or_a_password() {
    let otlp = |rest: &str| format!("processors:\n  a: {{ otlp: {{ {rest} }} }}\n");
    let endpoint = "endpoint: 'http://h:1'";
    for text in [
        // Another fault in the same line.
        otlp(&format!(
            "{endpoint}, headers: {{ x-team: zanzibar }}, tmieout: 1s"
        )),
        otlp(&format!(
            "{endpoint}, headers: {{ x-team: \"zan\\u007aibar\" }}, a: b"
        )),
        otlp("endpoint: 'https://me:zanzibar@h', a: b"),
        // The value itself is wrong.
        otlp(&format!("{endpoint}, headers: 'authorization zanzibar'")),
        otlp(&format!("{endpoint}, headers: [zanzibar]")),
        otlp(&format!("{endpoint}, headers: {{ a: \"zanzibar\\n\" }}")),
        otlp(&format!("{endpoint}, headers: {{ 'a b': zanzibar }}")),
        otlp(&format!(
            "{endpoint}, api_key: zanzibar, password: zanzibar"
        )),
        otlp("endpoint: '://me:zanzibar@h'"),
        // It is no YAML.
        otlp(&format!("{endpoint}, headers: {{ x-team: zanzibar }}, ]")),
        format!(
            "processors:\n  a:\n    otlp:\n      {endpoint}\n      headers:\n        x-team: 'zanzibar\n"
        ),
        "a:\n  headers:\n    x-team: zanzibar ]: [\n".to_owned(),
        "password: zanzibar ]: [\n".to_owned(),
    ] {
        let said = said(&text);
        assert!(
            said.contains("x:") && !said.contains("zanzibar"),
            "{text}\n{said}"
        );
        assert!(!said.contains("ibar"), "{said}");
    }
}

#[test]
fn the_rest_of_a_line_is_shown_in_its_place() {
    let said = said("processors: { a: { otlp: { headers: { b: 'c d' }, tmieout: 1s } } }\n");
    let shown = "processors: { a: { otlp: { headers: { b: ** ** }, tmieout: 1s } } }";
    assert!(said.contains(shown), "{said}");
    let column = shown.find("tmieout").unwrap() + 1;
    let fault = format!("x:1:{column}: unknown key `tmieout`");
    assert!(said.contains(&fault), "{said}");
}

#[test]
fn a_configuration_that_is_printed_has_no_headers() {
    let text = "processors: { a: { otlp: { endpoint: 'http://h:1', headers: { b: zanzibar } } } }";
    let config = load(text, "x").unwrap();
    let (shown, debug) = (config.to_string(), format!("{config:?}"));
    assert!(
        !shown.contains("zanzibar") && !debug.contains("zanzibar"),
        "{debug}"
    );
    assert!(debug.contains("\"b\""), "{debug}");
}
