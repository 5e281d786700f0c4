//! Columns of numbers.
//!
//! One of: the same number throughout; a dictionary and the places in it; differences to the smallest; differences from
//! one to the next. Differences are
//! divided by what divides them all, and written as planes: first the lowest byte of each, then the next. Planes of
//! high bytes compress, those of low bytes often do not.

use std::io;

use distlog_proto::wire::put::{unzigzag, zigzag};
use hashbrown::HashMap;

use super::stream::{Reader, Unpack, Writer};

const SAME: u8 = 0;
const FROM_LEAST: u8 = 1;
const FROM_BEFORE: u8 = 2;
const DICTIONARY: u8 = 3;

/// A column whose numbers hardly repeat after so many gets no dictionary.
const SAMPLE: usize = 256;
/// Numbers of fewer bits are as short as places in a dictionary.
const MIN_WIDE: u64 = 24;

fn bits(value: u64) -> u64 {
    u64::from(64 - value.leading_zeros())
}

pub(super) fn put(values: &[u64], out: &mut Writer) -> io::Result<()> {
    let Some(first) = values.first().copied() else {
        return Ok(());
    };
    let (mut least, mut most) = (first, first);
    for value in values {
        (least, most) = (least.min(*value), most.max(*value));
    }
    if least == most {
        out.byte(SAME);
        out.varint(first);
        return Ok(());
    }
    let steps = || {
        let pairs = values.windows(2);
        pairs.map(|pair| zigzag(pair[1].wrapping_sub(pair[0]) as i64))
    };
    let plain: u64 = values.iter().map(|value| bits(value - least)).sum();
    let stepped: u64 = steps().map(bits).sum();
    let narrower = plain.min(stepped) / values.len() as u64;
    if narrower >= MIN_WIDE
        && let Some((different, places)) = distinct(values)
    {
        out.byte(DICTIONARY);
        out.varint(different.len() as u64);
        planes(&different, least, out)?;
        return planes(&places, 0, out);
    }
    if stepped < plain {
        let steps: Vec<u64> = steps().collect();
        out.byte(FROM_BEFORE);
        out.varint(first);
        let least = steps.iter().copied().min().unwrap_or(0);
        planes(&steps, least, out)
    } else {
        out.byte(FROM_LEAST);
        planes(values, least, out)
    }
}

/// The different numbers and where each value is among them, if that is shorter.
fn distinct(values: &[u64]) -> Option<(Vec<u64>, Vec<u64>)> {
    let most = values.len() / 2;
    let mut places = HashMap::with_capacity(most);
    let mut different = Vec::new();
    let mut at = Vec::with_capacity(values.len());
    for value in values {
        let next = different.len() as u64;
        let place = *places.entry(*value).or_insert(next);
        if place == next {
            if different.len() == most || (at.len() >= SAMPLE && different.len() > at.len() / 8 * 7)
            {
                return None;
            }
            different.push(*value);
        }
        at.push(place);
    }
    Some((different, at))
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn planes(values: &[u64], least: u64, out: &mut Writer) -> io::Result<()> {
    let mut divisor = 0;
    for value in values {
        divisor = gcd(value - least, divisor);
        if divisor == 1 {
            break;
        }
    }
    let divisor = divisor.max(1);
    let most = values.iter().map(|v| (v - least) / divisor).max();
    let width = bits(most.unwrap_or(0)).div_ceil(8) as usize;
    out.varint(least);
    out.varint(divisor);
    out.byte(width as u8);
    let mut plane = Vec::with_capacity(values.len());
    for at in 0..width {
        plane.clear();
        if divisor == 1 {
            plane.extend(values.iter().map(|v| ((v - least) >> (8 * at)) as u8));
        } else {
            let byte = |v: &u64| (((v - least) / divisor) >> (8 * at)) as u8;
            plane.extend(values.iter().map(byte));
        }
        out.plane(&plane)?;
    }
    Ok(())
}

/// Appends `count` numbers to `out`.
pub(super) fn take(
    input: &mut Reader<'_>,
    count: usize,
    unpack: &mut Unpack,
    out: &mut Vec<u64>,
) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let start = out.len();
    match input.byte()? {
        SAME => out.resize(start + count, input.varint()?),
        FROM_LEAST => unplane(input, count, unpack, out)?,
        DICTIONARY => {
            let different = input.count(count)?;
            let mut values = Vec::new();
            unplane(input, different, unpack, &mut values)?;
            unplane(input, count, unpack, out)?;
            for place in &mut out[start..] {
                *place = *values.get(usize::try_from(*place).ok()?)?;
            }
        }
        FROM_BEFORE => {
            let mut value = input.varint()?;
            out.push(value);
            unplane(input, count - 1, unpack, out)?;
            for step in &mut out[start + 1..] {
                value = value.wrapping_add(unzigzag(*step) as u64);
                *step = value;
            }
        }
        _ => return None,
    }
    Some(())
}

fn unplane(
    input: &mut Reader<'_>,
    count: usize,
    unpack: &mut Unpack,
    out: &mut Vec<u64>,
) -> Option<()> {
    let least = input.varint()?;
    let divisor = input.varint()?;
    let width = usize::from(input.byte()?);
    let whole = |value: u64| value.wrapping_mul(divisor).wrapping_add(least);
    let mut plane = Vec::with_capacity(count);
    if width == 1 {
        input.run(count, unpack, &mut plane)?;
        out.extend(plane.iter().map(|byte| whole(u64::from(*byte))));
        return Some(());
    }
    let start = out.len();
    out.resize(start + count, 0);
    for at in 0..width {
        plane.clear();
        input.run(count, unpack, &mut plane)?;
        let shift = u32::try_from(8 * at).ok().filter(|shift| *shift < 64)?;
        for (value, byte) in out[start..].iter_mut().zip(&plane) {
            *value |= u64::from(*byte) << shift;
        }
    }
    for value in &mut out[start..] {
        *value = whole(*value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(values: &[u64]) -> usize {
        let mut out = Writer::default();
        put(values, &mut out).unwrap();
        let mut back = Vec::new();
        let mut unpack = Unpack::default();
        let mut input = Reader::new(&out.bytes);
        take(&mut input, values.len(), &mut unpack, &mut back).unwrap();
        assert_eq!(back, values);
        out.bytes.len()
    }

    #[test]
    fn regular_columns_are_small() {
        assert_eq!(round(&[]), 0);
        assert!(round(&[7; 5000]) < 4);
        let counting: Vec<u64> = (1_000_000..1_005_000).collect();
        assert!(round(&counting) < 16);
        let millis: Vec<u64> = (0..5000u64)
            .map(|n| 1_700_000_000_000_000_000 + (n * n % 251) * 1_000_000)
            .collect();
        assert!(round(&millis) < 5100);
    }

    proptest! {
        #[test]
        fn any_numbers_come_back(
            values in prop_oneof![
                proptest::collection::vec(any::<u64>(), 0..300),
                proptest::collection::vec(0u64..1000, 0..300),
                proptest::collection::vec((0u64..9).prop_map(|n| u64::MAX - n * 1000), 0..300),
            ]
        ) {
            round(&values);
            let twice: Vec<u64> = values.iter().chain(&values).copied().collect();
            round(&twice);
        }

        #[test]
        fn any_bytes_are_borne(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0usize..400) {
            let mut unpack = Unpack::default();
            let _ = take(&mut Reader::new(&bytes), count, &mut unpack, &mut Vec::new());
        }
    }
}
