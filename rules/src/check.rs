//! What can be known to be wrong before there is a record: unknown names, and types that never meet.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::fault::CompileFault;
use super::functions;
use super::names::{self, Type};

/// The names that an expression may use, beside those of types and functions.
pub(super) struct Names {
    /// The type of a name.
    pub(super) find: fn(&str) -> Option<Type>,
    /// The type of `name.field`, where the name stands for a fixed set of fields; what is wrong if it is none of them.
    pub(super) field: fn(&str, &str) -> Option<Result<Type, String>>,
    /// What may be meant by a name that is not known.
    pub(super) hint: fn(&str) -> String,
}

/// Those of records.
pub(super) const RECORD: Names = Names {
    find: |name| {
        let known = names::name(name).map(|(_, known)| known);
        known.or(names::constant(name).map(|_| Type::Number))
    },
    field: |_, _| None,
    hint: |name| match names::meant(name) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "a record's own fields are fields.NAME, its task's context.NAME".to_owned(),
    },
};

/// Checks an expression.
pub(super) struct Checker<'s> {
    names: &'s Names,
    text: &'s str,
    source: &'s SourceInfo,
    /// Names that macros bind around the place looked at.
    scope: Vec<String>,
}

pub(super) type Checked = Result<Type, CompileFault>;

