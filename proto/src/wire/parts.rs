//! Which parts of records somebody reads.

use super::field::record as field;

/// Which parts of records somebody reads: who makes records for him may leave out the others. Callsites are always
/// among them, and that a record was deleted.
///
/// ```
/// use distlog_proto::wire::{Parts, field::record};
///
/// let mut parts = Parts::default();
/// parts.add(record::MESSAGE);
/// parts.add_field("route");
/// assert!(parts.has(record::MESSAGE) && !parts.has(record::STACK));
/// assert!(parts.has_field("route") && !parts.has_field("status"));
/// assert!(Parts::ALL.has_field("status"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// A bit for each number of a field of `Record`.
    numbers: u32,
    names: Names,
}

/// Of a record's own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    All,
    These(Vec<String>),
}

impl Default for Parts {
    fn default() -> Parts {
        Parts {
            numbers: 1 << field::CALLSITE | 1 << field::REMOVED,
            names: Names::These(Vec::new()),
        }
    }
}

impl Parts {
    /// Everything.
    pub const ALL: Parts = Parts {
        numbers: u32::MAX,
        names: Names::All,
    };

    /// Adds a part, by its number in `Record`. Of `FIELDS` that is all of them.
    pub fn add(&mut self, number: u32) {
        self.numbers |= bit(number);
        if number == field::FIELDS {
            self.names = Names::All;
        }
    }

    /// Adds what a record's severity follows from.
    pub fn add_severity(&mut self) {
        for number in [field::SEVERITY, field::SEVERITY_TEXT, field::LEVEL] {
            self.add(number);
        }
    }

    /// Adds one of the record's own fields.
    pub fn add_field(&mut self, name: &str) {
        self.numbers |= bit(field::FIELDS);
        if let Names::These(names) = &mut self.names
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }

    /// Adds what is among the others.
    pub fn add_all(&mut self, others: &Parts) {
        self.numbers |= others.numbers;
        match &others.names {
            Names::All => self.names = Names::All,
            Names::These(names) => names.iter().for_each(|name| self.add_field(name)),
        }
    }

    /// Whether a part is read, by its number in `Record`.
    pub fn has(&self, number: u32) -> bool {
        match bit(number) {
            0 => self.numbers == u32::MAX,
            bit => self.numbers & bit != 0,
        }
    }

    /// Whether a field of the record's own is read.
    pub fn has_field(&self, name: &str) -> bool {
        match &self.names {
            Names::All => true,
            Names::These(names) => names.iter().any(|known| known == name),
        }
    }
}

/// 0 for numbers that no version had when this was written.
fn bit(number: u32) -> u32 {
    1u32.checked_shl(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        let mut some = Parts::default();
        assert!(some.has(field::CALLSITE) && !some.has(field::SEVERITY) && !some.has(99));
        some.add_field("a");
        some.add_field("a");
        assert!(some.has(field::FIELDS) && !some.has_field("b"));
        let mut more = Parts::default();
        more.add_severity();
        more.add_field("b");
        some.add_all(&more);
        assert!(some.has(field::LEVEL) && some.has_field("a") && some.has_field("b"));
        some.add_all(&Parts::ALL);
        assert_eq!(some, Parts::ALL);
        assert!(some.has(99));
        let mut fields = Parts::default();
        fields.add(field::FIELDS);
        assert!(fields.has_field("any") && !fields.has(field::MESSAGE));
    }
}
