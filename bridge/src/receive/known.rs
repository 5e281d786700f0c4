//! Attributes that distlog has fields of its own for: they are set beside, so that rules, files and trees know them.

use distlog_proto::wire::encode::{self, CallsiteHead};
use distlog_proto::wire::field::record;
use distlog_proto::wire::put;

use super::any::Any;
use crate::names;

/// Names before version 1.30 of the semantic conventions, which many programs still write.
mod older {
    pub const CODE_FILE_PATH: &str = "code.filepath";
    pub const CODE_LINE_NUMBER: &str = "code.lineno";
    pub const CODE_FUNCTION_NAME: &str = "code.function";
    pub const CODE_NAMESPACE: &str = "code.namespace";
}

/// What attributes say about code, thread and error.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    file: &'a str,
    line: u32,
    module: &'a str,
    function: &'a str,
    thread_id: u64,
    thread_name: &'a str,
    exception_type: &'a str,
    exception_message: &'a str,
}

impl<'a> Known<'a> {
    /// Takes a look at an attribute.
    pub(super) fn note(&mut self, name: &str, value: Any<'a>) {
        if !name.starts_with(['c', 't', 'e']) {
            return;
        }
        let place = match name {
            names::CODE_FILE_PATH | older::CODE_FILE_PATH => &mut self.file,
            names::CODE_MODULE_NAME | older::CODE_NAMESPACE => &mut self.module,
            names::CODE_FUNCTION_NAME | older::CODE_FUNCTION_NAME => &mut self.function,
            names::THREAD_NAME => &mut self.thread_name,
            names::EXCEPTION_TYPE => &mut self.exception_type,
            names::EXCEPTION_MESSAGE => &mut self.exception_message,
            names::CODE_LINE_NUMBER | older::CODE_LINE_NUMBER => {
                let line = value.count().and_then(|line| u32::try_from(line).ok());
                self.line = line.unwrap_or_default();
                return;
            }
            names::THREAD_ID => {
                self.thread_id = value.count().unwrap_or_default();
                return;
            }
            _ => return,
        };
        *place = value.str().unwrap_or_default();
    }

    /// The place in the code.
    pub(super) fn callsite(&self) -> CallsiteHead<'a> {
        CallsiteHead {
            file: self.file,
            line: self.line,
            module: self.module,
            function: self.function,
            ..CallsiteHead::default()
        }
    }

    /// Appends the thread.
    pub(super) fn put_thread(&self, out: &mut Vec<u8>) {
        put::varint(out, record::THREAD_ID, self.thread_id);
        put::bytes(out, record::THREAD_NAME, self.thread_name.as_bytes());
    }

    /// Appends the error, if there is one. Its stack stays among the fields.
    pub(super) fn put_error(&self, out: &mut Vec<u8>) {
        if self.is_exception() {
            encode::error(out, self.exception_type, self.exception_message, [], "");
        }
    }

    fn is_exception(&self) -> bool {
        !self.exception_type.is_empty() || !self.exception_message.is_empty()
    }

    /// What an event of that name says, readably. `text` is room for it.
    pub(super) fn message<'t>(&self, name: &'t str, text: &'t mut String) -> &'t str {
        if name != names::EXCEPTION_EVENT || !self.is_exception() {
            return name;
        }
        text.clear();
        text.push_str(self.exception_type);
        if !self.exception_type.is_empty() && !self.exception_message.is_empty() {
            text.push_str(": ");
        }
        text.push_str(self.exception_message);
        text
    }
}
