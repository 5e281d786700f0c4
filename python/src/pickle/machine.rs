//! The stack machine: reads the instructions of protocols 0 to 5
//! ([pickletools](https://github.com/python/cpython/blob/main/Lib/pickletools.py)) and runs nothing.
//!
//! Every instruction makes at most one node and one entry of the stack or the memo, so memory is bounded by the body.

use super::body::{Body, Result};
use super::error::{Error, ErrorKind};
use super::node::{EMPTY_TUPLE, FALSE, Id, NONE, Node, Nodes, Object, TRUE};
use super::text::{escaped_bytes, raw_unicode, utf8};
use std::borrow::Cow;

#[derive(Debug)]
pub(super) struct Machine<'a> {
    body: Body<'a>,
    nodes: Nodes<'a>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
}

/// Reads a pickle. Returns the id of its value.
pub(super) fn run(body: &[u8]) -> std::result::Result<(Nodes<'_>, Id), Error> {
    let mut machine = Machine {
        body: Body { bytes: body, at: 0 },
        nodes: Nodes::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    if u32::try_from(body.len()).is_err() {
        return Err(Error {
            kind: ErrorKind::TooLong,
            at: 0,
        });
    }
    loop {
        let at = machine.body.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok((machine.nodes, root)),
            Err(kind) => return Err(Error { kind, at }),
        }
    }
}

impl<'a> Machine<'a> {
    /// Runs one instruction; gives the result after the last.
    fn step(&mut self) -> Result<Option<Id>> {
        let op = self.body.byte()?;
        match op {
            0x80 => match self.body.byte()? {
                0..=5 => {}
                protocol => return Err(ErrorKind::Protocol(protocol)),
            },
            // FRAME: only a hint where the next one begins.
            0x95 => drop(self.body.array::<8>()?),
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                // A mark on top is what POP takes away then.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }

            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b')' => self.stack.push(EMPTY_TUPLE),
            b'K' => {
                let value = self.body.byte()?;
                self.push(Node::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.body.array()?);
                self.push(Node::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.body.array()?);
                self.push(Node::Int(value.into()));
            }
            0x8a => self.long(Body::len1)?,
            0x8b => self.long(Body::len4)?,
            b'G' => {
                let value = f64::from_be_bytes(self.body.array()?);
                self.push(Node::Float(value));
            }
            b'I' => match self.body.line()? {
                "00" => self.stack.push(FALSE),
                "01" => self.stack.push(TRUE),
                text => self.digits(text)?,
            },
            b'L' => {
                let text = self.body.line()?;
                self.digits(text.strip_suffix('L').unwrap_or(text))?;
            }
            b'F' => {
                let value = self.body.line()?.parse().map_err(|_| ErrorKind::Number)?;
                self.push(Node::Float(value));
            }

            b'X' => self.unicode(Body::len4)?,
            0x8c => self.unicode(Body::len1)?,
            0x8d => self.unicode(Body::len8)?,
            b'V' => {
                let text = raw_unicode(self.body.raw_line()?);
                self.push(Node::Str(text.into()));
            }
            // What Python 2 calls a string: text most often.
            b'U' => self.old_str(Body::len1)?,
            b'T' => self.old_str(Body::len4)?,
            b'S' => {
                let bytes = escaped_bytes(self.body.raw_line()?)
                    .ok_or(ErrorKind::Expected("a string in quotes"))?;
                self.push(match String::from_utf8(bytes) {
                    Ok(text) => Node::Str(text.into()),
                    Err(error) => Node::Bytes(error.into_bytes().into()),
                });
            }
            b'C' => self.bytes(Body::len1)?,
            b'B' => self.bytes(Body::len4)?,
            0x8e | 0x96 => self.bytes(Body::len8)?,
            0x97 => self.push(Node::Opaque("<out-of-band buffer>")),
            // READONLY_BUFFER: it is the same buffer.
            0x98 => drop(self.top()?),

            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            0x8f => self.push(Node::List(Vec::new())),
            b'l' | 0x91 => {
                let items = self.above_mark()?;
                self.push(Node::List(items));
            }
            b't' => {
                let items = self.above_mark()?;
                self.push(Node::Tuple(items));
            }
            b'd' => {
                let entries = pairs(self.above_mark()?)?;
                self.push(Node::Dict(entries));
            }
            0x85..=0x87 => {
                let items = self.take(usize::from(op - 0x84))?;
                self.push(Node::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append([item])?;
            }
            b'e' | 0x90 => {
                let items = self.above_mark()?;
                self.append(items)?;
            }
            b's' => {
                let entry = pairs(self.take(2)?)?;
                self.set_items(entry)?;
            }
            b'u' => {
                let entries = pairs(self.above_mark()?)?;
                self.set_items(entries)?;
            }

            b'g' => self.recall(Body::number)?,
            b'h' => self.recall(Body::len1)?,
            b'j' => self.recall(Body::len4)?,
            b'p' => self.remember(Body::number)?,
            b'q' => self.remember(Body::len1)?,
            b'r' => self.remember(Body::len4)?,
            0x94 => self.remember_at(self.memo.len())?,

            b'c' => {
                let (module, name) = (self.body.line()?, self.body.line()?);
                self.push(Node::Global(module.into(), name.into()));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id| match self.nodes.get(id) {
                    // Not what had to be rewritten: copies of it could be many.
                    Node::Str(Cow::Borrowed(text)) => Ok(Cow::Borrowed(*text)),
                    _ => Err(ErrorKind::Expected("module and name as strings")),
                };
                let global = Node::Global(text(module)?, text(name)?);
                self.push(global);
            }
            b'R' | 0x81 => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.object(class, args);
            }
            0x92 => {
                let (state, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Node::Object(Box::new(Object {
                    class,
                    args,
                    state: Some(state),
                    ..Object::default()
                })));
            }
            b'i' => {
                let (module, name) = (self.body.line()?, self.body.line()?);
                let args = self.above_mark()?;
                let class = self.nodes.add(Node::Global(module.into(), name.into()));
                let args = self.nodes.add(Node::Tuple(args));
                self.object(class, args);
            }
            b'o' => {
                let mut args = self.above_mark()?;
                if args.is_empty() {
                    return Err(ErrorKind::Stack);
                }
                let class = args.remove(0);
                let args = self.nodes.add(Node::Tuple(args));
                self.object(class, args);
            }
            b'b' => {
                let (state, object) = (self.pop()?, self.top()?);
                if let Some(Node::Object(object)) = self.nodes.get_mut(object) {
                    object.state = Some(state);
                }
            }
            b'P' => {
                self.body.raw_line()?;
                self.push(Node::Opaque("<persistent object>"));
            }
            b'Q' => {
                self.pop()?;
                self.push(Node::Opaque("<persistent object>"));
            }
            0x82..=0x84 => {
                self.body.bytes_of(1 << (op - 0x82))?;
                self.push(Node::Opaque("<extension object>"));
            }
            _ => return Err(ErrorKind::Unknown(op)),
        }
        Ok(None)
    }

