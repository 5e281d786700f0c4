//! Columns of fractions: whole numbers and a power of ten where that is what they are, else their bits.

use std::io;

use distlog_proto::wire::put::{unzigzag, zigzag};

use super::numbers;
use super::stream::{Reader, Unpack, Writer};

const BITS: u8 = 255;
const POWERS: [f64; 7] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];
/// Whole numbers up to this are exact.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

fn whole(bits: u64, power: f64) -> Option<i64> {
    let value = f64::from_bits(bits);
    let scaled = (value * power).round();
    if scaled.abs() >= MAX_WHOLE || scaled.is_nan() {
        return None;
    }
    let scaled = scaled as i64;
    ((scaled as f64 / power).to_bits() == bits).then_some(scaled)
}

pub(super) fn put(values: &[u64], out: &mut Writer) -> io::Result<()> {
    for (scale, power) in POWERS.iter().enumerate() {
        let scaled: Option<Vec<u64>> = values
            .iter()
            .map(|bits| whole(*bits, *power).map(zigzag))
            .collect();
        if let Some(scaled) = scaled {
            out.byte(scale as u8);
            return numbers::put(&scaled, out);
        }
    }
    out.byte(BITS);
    numbers::put(values, out)
}

pub(super) fn take(
    input: &mut Reader<'_>,
    count: usize,
    unpack: &mut Unpack,
    out: &mut Vec<u64>,
) -> Option<()> {
    let scale = input.byte()?;
    let start = out.len();
    numbers::take(input, count, unpack, out)?;
    if scale != BITS {
        let power = POWERS.get(usize::from(scale))?;
        for value in &mut out[start..] {
            *value = (unzigzag(*value) as f64 / power).to_bits();
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(values: &[f64]) -> usize {
        let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
        let mut out = Writer::default();
        put(&bits, &mut out).unwrap();
        let mut back = Vec::new();
        let mut unpack = Unpack::default();
        take(
            &mut Reader::new(&out.bytes),
            bits.len(),
            &mut unpack,
            &mut back,
        )
        .unwrap();
        assert_eq!(back, bits);
        out.bytes.len()
    }

    #[test]
    fn prices_take_as_many_bytes_as_their_digits_need() {
        let prices: Vec<f64> = (0..1000u32)
            .map(|n| f64::from(n * 37 % 60_000) / 100.0)
            .collect();
        assert!(round(&prices) < 2100);
        round(&[-0.0, 0.0]);
        round(&[f64::NAN, f64::INFINITY, 0.1 + 0.2]);
    }

    proptest! {
        #[test]
        fn any_fractions_come_back(values in proptest::collection::vec(any::<f64>(), 0..50)) {
            round(&values);
        }
    }
}
