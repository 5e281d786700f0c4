//! Who logged: resources and scopes, each converted once.

use std::collections::HashMap;
use std::sync::Arc;

use distlog_proto::RecordRef;
use distlog_proto::wire::{OtlpRef, SourceRef};
use prost::Message;

use crate::any_value::{set_fields, string, unsigned};
use crate::attributes::Attributes;
use crate::names;
use crate::otlp::common::v1::InstrumentationScope;
use crate::otlp::resource::v1::Resource;

/// So many resources or scopes are remembered; beyond it those are forgotten that nothing names any more.
const REMEMBERED: usize = 1024;

/// Resource and scope of a record. Two of the same content that come from the same [`Origins`] are the same memory.
#[derive(Debug, Clone)]
pub struct Origin {
    pub(crate) resource: Arc<Head>,
    pub(crate) scope: Arc<Head>,
}

/// A resource or scope as it stands in a request, schema url included: the fields of `ResourceSpans` or `ScopeSpans`
/// that are not its items. Logs have them under the same numbers.
#[derive(Debug)]
pub(crate) struct Head(pub Vec<u8>);

impl Head {
    fn encode(message: Option<&impl Message>, schema_url: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(message) = message {
            bytes.push(1 << 3 | 2);
            // Writing to a vector cannot fail for want of room.
            let _ = message.encode_length_delimited(&mut bytes);
        }
        if !schema_url.is_empty() {
            bytes.push(3 << 3 | 2);
            let _ = prost::encode_length_delimiter(schema_url.len(), &mut bytes);
            bytes.extend_from_slice(schema_url.as_bytes());
        }
        bytes
    }
}

/// Who logged, as OTLP has it. `by_otlp`: the records came in by OTLP, so that the source's own attributes are all.
pub fn resource(source: &SourceRef<'_>, by_otlp: bool) -> Resource {
    let mut attributes = Attributes::default();
    set_fields(&mut attributes, source.resource);
    if !by_otlp {
        attributes.set_default(names::SERVICE_NAME, || string(service_name(source)));
        if source.producer.is_known() {
            attributes.set_default(names::SERVICE_INSTANCE_ID, || {
                string(source.producer.to_string())
            });
        }
        if !source.host.is_empty() {
            attributes.set_default(names::HOST_NAME, || string(source.host));
        }
        if source.process_id != 0 {
            attributes.set_default(names::PROCESS_PID, || unsigned(source.process_id));
        }
        if !source.process_name.is_empty() {
            attributes.set_default(names::PROCESS_EXECUTABLE_NAME, || {
                string(source.process_name)
            });
        }
        attributes.set_default(names::DEPLOYMENT_ENVIRONMENT_NAME, || {
            string(source.environment.name())
        });
        attributes.set_default(names::TELEMETRY_SDK_NAME, || string("distlog"));
        // What comes from programs in other languages says which.
        attributes.set_default(names::TELEMETRY_SDK_LANGUAGE, || string("rust"));
    }
    Resource {
        attributes: attributes.take(),
        dropped_attributes_count: source.dropped_attributes,
        ..Resource::default()
    }
}

fn service_name(source: &SourceRef<'_>) -> String {
    match (source.service, source.process_name) {
        ("", "") => "unknown_service".to_owned(),
        ("", process) => format!("unknown_service:{process}"),
        (service, _) => service.to_owned(),
    }
}

/// The instrumentation scope of a record: its target, or what came by OTLP. `None` if there is nothing to tell.
pub fn scope(record: &RecordRef<'_>) -> Option<InstrumentationScope> {
    let scope = match record.otlp() {
        Some(otlp) => scope_by_otlp(&otlp),
        None => InstrumentationScope {
            name: record.callsite.target.to_owned(),
            ..InstrumentationScope::default()
        },
    };
    (scope != InstrumentationScope::default()).then_some(scope)
}

fn scope_by_otlp(otlp: &OtlpRef<'_>) -> InstrumentationScope {
    let mut attributes = Attributes::default();
    set_fields(&mut attributes, otlp.scope_attributes);
    InstrumentationScope {
        name: otlp.scope_name.to_owned(),
        version: otlp.scope_version.to_owned(),
        attributes: attributes.take(),
        dropped_attributes_count: otlp.scope_dropped_attributes,
    }
}

