//! Conventions of the Python package `distlog`, as its formatters and tasks have them.

use distlog_proto::Severity;
use distlog_proto::TaskId;
use distlog_proto::TraceId;
use distlog_proto::{ErrorInfo, Kind};

/// Undoes the formatter's `replace('\n', '\\n')` of the message, where `msg`, which keeps its newlines, shows that it
/// was done. What came from arguments cannot be distinguished from a program's own backslash (`C:\new`) and stays.
/// `None`: it stays as it is.
pub(super) fn message(message: &str, msg: &str) -> Option<String> {
    if !msg.contains('\n') || !message.contains("\\n") || message.contains('\n') {
        None
    } else if msg.replace('\n', "\\n") == message {
        Some(msg.to_owned())
    } else if msg.contains("\\n") {
        None
    } else {
        Some(message.replace("\\n", "\n"))
    }
}

/// The same for a traceback, unless another formatter made it before: that one leaves the newlines.
pub(super) fn exc_text(text: String) -> String {
    if text.contains('\n') {
        text
    } else {
        text.replace("\\n", "\n")
    }
}

/// Reads a traceback: the last exception and, as its causes, those before it, latest first.
pub(super) fn error(traceback: String) -> ErrorInfo {
    const CAUSES: [&str; 2] = [
        "\n\nThe above exception was the direct cause of the following exception:\n\n",
        "\n\nDuring handling of the above exception, another exception occurred:\n\n",
    ];
    let mut exceptions = Vec::new();
    let mut rest: &str = &traceback;
    while let Some((at, mark)) = CAUSES
        .iter()
        .filter_map(|mark| Some((rest.rfind(mark)?, *mark)))
        .max_by_key(|(at, _)| *at)
    {
        exceptions.push(exception(&rest[at + mark.len()..]));
        rest = &rest[..at];
    }
    exceptions.push(exception(rest));
    let last = exceptions[0];
    let (kind, message) = last
        .split_once(": ")
        .filter(|(kind, _)| is_class(kind))
        .unwrap_or(if is_class(last) {
            (last, "")
        } else {
            ("", last)
        });
    let (kind, message) = (kind.to_owned(), message.to_owned());
    let chain = exceptions[1..]
        .iter()
        .map(|text| (*text).to_owned())
        .collect();
    ErrorInfo {
        kind,
        message,
        chain,
        traceback,
    }
}

fn is_class(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('.')
            .all(|part| !part.is_empty() && !part.starts_with(|c: char| c.is_ascii_digit()))
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '<' | '>'))
}

/// `ValueError: bad`: what follows the indented part of one traceback. A line of it may be the program's source, broken
/// where a string in it holds `\n`, so the first that begins like an exception counts.
fn exception(traceback: &str) -> &str {
    let mut at = 0;
    let mut first = None;
    for line in traceback.split_inclusive('\n') {
        let text = line.trim_end();
        if !text.is_empty()
            && !line.starts_with(' ')
            && text != "Traceback (most recent call last):"
        {
            let rest = traceback[at..].trim_end();
            if is_class(text.split_once(": ").map_or(text, |(kind, _)| kind)) {
                return rest;
            }
            first = first.or(Some(rest));
        }
        at += line.len();
    }
    first.unwrap_or_else(|| traceback.trim())
}

/// Number and task of a label like `1@e252a11f-d33d-483d-ba08-bc8f642b2f10/1`.
pub(super) fn label(label: &str) -> Option<(u64, TaskId)> {
    let (number, id) = split_label(label)?;
    Some((number, last_id(id).parse().ok()?))
}

/// Number and the rest of a label.
pub(super) fn split_label(label: &str) -> Option<(u64, &str)> {
    let (number, id) = label.split_once('@')?;
    Some((number.parse().ok()?, id))
}

/// A task imported inside another one has the id `<outer>/<own>`: from the last UUID on it is its own.
fn last_id(id: &str) -> &str {
    let mut end = id.len();
    while let Some(slash) = id[..end].rfind('/') {
        let step = &id[slash + 1..end];
        if step.len() == 36 && step.parse::<TraceId>().is_ok() {
            return &id[slash + 1..];
        }
        end = slash;
    }
    id
}

/// The kind of a record. A task logs its goal first, and `FAILED ` with the goal from its `__exit__` when
/// an exception leaves it; what a program logs itself may look the same, but comes from another function.
pub(super) fn kind(
    number: u64,
    severity: Severity,
    msg: &str,
    function: &str,
    error: bool,
) -> Kind {
    if number == 0 {
        Kind::Begin
    } else if error
        && severity >= Severity::ERROR
        && msg.starts_with("FAILED ")
        && matches!(function, "" | "__exit__")
    {
        Kind::End
    } else {
        Kind::Event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newlines_come_back_where_msg_shows_them() {
        for (text, msg, expected) in [
            ("a\\nb", "a\nb", "a\nb"),
            ("7\\nb", "%d\nb", "7\nb"),
            ("C:\\new", "C:\\new", "C:\\new"),
            ("C:\\new", "%s", "C:\\new"),
            ("C:\\new\\nx 1", "C:\\new\nx %d", "C:\\new\\nx 1"),
            ("C:\\new\\nx", "C:\\new\nx", "C:\\new\nx"),
            ("a\\nb", "", "a\\nb"),
            ("a\nb \\n", "a\nb", "a\nb \\n"),
        ] {
            let read = message(text, msg).unwrap_or_else(|| text.to_owned());
            assert_eq!(read, expected, "{text} {msg:?}");
        }
    }

    #[test]
    fn labels() {
        const ID: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
        let read = |text: &str| label(text).map(|(number, task)| format!("{number} {task}"));
        assert_eq!(
            read(&format!("3@{ID}/1/2")).as_deref(),
            Some("3 e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2")
        );
        assert_eq!(
            read(&format!("0@00000000-0000-0000-0000-000000000001/4/{ID}/2")).as_deref(),
            Some("0 e252a11f-d33d-483d-ba08-bc8f642b2f10/2")
        );
        for bad in [
            "",
            "0@",
            "x@",
            "0@None/1",
            "0@<built-in function id>",
            "1@e252a11f-d33d-483d-ba08-bc8f642b2f10/None",
            ID,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&format!("0@{ID}/<built-in function id>")), None);
    }

    #[test]
    fn tracebacks() {
        let text = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    x\n    ^\nKeyError: 'a'\n\n\
            The above exception was the direct cause of the following exception:\n\n\
            Traceback (most recent call last):\n  File \"a.py\", line 3, in g\nshop.Refused: card: declined\nsecond line";
        let info = error(text.to_owned());
        assert_eq!(
            (info.kind.as_str(), info.message.as_str()),
            ("shop.Refused", "card: declined\nsecond line")
        );
        assert_eq!(info.chain, ["KeyError: 'a'"]);
        assert_eq!(info.traceback, text);
        let info = error("KeyboardInterrupt".to_owned());
        assert_eq!(
            (info.kind.as_str(), info.message.as_str()),
            ("KeyboardInterrupt", "")
        );
        let info = error("NoneType: None".to_owned());
        assert_eq!(
            (info.kind.as_str(), info.message.as_str()),
            ("NoneType", "None")
        );
        let info = error("something went wrong: 1".to_owned());
        assert_eq!(
            (info.kind.as_str(), info.message.as_str()),
            ("", "something went wrong: 1")
        );
        assert_eq!(error(String::new()), ErrorInfo::default());
    }
}
