//! Who a record comes from, in one word.

use distlog_proto::RecordRef;

/// The service that a record comes from; for programs that name none, the process.
pub(crate) fn service_of<'a>(record: &RecordRef<'a>) -> &'a str {
    if record.source.service.is_empty() {
        record.source.process_name
    } else {
        record.source.service
    }
}
