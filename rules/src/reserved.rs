//! `function` is one of our names, but CEL reserves the word. The parser of the crate `cel` refuses it without giving
//! an expression, so the text it gets has another word of the same length there: places stay those of the file.

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

    /// Fails once the parser has a way to accept the word; then this file is no longer needed.
    #[test]
    fn the_parser_has_no_way_to_accept_the_name() {
        for text in [NAME, ".function", "`function`"] {
            let parser = Parser::new().enable_ident_escape_syntax(true);
            assert!(parser.parse(text).is_err(), "{text}");
        }
        let errors = Parser::new().parse(NAME).unwrap_err().errors;
        assert_eq!(errors[0].msg, "reserved identifier: function");
    }

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
