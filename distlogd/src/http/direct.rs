//! The API for this process itself: its handlers answer, without a connection.

use std::io::{self, Read};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tower_service::Service as _;

use super::{Api, Views, router};
use crate::shutdown::Shutdown;

/// Answers requests of this process. Whoever has it may ask anything.
pub(crate) struct Direct {
    app: Router,
    runtime: Handle,
}

impl Direct {
    pub(crate) fn new(views: Views, runtime: Handle) -> Direct {
        Direct {
            app: router(Api::new(views, Shutdown::default())),
            runtime,
        }
    }

    /// Asks for a path with a query; `accept` is the media type. Blocks.
    ///
    /// # Errors
    /// If the path is none.
    pub(crate) fn ask(
        &self,
        method: Method,
        uri: &str,
        accept: &str,
    ) -> Result<Response<Reading>, axum::http::Error> {
        let request = Request::builder().method(method).uri(uri);
        let request = request.header(header::ACCEPT, accept).body(Body::empty())?;
        let mut app = self.app.clone();
        let Ok(response) = self
            .runtime
            .block_on(async move { app.call(request).await });
        Ok(response.map(|body| Reading {
            body,
            piece: Bytes::new(),
            runtime: self.runtime.clone(),
        }))
    }
}

/// Reads an answer while it is made.
pub(crate) struct Reading {
    body: Body,
    piece: Bytes,
    runtime: Handle,
}

impl Read for Reading {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(frame) = self.runtime.block_on(self.body.frame()) else {
                return Ok(0);
            };
            let frame = frame.map_err(io::Error::other)?;
            self.piece = frame.into_data().unwrap_or_default();
        }
        let piece = self.piece.split_to(out.len().min(self.piece.len()));
        out[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}
