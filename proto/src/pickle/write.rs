//! Writes a pickle of protocol 3, as the Python package does.

use crate::log_record::Sink;

/// Appends a pickle to a buffer.
pub(super) struct Writer<'o>(pub &'o mut Vec<u8>);

impl Writer<'_> {
    fn op(&mut self, op: u8, operand: &[u8]) {
        self.0.push(op);
        self.0.extend_from_slice(operand);
    }

    fn sized(&mut self, op: u8, bytes: &[u8]) {
        self.op(op, &(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }
}

impl Sink for Writer<'_> {
    fn begin_map(&mut self) {
        self.0.extend_from_slice(b"}(");
    }

    fn end_map(&mut self) {
        self.0.push(b'u');
    }

    fn begin_list(&mut self) {
        self.0.extend_from_slice(b"](");
    }

    fn end_list(&mut self) {
        self.0.push(b'e');
    }

    fn key(&mut self, name: &str) {
        self.str(name);
    }

    fn name(&mut self, name: &'static str) {
        self.str(name);
    }

    fn null(&mut self) {
        self.0.push(b'N');
    }

    fn bool(&mut self, value: bool) {
        self.0.push(if value { 0x88 } else { 0x89 });
    }

    fn i64(&mut self, value: i64) {
        if let Ok(value) = u8::try_from(value) {
            self.op(b'K', &[value]);
        } else if let Ok(value) = i32::try_from(value) {
            self.op(b'J', &value.to_le_bytes());
        } else {
            self.op(0x8a, &[8]);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn u64(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.i64(value),
            Err(_) => {
                self.op(0x8a, &[9]);
                self.0.extend_from_slice(&value.to_le_bytes());
                self.0.push(0);
            }
        }
    }

    fn f64(&mut self, value: f64) {
        self.op(b'G', &value.to_be_bytes());
    }

    fn seconds(&mut self, micros: u64) {
        self.f64(micros as f64 / 1e6);
    }

    fn str(&mut self, value: &str) {
        self.sized(b'X', value.as_bytes());
    }

    fn concat<'p>(&mut self, pieces: impl IntoIterator<Item = &'p str>) {
        self.op(b'X', &[0; 4]);
        let start = self.0.len();
        pieces
            .into_iter()
            .for_each(|piece| self.0.extend_from_slice(piece.as_bytes()));
        let len = (self.0.len() - start) as u32;
        self.0[start - 4..start].copy_from_slice(&len.to_le_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.sized(b'B', value);
    }
}
