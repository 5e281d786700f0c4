//! A resource becomes a source.

use distlog_proto::wire::encode::{self, SourceHead};
use distlog_proto::wire::scan::Scan;
use distlog_proto::{Environment, ProducerId};

use super::any::{Any, attributes};
use super::{Fault, frame};
use crate::names;

/// A source may have so much, in bytes: each batch has it.
const MAX_LEN: usize = 1 << 20;

/// The environment's name before version 1.27 of the semantic conventions.
const DEPLOYMENT_ENVIRONMENT: &str = "deployment.environment";

/// Who logged, without the producer.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// The bytes of the resource.
    pub(super) resource: &'a [u8],
    head: SourceHead<'a>,
    attributes: Vec<u8>,
}

impl<'a> Source<'a> {
    /// Of a `ResourceSpans` or `ResourceLogs`.
    pub(super) fn read(message: &'static str, group: &'a [u8]) -> Result<Source<'a>, Fault> {
        let mut source = Source {
            resource: &[],
            head: SourceHead::default(),
            attributes: Vec::new(),
        };
        for field in Scan::new(message, group) {
            let field = field?;
            match field.number {
                frame::RESOURCE => source.resource = field.bytes()?,
                frame::SCHEMA_URL => source.head.schema_url = field.str()?,
                _ => {}
            }
        }
        let head = &mut source.head;
        for field in Scan::new("Resource", source.resource) {
            let field = field?;
            if field.number == 2 {
                head.dropped_attributes = field.u32()?;
            }
        }
        attributes(
            ("Resource", source.resource, 1),
            &mut source.attributes,
            encode::SOURCE_RESOURCE,
            |name, value| note(head, name, value),
        )?;
        if source.len() > MAX_LEN {
            return Err(Fault::LargeOrigin("resource", MAX_LEN));
        }
        Ok(source)
    }

    /// Its size in a batch, about, in bytes.
    pub(super) fn len(&self) -> usize {
        self.attributes.len() + self.head.schema_url.len() + 2 * self.resource.len()
    }

    /// The `Source` as a field of a batch.
    pub(super) fn put(&self, producer: ProducerId, out: &mut Vec<u8>) {
        let head = SourceHead {
            producer,
            ..self.head
        };
        encode::source_with(out, &head, |out| out.extend_from_slice(&self.attributes));
    }
}

fn note<'a>(head: &mut SourceHead<'a>, name: &str, value: Any<'a>) {
    let text = value.str().unwrap_or_default();
    match name {
        names::SERVICE_NAME => head.service = text,
        names::HOST_NAME => head.host = text,
        names::PROCESS_PID => head.process_id = value.count().unwrap_or_default(),
        names::PROCESS_EXECUTABLE_NAME => head.process_name = text,
        names::DEPLOYMENT_ENVIRONMENT_NAME | DEPLOYMENT_ENVIRONMENT => {
            head.environment = match text {
                "production" | "prod" => Environment::Production,
                "staging" => Environment::Staging,
                _ => Environment::Test,
            }
        }
        _ => {}
    }
}
