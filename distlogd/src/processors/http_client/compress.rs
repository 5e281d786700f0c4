//! Compresses bodies of requests.

use std::io::{self, Write};

use bytes::Bytes;
use http::HeaderValue;

use super::config::Compression;

impl Compression {
    /// Its name in the header `content-encoding`.
    pub(super) fn encoding(self) -> Option<HeaderValue> {
        match self {
            Compression::None => None,
            Compression::Gzip => Some(HeaderValue::from_static("gzip")),
            Compression::Zstd => Some(HeaderValue::from_static("zstd")),
        }
    }

    /// Compresses a body.
    pub(super) fn compress(self, body: Bytes) -> io::Result<Bytes> {
        match self {
            Compression::None => Ok(body),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(
                    Vec::with_capacity(body.len() / 4),
                    flate2::Compression::fast(),
                );
                encoder.write_all(&body)?;
                encoder.finish().map(Bytes::from)
            }
            Compression::Zstd => zstd::bulk::compress(&body, 1).map(Bytes::from),
        }
    }
}
