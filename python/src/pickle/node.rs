//! What a pickle builds: a graph of inert nodes.

use std::borrow::Cow;

/// Place of a node among all.
pub(super) type Id = u32;

/// A value, or the inert stand-in of an object that is never made.
#[derive(Debug)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A longer integer: its two's complement, lowest byte first.
    Long(&'a [u8]),
    /// A longer integer in decimal digits.
    Digits(&'a str),
    Float(f64),
    Str(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// Module and name of a class or function.
    Global(Cow<'a, str>, Cow<'a, str>),
    Object(Box<Object>),
    /// Something that only the program which pickled it knows.
    Opaque(&'static str),
}

/// An object: what would be called with which arguments, and what would be put into the result.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub class: Id,
    pub args: Id,
    pub state: Option<Id>,
    pub items: Vec<Id>,
    pub entries: Vec<(Id, Id)>,
}

/// The nodes that are made once.
pub(super) const NONE: Id = 0;
pub(super) const FALSE: Id = 1;
pub(super) const TRUE: Id = 2;
pub(super) const EMPTY_TUPLE: Id = 3;

/// All nodes of a pickle.
#[derive(Debug)]
pub(super) struct Nodes<'a>(Vec<Node<'a>>);

impl<'a> Nodes<'a> {
    pub(super) fn new() -> Nodes<'a> {
        Nodes(vec![
            Node::None,
            Node::Bool(false),
            Node::Bool(true),
            Node::Tuple(Vec::new()),
        ])
    }

    pub(super) fn add(&mut self, node: Node<'a>) -> Id {
        self.0.push(node);
        (self.0.len() - 1) as Id
    }

    pub(super) fn get(&self, id: Id) -> &Node<'a> {
        self.0.get(id as usize).unwrap_or(&Node::None)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Node<'a>> {
        self.0.get_mut(id as usize)
    }

    /// The items of a tuple or list.
    pub(super) fn items(&self, id: Id) -> &[Id] {
        match self.get(id) {
            Node::Tuple(items) | Node::List(items) => items,
            _ => &[],
        }
    }

    /// Bytes, also where they are written as protocols 0 to 2 do: a call of `codecs.encode(text, 'latin1')`.
    pub(super) fn bytes(&self, id: Id) -> Option<Cow<'_, [u8]>> {
        match self.get(id) {
            Node::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Node::Object(object) => {
                let Node::Global(module, name) = self.get(object.class) else {
                    return None;
                };
                let [text, _] = self.items(object.args) else {
                    return None;
                };
                match self.get(*text) {
                    Node::Str(text) if module == "_codecs" && name == "encode" => {
                        latin1(text).map(Cow::Owned)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The bytes of a text in Latin-1.
pub(super) fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect()
}
