//! For the fuzz target `store_block`: whatever a file has instead of a block is borne, and whatever is put into a
//! block comes back.

use distlog_proto::wire::Parts;
use distlog_proto::{Outcome, ProducerId, Severity, TraceId};

use super::{Pack, Rows, Selection, Unpack, decode, encode, select};
use crate::format::{
    BATCH_HEADER, BatchHeader, BatchesOf, FRAME_HEADER, FrameHeader, FramesIn, padded, put,
};
use crate::summary;
use crate::text_part::TextPart;

/// The longest block that is read, in bytes of its frames.
const MAX_FRAMES: usize = 1 << 16;

/// Reads bytes as a block and as summaries, and writes them as the batch of a block.
pub fn block(data: &[u8]) {
    let Some((head, body)) = data.split_first_chunk::<3>() else {
        return;
    };
    let raw = usize::from(u16::from_le_bytes([head[0], head[1]])).min(MAX_FRAMES);
    as_block(body, raw);
    let _ = summary::decode(body, usize::from(head[2]));
    let frame = frame(body, u32::from(head[2]));
    if let Ok(Some(encoding)) = encode(&frame, &mut Pack::default()) {
        let mut back = Vec::new();
        let read = decode(
            &encoding.body,
            frame.len(),
            &mut Unpack::default(),
            &mut back,
        );
        assert!(read.is_some() && back == frame, "a block comes back");
    }
}

/// Reads a block as a whole, all of its records, and some.
fn as_block(body: &[u8], raw: usize) {
    let unpack = &mut Unpack::default();
    let (mut frames, mut records) = (Vec::new(), Vec::new());
    let whole = decode(body, raw, unpack, &mut frames);
    let mut batches = Vec::new();
    let all = select(
        &mut &*body,
        raw,
        &Selection::ALL,
        unpack,
        &mut records,
        &mut |some| {
            batches.push(some.range);
        },
    );
    if whole.is_some() && all.is_some() {
        let mut of_frames = Vec::new();
        for (frame, range) in FramesIn::new(&frames) {
            let bytes = &frames[range];
            let bodies = BatchesOf::new(&frame, bytes).filter(|(head, ..)| head.count > 0);
            of_frames.extend(bodies.map(|(_, _, body)| bytes[body].to_vec()));
        }
        let selected: Vec<_> = batches.into_iter().map(|range| &records[range]).collect();
        assert_eq!(selected, of_frames, "all records are those of the frames");
    }
    let mut parts = Parts::default();
    parts.add_severity();
    parts.add_field("a");
    let trace = TraceId::from_bytes([1; 16]);
    let traces = trace.as_slice();
    let part = TextPart::new("ab");
    for rows in [
        Rows::All,
        Rows::Ended(&[Outcome::Failed]),
        Rows::OfTraces(traces),
        Rows::TasksOf(traces),
    ] {
        let some = Selection {
            severity: Severity::WARN,
            rows,
            texts: part.as_slice(),
            parts: &parts,
            ..Selection::ALL
        };
        let _ = select(
            &mut &*body,
            raw,
            &some,
            unpack,
            &mut Vec::new(),
            &mut |_| {},
        );
    }
}

/// A frame of one batch.
fn frame(bytes: &[u8], count: u32) -> Vec<u8> {
    let mut out = vec![0; FRAME_HEADER + BATCH_HEADER];
    let batch = BatchHeader {
        producer: ProducerId::from_bytes([7; 16]),
        from: 0,
        to: u64::from(count),
        received: 1,
        count,
        len: bytes.len() as u32,
        ordered: true,
    };
    put(&mut out, FRAME_HEADER, &batch.encode());
    out.extend_from_slice(bytes);
    let header = FrameHeader {
        body: (out.len() - FRAME_HEADER) as u32,
        batches: 1,
        first: 1,
        records: u64::from(count),
        body_crc: crc32c::crc32c(&out[FRAME_HEADER..]),
        salt: 5,
    };
    put(&mut out, 0, &header.encode());
    out.resize(padded(out.len()), 0);
    out
}
