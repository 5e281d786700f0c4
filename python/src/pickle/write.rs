//! Writes a pickle of protocol 3, as the Python package does.

use crate::log_record::{Fragment, FragmentSink, Sink};

/// Appends a pickle to a buffer.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Where the string begins that is made of pieces.
    string: usize,
}

impl<'o> Writer<'o> {
    /// Appends to the buffer.
    pub(super) fn new(out: &'o mut Vec<u8>) -> Writer<'o> {
        Writer { out, string: 0 }
    }

    fn op(&mut self, op: u8, operand: &[u8]) {
        self.out.push(op);
        self.out.extend_from_slice(operand);
    }

    fn sized(&mut self, op: u8, bytes: &[u8]) {
        self.op(op, &(bytes.len() as u32).to_le_bytes());
        self.out.extend_from_slice(bytes);
    }
}

impl Sink for Writer<'_> {
    fn begin_map(&mut self) {
        self.out.extend_from_slice(b"}(");
    }

    fn end_map(&mut self) {
        self.out.push(b'u');
    }

    fn begin_list(&mut self) {
        self.out.extend_from_slice(b"](");
    }

    fn end_list(&mut self) {
        self.out.push(b'e');
    }

    fn key(&mut self, name: &str) {
        self.str(name);
    }

    fn name(&mut self, name: &'static str) {
        self.str(name);
    }

    fn null(&mut self) {
        self.out.push(b'N');
    }

    fn bool(&mut self, value: bool) {
        self.out.push(if value { 0x88 } else { 0x89 });
    }

    fn i64(&mut self, value: i64) {
        if let Ok(value) = u8::try_from(value) {
            self.op(b'K', &[value]);
        } else if let Ok(value) = i32::try_from(value) {
            self.op(b'J', &value.to_le_bytes());
        } else {
            self.op(0x8a, &[8]);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn u64(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.i64(value),
            Err(_) => {
                self.op(0x8a, &[9]);
                self.out.extend_from_slice(&value.to_le_bytes());
                self.out.push(0);
            }
        }
    }

    fn f64(&mut self, value: f64) {
        self.op(b'G', &value.to_be_bytes());
    }

    fn whole(&mut self, value: u64) {
        self.f64(value as f64);
    }

    fn seconds(&mut self, micros: u64) {
        self.f64(micros as f64 / 1e6);
    }

    fn str(&mut self, value: &str) {
        self.sized(b'X', value.as_bytes());
    }

    fn begin_str(&mut self) {
        // The length is filled in at the end.
        self.op(b'X', &[0; 4]);
        self.string = self.out.len();
    }

    fn piece(&mut self, piece: &str) {
        self.out.extend_from_slice(piece.as_bytes());
    }

    fn end_str(&mut self) {
        let len = (self.out.len() - self.string) as u32;
        self.out[self.string - 4..self.string].copy_from_slice(&len.to_le_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.sized(b'B', value);
    }
}

impl<'a> FragmentSink<'a> for Writer<'_> {
    fn fragment(&mut self, _: Fragment<'a>, write: impl FnOnce(&mut Self)) {
        write(self);
    }
}
