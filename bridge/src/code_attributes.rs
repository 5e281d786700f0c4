//! What a record says about code, thread and error, as attributes of the semantic conventions.

use distlog_proto::RecordRef;
use distlog_proto::wire::{CallsiteRef, ErrorRef};

use crate::any_value::{string, unsigned};
use crate::attributes::Attributes;
use crate::names;

/// Where in the code the record was made.
pub(crate) fn code(attributes: &mut Attributes, callsite: &CallsiteRef<'_>) {
    let mut text = |name, value: &str| {
        if !value.is_empty() {
            attributes.set_default(name, || string(value));
        }
    };
    text(names::CODE_FILE_PATH, callsite.file);
    let module_is_known = callsite.module.is_empty() || callsite.module == callsite.target;
    if callsite.function.is_empty() {
        text(
            names::CODE_MODULE_NAME,
            if module_is_known { "" } else { callsite.module },
        );
    } else {
        text(names::CODE_FUNCTION_NAME, &qualified(callsite));
    }
    if callsite.line != 0 {
        attributes.set_default(names::CODE_LINE_NUMBER, || unsigned(callsite.line.into()));
    }
}

/// The function's name with the module's before it, as the conventions want it.
fn qualified(callsite: &CallsiteRef<'_>) -> String {
    let (module, function) = (callsite.module, callsite.function);
    if module.is_empty() || function.starts_with(module) {
        return function.to_owned();
    }
    let rust = callsite.file.ends_with(".rs") || module.contains("::");
    format!("{module}{}{function}", if rust { "::" } else { "." })
}

/// The thread that made the record.
pub(crate) fn thread(attributes: &mut Attributes, record: &RecordRef<'_>) {
    if record.thread_id != 0 {
        attributes.set_default(names::THREAD_ID, || unsigned(record.thread_id));
    }
    if !record.thread_name.is_empty() {
        attributes.set_default(names::THREAD_NAME, || string(record.thread_name));
    }
}

/// An error with its causes.
pub(crate) fn exception(attributes: &mut Attributes, error: &ErrorRef<'_>) {
    if !error.kind.is_empty() {
        attributes.set_default(names::EXCEPTION_TYPE, || string(error.kind));
    }
    if !error.message.is_empty() {
        attributes.set_default(names::EXCEPTION_MESSAGE, || string(error.message));
    }
    let mut trace = error.traceback.to_owned();
    for cause in error.chain() {
        if trace.is_empty() {
            trace.push_str(error.message);
        }
        trace.push_str("\ncaused by: ");
        trace.push_str(cause);
    }
    if !trace.is_empty() {
        attributes.set_default(names::EXCEPTION_STACKTRACE, || string(trace));
    }
}
