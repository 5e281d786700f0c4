//! Rules: which records are stored, which go to which processors, and what is changed in them.
//!
//! A condition is an expression in [CEL](https://cel.dev), as `when:` and `filter:` of the configuration have it. It
//! is compiled once, into operations that read the record in place (`node.rs`); what those do not cover (arithmetic,
//! macros, maps, conversions) is left to the interpreter of the crate `cel` (`interpret.rs`).
//!
//! Read it in this order: `names.rs` (what a condition sees), `functions.rs`, `value.rs`, `path.rs` with `memo.rs`,
//! `leaf.rs`, `interpret.rs`, `node.rs`, `compile.rs` with `depth.rs`, `check.rs` and `syntax.rs`, `router.rs`;
//! `value_path.rs` has names by themselves, `tree.rs` conditions over whole trees. Then `expression.rs`,
//! `redaction.rs`, `change.rs`, and where records are changed: `intake.rs` with `torn.rs` (before they are stored),
//! `outgoing.rs` (for a processor). `explain.rs` says why a condition matches or not.
//!
//! | name | what |
//! |---|---|
//! | `kind` | `begin`, `event`, `bind` or `end` |
//! | `severity` | 1–24 (constants `TRACE DEBUG INFO WARN ERROR FATAL`): the number, else what the text means, else 0 |
//! | `service` `host` `process` `thread` | names, of the service, the host, the process, the thread |
//! | `target` `file` `line` `module` `function` | the place in the code |
//! | `message` | the readable text |
//! | `task` `trace_id` `span_id` | the task's id; 32 and 16 hex digits as in W3C trace context; empty outside tasks |
//! | `root` | whether the task has none above it: `kind == 'end' && root` is how requests ended |
//! | `outcome` | of an end: `ok`, `success` (declared explicitly), `failed`, `cancelled` or `lost`; else empty |
//! | `duration` | of an end that has it: compares with `duration('1.5s')` |
//! | `sampled` | the flag of W3C trace context |
//! | `system` | `test`, `staging` or `production` |
//! | `fields` `context` `resource` | maps: the record's own fields, those of its task, the attributes of the resource |
//!
//! Text that is not known is empty. A field that is missing makes the condition not match and is no error;
//! `has(fields.x)` asks for it, and `&&` and `||` absorb it where the other side decides. Names with dots are written
//! as they are (`fields.http.method`) or as an index (`fields["http.method"]`). Whole numbers and fractions compare
//! by value.
//!
//! ```
//! use distlog_rules::Condition;
//!
//! Condition::compile("severity >= WARN && service == 'orders' && fields.amount > 100")?;
//! let fault = Condition::compile("severty >= WARN").unwrap_err();
//! assert_eq!(fault.to_string(), "line 1, column 1: unknown name `severty`: did you mean `severity`?");
//! # Ok::<(), distlog_rules::CompileFault>(())
//! ```

#[cfg(test)]
mod agreement;
mod change;
mod check;
mod compile;
mod condition;
mod depth;
mod explain;
mod expression;
mod fault;
mod functions;
mod intake;
mod interpret;
mod leaf;
mod memo;
mod names;
mod nearest;
mod needs;
mod node;
mod outgoing;
mod path;
mod redaction;
mod reserved;
mod router;
mod syntax;
mod torn;
mod tree;
mod tree_node;
mod tree_summary;
mod value;
mod value_path;

pub use change::{Change, Target};
pub use condition::Condition;
pub use explain::{Looked, Part};
pub use expression::Expression;
pub use fault::CompileFault;
pub use intake::{Action, Counted, Edited, IntakeRule, IntakeRules};
pub use names::Known;
pub use nearest::nearest;
pub use outgoing::Outgoing;
pub use redaction::{PatternError, REDACTED, Redaction};
pub use router::{Router, Rule};
pub use tree::TreeCondition;
pub use tree_summary::TreeSummary;
pub use value_path::{IdText, Named, ValuePath};

/// What a condition may be written with: its names, their constants, functions.
pub fn known() -> impl Iterator<Item = Known> {
    names::known().chain(functions::known())
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
