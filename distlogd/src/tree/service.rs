//! Who a record comes from, in one word.

use distlog_proto::RecordRef;
use distlog_proto::wire::SourceRef;

/// The service that a record comes from; for programs that name none, the process.
pub(crate) fn service_of<'a>(record: &RecordRef<'a>) -> &'a str {
    service_of_source(record.source)
}

/// The same of what says who logged.
pub(crate) fn service_of_source<'a>(source: &SourceRef<'a>) -> &'a str {
    if source.service.is_empty() {
        source.process_name
    } else {
        source.service
    }
}
