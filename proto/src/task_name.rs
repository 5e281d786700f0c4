//! What a task is called.

/// The name of a task: its own one, else its template unless nothing but placeholders is in it, then the function or
/// the target. What came without any of these is named by its message.
pub(crate) fn task_name<'t>(
    name: &'t str,
    template: &'t str,
    function: &'t str,
    target: &'t str,
    message: &'t str,
) -> &'t str {
    if !name.is_empty() {
        return name;
    }
    match template {
        "" => message,
        template if says_something(template) => template,
        template => [function, target]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or(template),
    }
}

/// Whether a template has letters or digits beside its placeholders: those of Rust and Python's `format` (`{}`,
/// `{id:>4}`), and of Python's `%` (`%s`, `%(id)d`).
fn says_something(template: &str) -> bool {
    let mut rest = template.chars();
    while let Some(c) = rest.next() {
        match c {
            '{' => {
                // `{{` is a brace.
                if rest.clone().next() != Some('{') {
                    rest.find(|c| *c == '}');
                } else {
                    rest.next();
                }
            }
            '%' => {
                if rest.clone().next() == Some('(') {
                    rest.find(|c| *c == ')');
                }
                // Flags and width, then the letter.
                rest.find(|c| c.is_alphabetic() || *c == '%');
            }
            c if c.is_alphanumeric() => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::says_something;

    #[test]
    fn templates_of_nothing_but_placeholders() {
        for nothing in [
            "",
            "{}",
            "{} {}",
            "{}{}",
            "{name}: {count:>4}",
            " - ",
            "%s",
            "%s: %d",
            "%(user)s/%5.2f",
            "{{{}}}",
            "%%",
            "{",
            "%",
        ] {
            assert!(!says_something(nothing), "{nothing}");
        }
        for something in [
            "call {}{}",
            "{} items",
            "x",
            "100%",
            "%s done",
            "{}: é",
            "{{x}}",
            "7",
        ] {
            assert!(says_something(something), "{something}");
        }
    }
}