impl<'s> Checker<'s> {
    pub(super) fn new(names: &'s Names, text: &'s str, source: &'s SourceInfo) -> Checker<'s> {
        Checker {
            names,
            text,
            source,
            scope: Vec::new(),
        }
    }

    /// The whole condition.
    pub(super) fn check(mut self, expr: &IdedExpr) -> Result<(), CompileFault> {
        self.test(expr, "a condition")
    }

    /// A whole expression of any type, which is given as far as it is known.
    pub(super) fn check_value(mut self, expr: &IdedExpr) -> Checked {
        self.expr(expr)
    }

    fn fault<T>(&self, at: &IdedExpr, message: impl Into<String>) -> Result<T, CompileFault> {
        Err(CompileFault::of(
            self.text,
            self.source,
            at.id,
            message.into(),
        ))
    }

    /// An expression that has to be true or false.
    fn test(&mut self, expr: &IdedExpr, what: &str) -> Result<(), CompileFault> {
        match self.expr(expr)? {
            Type::Bool | Type::Any => Ok(()),
            other => self.fault(
                expr,
                format!("{what} is true or false, but this is {}", other.article()),
            ),
        }
    }

    fn expr(&mut self, expr: &IdedExpr) -> Checked {
        match &expr.expr {
            Expr::Unspecified => self.fault(expr, "is no expression"),
            Expr::Literal(value) => Ok(match value {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => {
                    Type::Number
                }
                LiteralValue::String(_) => Type::Str,
                LiteralValue::Bytes(_) | LiteralValue::Null => Type::Any,
            }),
            Expr::Ident(name) => self.ident(expr, name),
            Expr::Select(select) => {
                if let Expr::Ident(name) = &select.operand.expr
                    && let Some(known) = (self.names.field)(name, &select.field)
                {
                    return known.or_else(|message| self.fault(expr, message));
                }
                let of = self.expr(&select.operand)?;
                match of {
                    Type::Map | Type::Any if select.test => Ok(Type::Bool),
                    Type::Map | Type::Any => Ok(Type::Any),
                    other => self.fault(
                        expr,
                        format!("{} has no `{}`", other.article(), select.field),
                    ),
                }
            }
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => {
                list.elements
                    .iter()
                    .try_for_each(|element| self.expr(element).map(drop))?;
                Ok(Type::List)
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expr(&entry.key)?;
                        self.expr(&entry.value)?;
                    }
                }
                Ok(Type::Map)
            }
            Expr::Struct(of) => self.fault(
                expr,
                format!("there are no messages here like `{}`", of.type_name),
            ),
            Expr::Comprehension(macros) => {
                self.expr(&macros.iter_range)?;
                self.expr(&macros.accu_init)?;
                let outer = self.scope.len();
                self.scope.push(macros.accu_var.clone());
                self.scope.push(macros.iter_var.clone());
                self.scope.extend(macros.iter_var2.clone());
                for part in [&macros.loop_cond, &macros.loop_step, &macros.result] {
                    self.expr(part)?;
                }
                self.scope.truncate(outer);
                Ok(Type::Any)
            }
        }
    }

    fn ident(&self, expr: &IdedExpr, name: &str) -> Checked {
        if self.scope.iter().any(|bound| bound == name) {
            return Ok(Type::Any);
        }
        if let Some(known) = (self.names.find)(name) {
            return Ok(known);
        }
        if names::is_type(name) {
            return Ok(Type::Any);
        }
        let hint = (self.names.hint)(name);
        self.fault(expr, format!("unknown name `{name}`: {hint}"))
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Checked {
        let args = operands(call);
        match (call.func_name.as_str(), args.as_slice()) {
            (operators::LOGICAL_AND, [a, b]) | (operators::LOGICAL_OR, [a, b]) => {
                self.test(a, "each side of && and ||")?;
                self.test(b, "each side of && and ||")?;
                Ok(Type::Bool)
            }
            (operators::LOGICAL_NOT, [a]) => self.test(a, "what ! negates").map(|()| Type::Bool),
            (operators::CONDITIONAL, [test, a, b]) => {
                self.test(test, "what stands before ?")?;
                let (a, b) = (self.expr(a)?, self.expr(b)?);
                Ok(if a == b { a } else { Type::Any })
            }
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) => {
                self.comparable(expr, a, b)?;
                self.word(a, b)?;
                self.word(b, a)?;
                Ok(Type::Bool)
            }
            (
                operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS,
                [a, b],
            ) => self.comparable(expr, a, b).map(|()| Type::Bool),
            (operators::IN, [item, container]) => {
                self.expr(item)?;
                match self.expr(container)? {
                    Type::List | Type::Map | Type::Any => {}
                    other => {
                        return self.fault(
                            container,
                            format!(
                                "`in` looks into a list or a map, but this is {}",
                                other.article()
                            ),
                        );
                    }
                }
                if let Expr::List(list) = &container.expr {
                    for element in &list.elements {
                        self.comparable(element, item, element)?;
                        self.word(item, element)?;
                    }
                }
                Ok(Type::Bool)
            }
            (name, args) => {
                let mut types = Vec::new();
                for arg in args {
                    types.push(self.expr(arg)?);
                }
                self.function(expr, name, args, &types)
            }
        }
    }

    fn function(&self, expr: &IdedExpr, name: &str, args: &[&IdedExpr], types: &[Type]) -> Checked {
        let arithmetic = matches!(
            name,
            operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO
                | operators::NEGATE
        );
        if arithmetic {
            return Ok(if types.iter().all(|known| *known == Type::Number) {
                Type::Number
            } else {
                Type::Any
            });
        }
        if matches!(name, operators::INDEX) || name.starts_with('@') {
            return Ok(Type::Any);
        }
        if !functions::is_function(name) {
            let hint = match functions::meant_function(name) {
                // Macros with other arguments than they have are no macros.
                Some(meant) if meant == name => {
                    return self.fault(expr, format!("`{name}` has other arguments"));
                }
                Some(meant) => format!(": did you mean `{meant}`?"),
                None => String::new(),
            };
            return self.fault(expr, format!("unknown function `{name}`{hint}"));
        }
        match name {
            "contains" | "startsWith" | "endsWith" | "matches" => {
                if args.len() != 2 {
                    return self
                        .fault(expr, format!("`{name}` is written text.{name}(other text)"));
                }
                for (arg, known) in args.iter().zip(types) {
                    if !matches!(known, Type::Str | Type::Any) {
                        return self.fault(
                            arg,
                            format!(
                                "`{name}` looks into a string, but this is {}",
                                known.article()
                            ),
                        );
                    }
                }
                if let ("matches", Expr::Literal(LiteralValue::String(pattern))) =
                    (name, &args[1].expr)
                    && let Err(error) = regex::Regex::new(pattern.inner())
                {
                    let reason = error.to_string();
                    let reason = reason
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim_start_matches("error: ")
                        .to_owned();
                    return self.fault(
                        args[1],
                        format!("`{}` is no regular expression: {reason}", pattern.inner()),
                    );
                }
                Ok(Type::Bool)
            }
            "size" => match types {
                [Type::Number | Type::Bool | Type::Duration] => self.fault(
                    args[0],
                    format!(
                        "`size` counts what is in a string, list or map, but this is {}",
                        types[0].article()
                    ),
                ),
                [_] => Ok(Type::Number),
                _ => self.fault(expr, "`size` takes one value"),
            },
            "duration" => {
                if let [
                    IdedExpr {
                        expr: Expr::Literal(LiteralValue::String(text)),
                        ..
                    },
                ] = args
                    && super::interpret::duration(expr).is_none()
                {
                    return self.fault(
                        args[0],
                        format!(
                            "`{}` is no duration: expected one like 1.5s, 200ms or 1h30m",
                            text.inner()
                        ),
                    );
                }
                Ok(Type::Duration)
            }
            _ => Ok(Type::Any),
        }
    }

    /// Values whose types are known must have the same.
    fn comparable(
        &mut self,
        at: &IdedExpr,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Result<(), CompileFault> {
        let (left, right) = (self.expr(a)?, self.expr(b)?);
        if left == right || left == Type::Any || right == Type::Any {
            return Ok(());
        }
        let hint = match (left, right) {
            (Type::Duration, Type::Number | Type::Str)
            | (Type::Number | Type::Str, Type::Duration) => {
                "; durations are written duration('1.5s')".to_owned()
            }
            _ => match [a, b].map(severity_word) {
                [Some(word), _] | [_, Some(word)] => format!("; write {word} without quotes"),
                _ => String::new(),
            },
        };
        self.fault(
            at,
            format!(
                "{} is never comparable with {}{hint}",
                left.article(),
                right.article()
            ),
        )
    }

    /// A name whose values are a few words is compared with one of them.
    fn word(&self, name: &IdedExpr, word: &IdedExpr) -> Result<(), CompileFault> {
        let (Expr::Ident(name), Expr::Literal(LiteralValue::String(text))) =
            (&name.expr, &word.expr)
        else {
            return Ok(());
        };
        let Some((known, _)) = names::name(name) else {
            return Ok(());
        };
        match names::words(known) {
            Some(words) if !words.contains(&text.inner()) => {
                let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                self.fault(
                    word,
                    format!(
                        "`{name}` is never '{}': expected one of {}",
                        text.inner(),
                        words.join(", ")
                    ),
                )
            }
            _ => Ok(()),
        }
    }
}

/// The constant that a string was probably meant to be.
fn severity_word(expr: &IdedExpr) -> Option<String> {
    let Expr::Literal(LiteralValue::String(text)) = &expr.expr else {
        return None;
    };
    let upper = text.inner().to_uppercase();
    names::constant(&upper).map(|_| upper)
}

/// The operands of a call: the receiver of a method, then the arguments.
pub(super) fn operands(call: &CallExpr) -> Vec<&IdedExpr> {
    call.target
        .as_deref()
        .into_iter()
        .chain(&call.args)
        .collect()
}
