//! `function` is one of our names, but CEL reserves the word: where the parser refuses it, it gets a word of the same
//! length.

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::Parser;
use cel::{ParseError, ParseErrors};

/// The name of [`NAME`] in a parsed expression.
pub(super) const STAND_IN: &str = "__func__";
/// The name that users write.
pub(super) const NAME: &str = "function";

/// Parses an expression in which [`NAME`] is allowed. The places in it are those of the text.
pub(super) fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), ParseErrors> {
    let errors = match Parser::new().parse_with_source_info(text) {
        Ok(parsed) => return Ok(parsed),
        Err(errors) => errors,
    };
    let refused: Vec<usize> = errors
        .errors
        .iter()
        .filter_map(|e| offset(text, e))
        .collect();
    if refused.is_empty() {
        return Err(errors);
    }
    let mut text = text.to_owned();
    for at in refused {
        text.replace_range(at..at + NAME.len(), STAND_IN);
    }
    Parser::new().parse_with_source_info(&text)
}

/// Where the parser refuses [`NAME`], if that is the error.
fn offset(text: &str, error: &ParseError) -> Option<usize> {
    let name = error.msg.strip_prefix("reserved identifier: ")?;
    let (line, column) = (
        usize::try_from(error.pos.0).ok()?,
        usize::try_from(error.pos.1).ok()?,
    );
    let before: usize = text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let (at, _) = text[before..].char_indices().nth(column.checked_sub(1)?)?;
    let at = before + at;
    (name == NAME && text[at..].starts_with(NAME)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_itself_is_allowed() {
        for text in [
            "function == 'function'",
            r"function == 'a\'function' && function != r'\'",
            "fields.function == functions && my_function",
            "'''it's function''' == \"\" + function // function",
            "'ü' == function &&\n  'ü' == function",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "for == 1",
            "function == for",
            "'ü' == function && 'function",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
