//! Conditions over whole trees: what all records of a trace say together.

use std::fmt;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::{Context, Value};

use super::check::Names;
use super::compile::parse;
use super::explain::{self, Looked, Part};
use super::fault::CompileFault;
use super::interpret::ENV;
use super::names::{self, Type};
use super::tree_node::TreeNode;
use super::tree_summary::{FIELDS, Field, TreeSummary, find};
use super::value::NoValue;

const TREE: Names = Names {
    find: |name| names::constant(name).map(|_| Type::Number),
    field: |name, field| {
        (name == "tree").then(|| match find(field) {
            Some(field) => Ok(field.kind()),
            None => Err(format!("unknown name `tree.{field}`: {}", hint(field))),
        })
    },
    hint,
};

/// A value of a tree for people.
fn shown(value: &Value) -> String {
    match value {
        Value::Duration(duration) => {
            explain::seconds(duration.num_nanoseconds().unwrap_or(i64::MAX))
        }
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::String(text) => explain::quoted(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        _ => String::new(),
    }
}

fn hint(text: &str) -> String {
    let constants = names::constants().map(|(name, _)| (name, name));
    let fields = FIELDS.iter().map(|field| (field.short, field.long));
    let known: Vec<_> = fields.chain(constants).collect();
    let nearest = super::nearest(text, known.iter().map(|(short, _)| *short));
    match known.iter().find(|(short, _)| Some(*short) == nearest) {
        Some((_, long)) => format!("did you mean `{long}`?"),
        None => {
            let fields: Vec<&str> = FIELDS.iter().map(|field| field.long).collect();
            format!("of a tree are known {}", fields.join(", "))
        }
    }
}

/// A condition that trees match or not. Cheap to clone.
///
/// ```
/// use distlog_rules::{TreeCondition, TreeSummary};
///
/// let slow = TreeCondition::compile("tree.failed || tree.duration > duration('2s')")?;
/// assert!(slow.matches(&TreeSummary { duration: 3_000_000_000, ..TreeSummary::default() }));
/// assert!(!slow.matches(&TreeSummary::default()));
/// # Ok::<(), distlog_rules::CompileFault>(())
/// ```
#[derive(Clone)]
pub struct TreeCondition {
    text: Arc<str>,
    node: Arc<TreeNode>,
    /// What the interpreter may use: what is not in the text is not made for each tree.
    fields: Vec<&'static Field>,
    constants: Vec<(&'static str, i64)>,
}

impl TreeCondition {
    /// Compiles an expression over `tree.*`.
    ///
    /// # Errors
    /// The first fault in it, with its line and column: syntax, unknown names, types that never meet.
    pub fn compile(text: &str) -> Result<TreeCondition, CompileFault> {
        let expr = parse(text, &TREE)?;
        let fields = FIELDS.iter().filter(|field| text.contains(field.short));
        let constants = names::constants().filter(|(name, _)| text.contains(name));
        Ok(TreeCondition {
            text: text.into(),
            node: Arc::new(TreeNode::new(&expr)),
            fields: fields.collect(),
            constants: constants.collect(),
        })
    }

    /// Whether the tree matches. What cannot be computed does not match.
    pub fn matches(&self, tree: &TreeSummary<'_>) -> bool {
        self.test(tree) == Ok(true)
    }

    fn test(&self, tree: &TreeSummary<'_>) -> Result<bool, NoValue> {
        let mut context = None;
        self.node.test(tree, &mut |expr: &IdedExpr| {
            let context = context.get_or_insert_with(|| self.context(tree));
            match context.resolve(expr) {
                Ok(Value::Bool(value)) => Ok(value),
                _ => Err(NoValue),
            }
        })
    }

    /// What it may use of a tree.
    fn context(&self, tree: &TreeSummary<'_>) -> Context<'static, 'static> {
        let mut context = Context::with_env(ENV.clone());
        for field in &self.fields {
            context.add_variable_from_value(field.long, field.value(tree));
        }
        for (name, value) in &self.constants {
            context.add_variable_from_value(*name, Value::Int(*value));
        }
        context
    }

    /// What each part of it is for a tree, and what it looked at.
    pub fn explain(&self, tree: &TreeSummary<'_>) -> Vec<Part> {
        explain::parts(&self.text, &mut |text| {
            let part = TreeCondition::compile(text).ok()?;
            let looked = part.fields.iter().map(|field| Looked {
                name: field.long.to_owned(),
                value: Some(shown(&field.value(tree))),
            });
            Some((part.test(tree).ok(), looked.collect()))
        })
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for TreeCondition {
    fn eq(&self, other: &TreeCondition) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for TreeCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeCondition({})", self.text)
    }
}

impl fmt::Display for TreeCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::Severity;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn fault(text: &str) -> String {
        TreeCondition::compile(text).unwrap_err().to_string()
    }

    #[test]
    fn every_name_is_what_the_tree_is() {
        let tree = TreeSummary {
            failed: true,
            lost: false,
            duration: 3 * SECOND,
            severity: Severity::ERROR,
            services: "web\0orders",
            records: 12,
            tasks: 3,
            name: "POST /order",
            root: true,
        };
        for text in [
            "tree.failed && !tree.lost && tree.root",
            "tree.duration > duration('2s') && tree.duration < duration('3001ms')",
            "tree.severity >= ERROR && tree.severity < FATAL",
            "'orders' in tree.services && !('pay' in tree.services) && size(tree.services) == 2",
            "tree.services.exists(s, s.startsWith('ord'))",
            "tree.records == 12 && tree.tasks > 2 && tree.records / tree.tasks == 4",
            "tree.name == 'POST /order' && tree.name.startsWith('POST')",
            "tree.lost ? tree.records > 100 : tree.records < 100",
        ] {
            assert!(
                TreeCondition::compile(text).unwrap().matches(&tree),
                "{text}"
            );
        }
        let nothing = TreeSummary::default();
        for text in [
            "tree.failed",
            "size(tree.services) > 0",
            "tree.name != ''",
            "1 / tree.tasks > 0",
        ] {
            let condition = TreeCondition::compile(text).unwrap();
            assert!(!condition.matches(&nothing), "{text}");
        }
    }

    /// Conditions over trees, also those that the operations do not have.
    fn conditions() -> impl Strategy<Value = String> {
        let number = prop::sample::select(vec![
            "0",
            "2",
            "17",
            "-1",
            "ERROR",
            "tree.records",
            "tree.tasks",
            "tree.severity",
            "tree.records / tree.tasks",
        ]);
        let duration = prop::sample::select(vec![
            "tree.duration",
            "duration('2s')",
            "duration('1.5ms')",
            "duration('-1h')",
        ]);
        let order = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
        let compared = |of: prop::sample::Select<&'static str>| {
            (of.clone(), order.clone(), of).prop_map(|(a, order, b)| format!("{a} {order} {b}"))
        };
        let other = prop::sample::select(vec![
            "tree.failed",
            "tree.lost",
            "tree.root",
            "true",
            "tree.name == 'web'",
            "'web' in tree.services",
            "1 / tree.tasks > 0",
            "tree.services[3] == 'web'",
        ]);
        let leaf = prop_oneof![
            compared(number),
            compared(duration),
            other.prop_map(str::to_owned)
        ];
        leaf.prop_recursive(4, 16, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|a| format!("!({a})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) || ({b})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn operations_say_what_the_interpreter_says(
            text in conditions(),
            flags: [bool; 3],
            (records, tasks, severity) in (0_u64..4, 0_u64..3, 0_u32..20),
            duration in prop::sample::select(vec![0, 1_500_000, 2 * SECOND, u64::MAX]),
        ) {
            let tree = TreeSummary {
                failed: flags[0],
                lost: flags[1],
                root: flags[2],
                duration,
                severity: Severity::new(severity),
                services: "orders\0web",
                records,
                tasks,
                name: "web",
            };
            let condition = TreeCondition::compile(&text).unwrap();
            let expr = parse(&text, &TREE).unwrap();
            let expected = match condition.context(&tree).resolve(&expr) {
                Ok(Value::Bool(value)) => Ok(value),
                _ => Err(NoValue),
            };
            prop_assert_eq!(condition.test(&tree), expected);
        }
    }

    #[test]
    fn what_such_conditions_mostly_have_is_not_interpreted() {
        let interprets = |text: &str| {
            let condition = TreeCondition::compile(text).unwrap();
            let mut asked = false;
            let tree = TreeSummary::default();
            _ = condition.node.test(&tree, &mut |_| {
                asked = true;
                Ok(false)
            });
            asked
        };
        assert!(!interprets("tree.failed || tree.duration > duration('2s')"));
        assert!(!interprets(
            "!(tree.severity >= ERROR) && 100 < tree.records"
        ));
        assert!(interprets("tree.name == 'web'"));
    }

    #[test]
    fn faults_have_their_place_and_what_was_meant() {
        assert_eq!(
            fault("tree.faled"),
            "line 1, column 5: unknown name `tree.faled`: did you mean `tree.failed`?"
        );
        assert_eq!(
            fault("tree.root &&\n  failed"),
            "line 2, column 3: unknown name `failed`: did you mean `tree.failed`?"
        );
        assert!(fault("service == 'web'").contains("did you mean `tree.services`?"));
        assert!(fault("tree.fields.user == 'leo'").contains("of a tree are known tree.failed, "));
        assert!(fault("tree").contains("unknown name `tree`"));
        assert!(fault("tree.duration > 2").contains("durations are written duration('1.5s')"));
        assert!(
            fault("tree.duration").contains("a condition is true or false, but this is a duration")
        );
        assert!(fault("tree.severity >= 'ERROR'").contains("write ERROR without quotes"));
    }
}
