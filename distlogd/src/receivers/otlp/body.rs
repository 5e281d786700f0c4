//! Reads the body of a request, in bounded memory.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, EXPECT};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use http_body_util::BodyExt;

use super::MAX_REQUEST;
use super::budget::Share;
use super::refusal::Refusal;

/// A body that takes longer is refused.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a refused body at most this much is read, in bytes.
const MAX_DISCARD: usize = 2 * MAX_REQUEST;
/// Decompressed in one step, in bytes.
const STEP: usize = 64 << 10;
/// Largest window of zstd, as a power of two: 8 MiB, the default limit of the program `zstd`.
const WINDOW_LOG: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Zstd,
}

/// Reads a body to its end and decompresses it.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    share: &Arc<Share>,
) -> Result<Bytes, Refusal> {
    let coding = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => None,
        Some(b"gzip" | b"x-gzip") => Some(Coding::Gzip),
        Some(b"zstd") => Some(Coding::Zstd),
        Some(other) => {
            discard(headers, body).await;
            return Err(Refusal::Unsupported(format!(
                "content encoding `{}` is not known here; send gzip, zstd or none",
                String::from_utf8_lossy(other)
            )));
        }
    };
    let collected = tokio::time::timeout(READ_TIMEOUT, collect(body, share))
        .await
        .map_err(|_| Refusal::Slow)??;
    let Some(coding) = coding else {
        return Ok(collected.into());
    };
    let share = Arc::clone(share);
    tokio::task::spawn_blocking(move || decompress(coding, &collected, &share))
        .await
        .map_err(|_| Refusal::Failed("decompression panicked"))?
        .map(Bytes::from)
}

/// Reads and drops the body of a request that is refused, up to a bound: see [`collect`]. Nothing of it is decoded or
/// kept, and what its peer sends counts for his limits as ever. Who waits to be asked for it (`Expect: 100-continue`)
/// is not.
pub(super) async fn discard(headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MAX_DISCARD {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(READ_TIMEOUT, reading).await;
}

/// Reads a body. A refused one is read further, up to a bound: many clients read the answer only after they have sent
/// everything, and take a connection that closes before for a failure of the network.
async fn collect(mut body: Body, share: &Share) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut read = 0;
    let mut refused = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::BrokeOff(error.to_string()))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        read += data.len();
        if refused.is_some() {
            if read > MAX_DISCARD {
                break;
            }
        } else if read > MAX_REQUEST {
            refused = Some(Refusal::TooLarge);
        } else if !share.take(data.len()) {
            refused = Some(Refusal::Busy);
        } else {
            bytes.extend_from_slice(data);
            continue;
        }
        if !bytes.is_empty() {
            bytes = Vec::new();
            share.give_back();
        }
    }
    refused.map_or(Ok(bytes), Err)
}

fn decompress(coding: Coding, compressed: &[u8], share: &Share) -> Result<Vec<u8>, Refusal> {
    let malformed = |error: std::io::Error| Refusal::Malformed(format!("decompression: {error}"));
    match coding {
        Coding::Gzip => drain(flate2::read::MultiGzDecoder::new(compressed), share),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(compressed).map_err(malformed)?;
            decoder.window_log_max(WINDOW_LOG).map_err(malformed)?;
            drain(decoder, share)
        }
    }
}

/// Reads to the end, or to the limit: a few bytes may decompress to gigabytes.
fn drain(mut from: impl Read, share: &Share) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    loop {
        if !share.take(STEP) {
            return Err(Refusal::Busy);
        }
        let mut step = (&mut from).take(STEP as u64);
        let read = step
            .read_to_end(&mut bytes)
            .map_err(|error| Refusal::Malformed(format!("decompression: {error}")))?;
        if bytes.len() > MAX_REQUEST {
            return Err(Refusal::TooLarge);
        }
        if read < STEP {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::budget::Budget;
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_compressed_comes_out() {
        let share = Budget::new(64 << 20).share();
        let plain: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        for (coding, compressed) in [
            (Coding::Gzip, gzip(&plain)),
            (Coding::Zstd, zstd::encode_all(&plain[..], 3).unwrap()),
        ] {
            assert_eq!(decompress(coding, &compressed, &share).as_ref(), Ok(&plain));
            let cut = &compressed[..compressed.len() / 2];
            assert!(matches!(
                decompress(coding, cut, &share),
                Err(Refusal::Malformed(_))
            ));
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_bursts() {
        let bomb = vec![0; 200 << 20];
        let share = Budget::new(64 << 20).share();
        for (coding, compressed) in [
            (Coding::Gzip, gzip(&bomb)),
            (Coding::Zstd, zstd::encode_all(&bomb[..], 1).unwrap()),
        ] {
            assert!(compressed.len() < 1 << 20);
            assert_eq!(
                decompress(coding, &compressed, &share),
                Err(Refusal::TooLarge)
            );
        }
        let poor = Budget::new(1 << 20).share();
        assert_eq!(
            decompress(Coding::Gzip, &gzip(&bomb), &poor),
            Err(Refusal::Busy)
        );
    }
}
