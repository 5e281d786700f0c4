//! What the batches of a block share, each different one once: sources and callsites.

use hashbrown::HashMap;

use distlog_proto::Severity;
use distlog_proto::wire::field::batch;
use distlog_proto::wire::scan::Scan;

use super::index::BlockIndex;
use super::shape::Shapes;
use super::text_list::Texts;

/// Of a source: the name of its service.
const SERVICE: u32 = 5;
/// Of a callsite.
const ID: u32 = 1;
const LEVEL: u32 = 2;
pub(super) const TEMPLATE: u32 = 8;
const FIELD: u32 = 9;

/// What the batches of a block share mostly: source and callsites.
pub(super) struct Head {
    /// The place of the service in the index.
    pub(super) service: usize,
    /// Of each its id and its place among all.
    pub(super) callsites: Vec<(u32, usize)>,
}

#[derive(Default)]
pub(super) struct Callsite {
    id: u32,
    pub(super) severity: Severity,
    /// Names of its fields.
    pub(super) names: Vec<u32>,
}

/// The heads and callsites of a block.
#[derive(Default)]
pub(super) struct Heads {
    pub(super) list: Vec<Head>,
    pub(super) bytes: Texts,
    by_bytes: HashMap<Vec<u8>, u64>,
    pub(super) callsites: Vec<Callsite>,
    by_callsite: HashMap<Vec<u8>, usize>,
}

impl Heads {
    /// The number of what a batch's records share.
    pub(super) fn number(
        &mut self,
        bytes: &[u8],
        index: &mut BlockIndex,
        shapes: &mut Shapes,
    ) -> u64 {
        if let Some(known) = self.by_bytes.get(bytes) {
            return *known;
        }
        let number = self.list.len() as u64;
        let mut head = Head {
            service: 0,
            callsites: Vec::new(),
        };
        let mut service: &[u8] = b"";
        for item in Scan::new("RecordBatch", bytes).flatten() {
            match (item.number, item.bytes()) {
                (batch::SOURCE, Ok(source)) => {
                    let fields = Scan::new("Source", source).flatten();
                    let name = fields.filter(|field| field.number == SERVICE).last();
                    service = name.and_then(|name| name.bytes().ok()).unwrap_or_default();
                }
                (batch::CALLSITES, Ok(callsite)) => {
                    head.callsites.push(self.callsite(callsite, index, shapes));
                }
                _ => {}
            }
        }
        head.service = index.service(service);
        self.list.push(head);
        self.bytes.push(bytes);
        self.by_bytes.insert(bytes.to_vec(), number);
        number
    }

    /// The id of a callsite, and its place among all.
    pub(super) fn callsite(
        &mut self,
        bytes: &[u8],
        index: &mut BlockIndex,
        shapes: &mut Shapes,
    ) -> (u32, usize) {
        let known = self.by_callsite.get(bytes).copied();
        let place = known.unwrap_or_else(|| {
            let mut callsite = Callsite::default();
            for field in Scan::new("Callsite", bytes).flatten() {
                match field.number {
                    ID => callsite.id = field.u32().unwrap_or_default(),
                    LEVEL => callsite.severity = Severity::new(field.u32().unwrap_or_default()),
                    TEMPLATE => index.add_text(field.bytes().unwrap_or_default()),
                    FIELD => {
                        let name = shapes.name(field.bytes().unwrap_or_default());
                        callsite.names.push(name);
                    }
                    _ => {}
                }
            }
            self.callsites.push(callsite);
            let place = self.callsites.len() - 1;
            self.by_callsite.insert(bytes.to_vec(), place);
            place
        });
        let id = self.callsites.get(place).map_or(0, |callsite| callsite.id);
        (id, place)
    }
}
