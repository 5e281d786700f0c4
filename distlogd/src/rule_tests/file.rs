//! A file of tests, read with all its faults.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::expect::Expect;
use super::given::{Given, Givens, Origin};
use super::reader::Reader;
use crate::yaml::{Faults, Node, Place, Tree, duplicate_keys};

const KEYS: [&str; 3] = ["config", "defaults", "tests"];
const TEST: [&str; 4] = ["name", "tree", "records", "expect"];

/// A file of tests.
#[derive(Debug)]
pub(crate) struct TestFile {
    /// As it was named.
    pub(crate) name: String,
    /// The configuration that it is about, if it says.
    pub(crate) config: Option<PathBuf>,
    pub(super) tests: Vec<Test>,
    /// What stands in it.
    pub(super) text: String,
}

/// A test.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) records: Vec<Given>,
    pub(super) expect: Vec<Expect>,
}

/// Reads a file of tests; paths in it are relative to its folder.
///
/// # Errors
/// All faults.
pub(crate) fn read(path: &Path, text: &str) -> Result<TestFile, Faults> {
    let name = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    let document = Node::parse(text).map_err(|fault| Faults::new(&name, text, vec![fault]))?;
    let mut reader = Reader::default();
    duplicate_keys(&document, &mut reader.faults, &mut HashSet::new());
    let mut file = TestFile {
        name,
        config: None,
        tests: Vec::new(),
        text: text.to_owned(),
    };
    let mut origin = Origin::default();
    let entries = reader.map(&document, &KEYS, "a file like { tests: [ … ] }");
    for (key, node) in entries {
        match key.text.as_str() {
            "config" => {
                let path = reader.text(node, "the path of a configuration");
                file.config = path.map(|path| folder.join(path));
            }
            "defaults" => origin = Origin::defaults(&mut reader, node),
            _ => {}
        }
    }
    match document.get("tests") {
        Some(tests) => {
            let expected = "a list of tests, like - { name: …, tree: { … }, expect: [ … ] }";
            for (at, node) in reader.list(tests, expected).iter().enumerate() {
                let test = test(&mut reader, node, (at, &origin), folder);
                file.tests.push(test);
            }
            if matches!(&tests.tree, Tree::Null) || tests.children().is_empty() {
                reader.fault(tests, format!("there is no test: expected {expected}"));
            }
        }
        None if matches!(document.tree, Tree::Map(_) | Tree::Null) => {
            reader.fault(&document, "`tests` is missing: a list of tests");
        }
        None => {}
    }
    match reader.faults.is_empty() {
        true => Ok(file),
        false => Err(Faults::new(&file.name, text, reader.faults)),
    }
}

fn test(reader: &mut Reader, node: &Node, (at, origin): (usize, &Origin), folder: &Path) -> Test {
    let expected = "a test like { name: …, tree: { … }, expect: [ … ] }";
    let mut test = Test {
        place: node.place,
        name: format!("test {}", at + 1),
        records: Vec::new(),
        expect: Vec::new(),
    };
    let entries = reader.map(node, &TEST, expected);
    let mut givens = Givens::new(reader, at);
    for (key, value) in entries {
        match key.text.as_str() {
            "tree" => givens.tree(value, origin),
            "records" => givens.records(value, origin, folder),
            _ => {}
        }
    }
    test.records = givens.records;
    for (key, value) in entries {
        match key.text.as_str() {
            "name" => {
                test.name = reader
                    .text(value, "a sentence that the test proves")
                    .unwrap_or_default()
            }
            "expect" => {
                let expected = "a list like - { record: payment refused, to: [errors] }";
                let items = reader.list(value, expected);
                test.expect = items
                    .iter()
                    .map(|item| Expect::read(reader, item))
                    .collect();
            }
            _ => {}
        }
    }
    if matches!(node.tree, Tree::Map(_)) {
        if node.get("tree").is_none() && node.get("records").is_none() {
            reader.fault(node, "nothing comes in: `tree` or `records` is missing");
        }
        if node
            .get("expect")
            .is_none_or(|node| node.children().is_empty())
        {
            reader.fault(node, "nothing is expected: `expect` is missing");
        }
    }
    test
}
