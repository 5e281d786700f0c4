//! Conditions over whole trees: what all records of a trace say together.

use std::fmt;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::{Context, Value};
use distlog_proto::Severity;

use super::check::Names;
use super::compile::parse;
use super::explain::{self, Looked, Part};
use super::fault::CompileFault;
use super::interpret::ENV;
use super::names::{self, Type};

/// What is known of the records of one trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeSummary<'a> {
    /// Whether a task of it failed or was lost.
    pub failed: bool,
    /// Whether a task of it was lost.
    pub lost: bool,
    /// How long the root took, in nanoseconds; while that is not known, from the earliest to the latest record.
    pub duration: u64,
    /// The highest of its records.
    pub severity: Severity,
    /// The services that wrote it, each once, separated by zero bytes, which no name has.
    pub services: &'a str,
    /// How many it has.
    pub records: u64,
    /// How many tasks began in it.
    pub tasks: u64,
    /// What the root is called; empty while it has not come.
    pub name: &'a str,
    /// Whether the root has ended.
    pub root: bool,
}

type Field = (
    &'static str,
    &'static str,
    Type,
    fn(&TreeSummary<'_>) -> Value,
);

/// Each as it is written, without `tree.`, with its type and its value.
const FIELDS: [Field; 9] = [
    ("failed", "tree.failed", Type::Bool, |tree| {
        Value::Bool(tree.failed)
    }),
    ("lost", "tree.lost", Type::Bool, |tree| {
        Value::Bool(tree.lost)
    }),
    ("duration", "tree.duration", Type::Duration, |tree| {
        let nanos = i64::try_from(tree.duration).unwrap_or(i64::MAX);
        Value::Duration(chrono::Duration::nanoseconds(nanos))
    }),
    ("severity", "tree.severity", Type::Number, |tree| {
        Value::Int(tree.severity.number().into())
    }),
    ("services", "tree.services", Type::List, |tree| {
        let names = tree.services.split('\0').filter(|name| !name.is_empty());
        let names = names.map(|name| Value::String(Arc::new(name.to_owned())));
        Value::List(Arc::new(names.collect()))
    }),
    ("records", "tree.records", Type::Number, |tree| {
        Value::Int(i64::try_from(tree.records).unwrap_or(i64::MAX))
    }),
    ("tasks", "tree.tasks", Type::Number, |tree| {
        Value::Int(i64::try_from(tree.tasks).unwrap_or(i64::MAX))
    }),
    ("name", "tree.name", Type::Str, |tree| {
        Value::String(Arc::new(tree.name.to_owned()))
    }),
    ("root", "tree.root", Type::Bool, |tree| {
        Value::Bool(tree.root)
    }),
];

const TREE: Names = Names {
    find: |name| names::constant(name).map(|_| Type::Number),
    field: |name, field| {
        (name == "tree").then(|| match find(field) {
            Some((_, _, kind, _)) => Ok(*kind),
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

fn find(field: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|(known, ..)| *known == field)
}

fn hint(text: &str) -> String {
    let constants = names::constants().map(|(name, _)| (name, name));
    let fields = FIELDS.iter().map(|(short, long, ..)| (*short, *long));
    let known: Vec<_> = fields.chain(constants).collect();
    let nearest = super::nearest(text, known.iter().map(|(short, _)| *short));
    match known.iter().find(|(short, _)| Some(*short) == nearest) {
        Some((_, long)) => format!("did you mean `{long}`?"),
        None => {
            let fields: Vec<&str> = FIELDS.iter().map(|(_, long, ..)| *long).collect();
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
    expr: Arc<IdedExpr>,
    /// What it may use: what is not in its text is not made for each tree.
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
        let fields = FIELDS.iter().filter(|(name, ..)| text.contains(name));
        let constants = names::constants().filter(|(name, _)| text.contains(name));
        Ok(TreeCondition {
            text: text.into(),
            expr: Arc::new(expr),
            fields: fields.collect(),
            constants: constants.collect(),
        })
    }

    /// Whether the tree matches. What cannot be computed does not match.
    pub fn matches(&self, tree: &TreeSummary<'_>) -> bool {
        let context = self.context(tree);
        matches!(context.resolve(&self.expr), Ok(Value::Bool(true)))
    }

    /// What it may use of a tree.
    fn context(&self, tree: &TreeSummary<'_>) -> Context<'static, 'static> {
        let mut context = Context::with_env(ENV.clone());
        for (_, name, _, value) in &self.fields {
            context.add_variable_from_value(*name, value(tree));
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
            let context = part.context(tree);
            let value = match context.resolve(&part.expr) {
                Ok(Value::Bool(value)) => Some(value),
                _ => None,
            };
            let looked = part.fields.iter().map(|(_, name, _, of)| Looked {
                name: (*name).to_owned(),
                value: Some(shown(&of(tree))),
            });
            Some((value, looked.collect()))
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