/// Converts resources and scopes, and remembers them, so that each is converted once and not for each record.
#[derive(Debug, Default)]
pub struct Origins {
    resources: HashMap<Vec<u8>, Arc<Head>>,
    scopes: HashMap<Vec<u8>, Arc<Head>>,
    /// Scopes that are nothing but a target.
    targets: HashMap<String, Arc<Head>>,
}

impl Origins {
    /// For a run of records that are all there at the same time.
    pub fn recent<'o, 'a>(&'o mut self) -> Recent<'o, 'a> {
        Recent {
            origins: self,
            source: None,
            scope: None,
        }
    }

    fn resource(&mut self, source: &SourceRef<'_>, by_otlp: bool) -> Arc<Head> {
        let bytes = Head::encode(Some(&resource(source, by_otlp)), source.schema_url);
        intern(&mut self.resources, bytes)
    }

    fn scope(&mut self, record: &RecordRef<'_>, otlp: Option<&OtlpRef<'_>>) -> Arc<Head> {
        let target = record.callsite.target;
        if let Some(otlp) = otlp {
            return intern(
                &mut self.scopes,
                Head::encode(scope(record).as_ref(), otlp.scope_schema_url),
            );
        }
        if let Some(known) = self.targets.get(target) {
            return Arc::clone(known);
        }
        let head = Arc::new(Head(Head::encode(scope(record).as_ref(), "")));
        make_room(&mut self.targets);
        self.targets.insert(target.to_owned(), Arc::clone(&head));
        head
    }
}

fn intern(known: &mut HashMap<Vec<u8>, Arc<Head>>, bytes: Vec<u8>) -> Arc<Head> {
    if let Some(head) = known.get(&bytes) {
        return Arc::clone(head);
    }
    make_room(known);
    let head = Arc::new(Head(bytes.clone()));
    known.insert(bytes, Arc::clone(&head));
    head
}

fn make_room<K>(known: &mut HashMap<K, Arc<Head>>) {
    if known.len() < REMEMBERED {
        return;
    }
    known.retain(|_, head| Arc::strong_count(head) > 1);
    if known.len() >= REMEMBERED {
        known.clear();
    }
}

/// Whether two scopes are the same, of which the second has no attributes.
fn is_same_scope(a: &OtlpRef<'_>, b: &OtlpRef<'_>) -> bool {
    a.scope_name == b.scope_name
        && a.scope_version == b.scope_version
        && a.scope_schema_url == b.scope_schema_url
        && a.scope_dropped_attributes == b.scope_dropped_attributes
        && a.scope_attributes.is_empty()
}

/// Origins of records that are all there at the same time: of one batch the source is looked at once.
#[derive(Debug)]
pub struct Recent<'o, 'a> {
    origins: &'o mut Origins,
    source: Option<(&'a SourceRef<'a>, bool, Arc<Head>)>,
    /// The last one that came by OTLP and has no attributes.
    scope: Option<(OtlpRef<'a>, Arc<Head>)>,
}

impl<'a> Recent<'_, 'a> {
    /// Who logged this record.
    pub fn of(&mut self, record: &RecordRef<'a>) -> Origin {
        let otlp = record.otlp();
        let scope = match (&otlp, &self.scope) {
            (Some(otlp), Some((known, head))) if is_same_scope(otlp, known) => Arc::clone(head),
            _ => {
                let head = self.origins.scope(record, otlp.as_ref());
                self.scope = otlp
                    .filter(|otlp| otlp.scope_attributes.is_empty())
                    .map(|otlp| (otlp, Arc::clone(&head)));
                head
            }
        };
        let by_otlp = otlp.is_some();
        let resource = match &self.source {
            // As long as it is borrowed here, no other source can be at its address.
            Some((source, way, head))
                if std::ptr::eq(*source, record.source) && *way == by_otlp =>
            {
                Arc::clone(head)
            }
            _ => {
                let head = self.origins.resource(record.source, by_otlp);
                self.source = Some((record.source, by_otlp, Arc::clone(&head)));
                head
            }
        };
        Origin { resource, scope }
    }

    /// Who logged a record that is not there at the same time as the others.
    pub fn of_another(&mut self, record: &RecordRef<'_>) -> Origin {
        let otlp = record.otlp();
        let scope = self.origins.scope(record, otlp.as_ref());
        Origin {
            resource: self.origins.resource(record.source, otlp.is_some()),
            scope,
        }
    }
}