    fn push(&mut self, node: Node<'a>) {
        let id = self.nodes.add(node);
        self.stack.push(id);
    }

    /// Where the values begin that an instruction may take: above the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or_default()
    }

    fn top(&self) -> Result<Id> {
        self.stack
            .get(self.floor()..)
            .and_then(|stack| stack.last().copied())
            .ok_or(ErrorKind::Stack)
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn take(&mut self, count: usize) -> Result<Vec<Id>> {
        if self.stack.len() - self.floor() < count {
            return Err(ErrorKind::Stack);
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or(ErrorKind::Expected("a mark"))?;
        // Not `split_off`: that would hand out the stack's whole memory for each list of it.
        let items = self
            .stack
            .get(mark..)
            .map(<[Id]>::to_vec)
            .unwrap_or_default();
        self.stack.truncate(mark);
        Ok(items)
    }

    fn unicode(&mut self, len: fn(&mut Body<'a>) -> Result<usize>) -> Result<()> {
        let text = utf8(self.body.sized(len)?);
        self.push(Node::Str(text));
        Ok(())
    }

    fn old_str(&mut self, len: fn(&mut Body<'a>) -> Result<usize>) -> Result<()> {
        let bytes = self.body.sized(len)?;
        self.push(match std::str::from_utf8(bytes) {
            Ok(text) => Node::Str(text.into()),
            Err(_) => Node::Bytes(bytes.into()),
        });
        Ok(())
    }

    fn bytes(&mut self, len: fn(&mut Body<'a>) -> Result<usize>) -> Result<()> {
        let bytes = self.body.sized(len)?;
        self.push(Node::Bytes(bytes.into()));
        Ok(())
    }

    fn long(&mut self, len: fn(&mut Body<'a>) -> Result<usize>) -> Result<()> {
        let bytes = self.body.sized(len)?;
        self.push(match bytes.len() {
            0..=8 => {
                let sign = bytes.last().is_some_and(|byte| *byte >= 0x80);
                let mut word = [if sign { 0xff } else { 0 }; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                Node::Int(i64::from_le_bytes(word))
            }
            _ => Node::Long(bytes),
        });
        Ok(())
    }

    fn digits(&mut self, text: &'a str) -> Result<()> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ErrorKind::Number);
        }
        self.push(text.parse().map_or(Node::Digits(text), Node::Int));
        Ok(())
    }

    fn append(&mut self, new: impl IntoIterator<Item = Id>) -> Result<()> {
        let list = self.top()?;
        match self.nodes.get_mut(list) {
            Some(Node::List(items)) => items.extend(new),
            Some(Node::Object(object)) => object.items.extend(new),
            _ => return Err(ErrorKind::Expected("a list to append to")),
        }
        Ok(())
    }

    fn set_items(&mut self, new: Vec<(Id, Id)>) -> Result<()> {
        let dict = self.top()?;
        match self.nodes.get_mut(dict) {
            Some(Node::Dict(entries)) => entries.extend(new),
            Some(Node::Object(object)) => object.entries.extend(new),
            _ => return Err(ErrorKind::Expected("a dict to put entries into")),
        }
        Ok(())
    }

    fn object(&mut self, class: Id, args: Id) {
        self.push(Node::Object(Box::new(Object {
            class,
            args,
            ..Object::default()
        })));
    }

    fn recall(&mut self, place: fn(&mut Body<'a>) -> Result<usize>) -> Result<()> {
        let place = place(&mut self.body)?;
        let id = self.memo.get(place).copied().flatten();
        self.stack.push(id.ok_or(ErrorKind::Memo(place as u64))?);
        Ok(())
    }

    fn remember(&mut self, place: fn(&mut Body<'a>) -> Result<usize>) -> Result<()> {
        let place = place(&mut self.body)?;
        self.remember_at(place)
    }

    fn remember_at(&mut self, place: usize) -> Result<()> {
        let top = self.top()?;
        // Each entry takes two bytes of the body at least, so no index of a real pickle is beyond its length.
        if place >= self.body.bytes.len() {
            return Err(ErrorKind::Memo(place as u64));
        }
        if place >= self.memo.len() {
            self.memo.resize(place + 1, None);
        }
        self.memo[place] = Some(top);
        Ok(())
    }
}

fn pairs(items: Vec<Id>) -> Result<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(ErrorKind::Expected("a value for each name"));
    }
    Ok(pairs.iter().map(|[name, value]| (*name, *value)).collect())
}
