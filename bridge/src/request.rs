//! Many spans or log records become the bytes of one export request.
//!
//! `ExportTraceServiceRequest` and `ExportLogsServiceRequest` have the same shape under the same field numbers:
//! resources (1), in each its scopes (2), in each the items (2). Items are encoded when they come, each once, so the
//! size is known at any time and the request is put together by copying.

use std::collections::HashMap;
use std::sync::Arc;

use distlog_proto::wire::put;
use prost::Message;

use crate::resource::{Head, Origin};

/// What an item, or a group of items, has before it: a tag and its length.
const TAG_AND_LENGTH: usize = 6;
const RESOURCES: u8 = 1 << 3 | 2;
const SCOPES: u8 = 2 << 3 | 2;
const ITEMS: u32 = 2;

/// An export request that is being put together.
#[derive(Debug, Default)]
pub struct Request {
    resources: Vec<ResourceGroup>,
    /// Where the group of a resource and scope is, by their addresses: they live as long as the group.
    groups: HashMap<(usize, usize), (usize, usize)>,
    resource_groups: HashMap<usize, usize>,
    items: usize,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct ResourceGroup {
    head: Arc<Head>,
    scopes: Vec<ScopeGroup>,
}

#[derive(Debug)]
struct ScopeGroup {
    head: Arc<Head>,
    items: Vec<u8>,
}

impl ScopeGroup {
    fn len(&self) -> usize {
        self.head.0.len() + self.items.len()
    }
}

impl ResourceGroup {
    fn len(&self) -> usize {
        self.scopes
            .iter()
            .fold(self.head.0.len(), |len, scope| len + field_len(scope.len()))
    }
}

fn field_len(len: usize) -> usize {
    1 + prost::length_delimiter_len(len) + len
}

fn begin_field(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    // Writing to a vector cannot fail for want of room.
    let _ = prost::encode_length_delimiter(len, out);
}

impl Request {
    /// An empty one that has room for so many bytes.
    pub fn new(max_bytes: usize) -> Request {
        Request {
            max_bytes,
            ..Request::default()
        }
    }

    /// How many items it has.
    pub fn items(&self) -> usize {
        self.items
    }

    /// About how many bytes it will have; not less than it has in the end.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Adds a span or a log record; the caller does not mix them. False if there is no room: the request is to be
    /// finished first. An empty request takes any item.
    #[must_use]
    pub fn push(&mut self, origin: &Origin, item: &impl Message) -> bool {
        // Writing to a vector cannot fail for want of room.
        self.push_with(origin, |out| _ = item.encode(out))
    }

    /// As [`Request::push`]; `write` appends the bytes of the item.
    #[must_use]
    pub fn push_with(&mut self, origin: &Origin, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let key = (
            Arc::as_ptr(&origin.resource) as usize,
            Arc::as_ptr(&origin.scope) as usize,
        );
        let (resource, scope) = match self.groups.get(&key) {
            Some(at) => *at,
            None => self.add_group(key, origin),
        };
        let items = &mut self.resources[resource].scopes[scope].items;
        let before = items.len();
        put::nested(items, ITEMS, write);
        let added = items.len() - before;
        if self.items > 0 && self.bytes + added > self.max_bytes {
            items.truncate(before);
            return false;
        }
        self.bytes += added;
        self.items += 1;
        true
    }

    fn add_group(&mut self, key: (usize, usize), origin: &Origin) -> (usize, usize) {
        let resource = *self.resource_groups.entry(key.0).or_insert_with(|| {
            self.bytes += TAG_AND_LENGTH + origin.resource.0.len();
            self.resources.push(ResourceGroup {
                head: Arc::clone(&origin.resource),
                scopes: Vec::new(),
            });
            self.resources.len() - 1
        });
        let scopes = &mut self.resources[resource].scopes;
        self.bytes += TAG_AND_LENGTH + origin.scope.0.len();
        scopes.push(ScopeGroup {
            head: Arc::clone(&origin.scope),
            items: Vec::new(),
        });
        let at = (resource, scopes.len() - 1);
        self.groups.insert(key, at);
        at
    }

    /// The bytes of the request; it is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        // Where the first item of a group had no room, the group is empty.
        for resource in &mut self.resources {
            resource.scopes.retain(|scope| !scope.items.is_empty());
        }
        self.resources
            .retain(|resource| !resource.scopes.is_empty());
        let len = self
            .resources
            .iter()
            .map(|resource| field_len(resource.len()))
            .sum();
        let mut out = Vec::with_capacity(len);
        for resource in &self.resources {
            begin_field(&mut out, RESOURCES, resource.len());
            out.extend_from_slice(&resource.head.0);
            for scope in &resource.scopes {
                begin_field(&mut out, SCOPES, scope.len());
                out.extend_from_slice(&scope.head.0);
                out.extend_from_slice(&scope.items);
            }
        }
        *self = Request::new(self.max_bytes);
        out
    }
}
