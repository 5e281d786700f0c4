//! Names that many trees share: each stands once, as long as a tree uses it.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// A text of [`Texts`].
pub(super) type TextId = u32;
/// The empty text, which is always there.
pub(super) const NO_TEXT: TextId = 0;

#[derive(Debug)]
struct Slot {
    text: Box<str>,
    /// How many use it; 0: the slot is free.
    uses: u32,
}

/// Texts with a count of who uses each.
#[derive(Debug)]
pub(super) struct Texts {
    slots: Vec<Slot>,
    free: Vec<TextId>,
    table: HashTable<TextId>,
    hasher: RandomState,
}

impl Default for Texts {
    fn default() -> Texts {
        let empty = Slot {
            text: "".into(),
            uses: 1,
        };
        Texts {
            slots: vec![empty],
            free: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl Texts {
    /// The id of a text, which has one more user now.
    pub(super) fn take(&mut self, text: &str) -> TextId {
        if text.is_empty() {
            return NO_TEXT;
        }
        let (slots, hasher) = (&mut self.slots, &self.hasher);
        let hash = hasher.hash_one(text);
        let known = self
            .table
            .find(hash, |id| &*slots[*id as usize].text == text);
        if let Some(id) = known {
            slots[*id as usize].uses += 1;
            return *id;
        }
        let slot = Slot {
            text: text.into(),
            uses: 1,
        };
        let id = match self.free.pop() {
            Some(id) => {
                slots[id as usize] = slot;
                id
            }
            None => {
                slots.push(slot);
                (slots.len() - 1) as TextId
            }
        };
        self.table
            .insert_unique(hash, id, |id| hasher.hash_one(&*slots[*id as usize].text));
        id
    }

    /// One uses the text no more.
    pub(super) fn release(&mut self, id: TextId) {
        let slot = &mut self.slots[id as usize];
        if id == NO_TEXT {
            return;
        }
        slot.uses -= 1;
        if slot.uses == 0 {
            let hash = self.hasher.hash_one(&*slot.text);
            if let Ok(entry) = self.table.find_entry(hash, |known| *known == id) {
                entry.remove();
            }
            slot.text = "".into();
            self.free.push(id);
        }
    }

    pub(super) fn get(&self, id: TextId) -> &str {
        &self.slots[id as usize].text
    }

    /// The set of names with one more. Its user uses the new set in place of the old one.
    pub(super) fn with(&mut self, set: TextId, name: &str) -> TextId {
        let names = self.get(set);
        if name.is_empty() || names.split('\0').any(|known| known == name) {
            return set;
        }
        let more = if names.is_empty() {
            name.to_owned()
        } else {
            let mut all: Vec<&str> = names.split('\0').collect();
            all.insert(all.partition_point(|known| *known < name), name);
            all.join("\0")
        };
        self.release(set);
        self.take(&more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_with_its_last_user() {
        let mut texts = Texts::default();
        let (a, b) = (texts.take("a"), texts.take("b"));
        assert_eq!((texts.take("a"), texts.take("")), (a, NO_TEXT));
        texts.release(a);
        assert_eq!(texts.get(a), "a");
        texts.release(a);
        assert_eq!(texts.take("c"), a, "its slot is used again");
        assert_eq!((texts.get(a), texts.get(b)), ("c", "b"));
        assert_eq!(texts.table.len(), 2);
    }

    #[test]
    fn sets_are_the_same_in_whatever_order_they_grew() {
        let mut texts = Texts::default();
        let one = ["web", "orders", "web"]
            .iter()
            .fold(NO_TEXT, |set, name| texts.with(set, name));
        let other = ["orders", "web"]
            .iter()
            .fold(NO_TEXT, |set, name| texts.with(set, name));
        assert_eq!(one, other);
        assert_eq!(texts.get(one), "orders\0web");
        assert_eq!(texts.table.len(), 1);
    }
}
