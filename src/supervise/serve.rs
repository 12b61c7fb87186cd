//! Answers a worker's reads from its source.
//!
//! Receives: read requests, at most [`READS_WAITING_MAX`] of them waiting. Sends: one reply each, in order.
//! Ends: when the worker's task drops its sender, or when the writer is gone.

use crate::input::Source;
use crate::model::limits::READ_BYTES_MAX;
use crate::wire::v1;
use tokio::sync::mpsc;

/// Requests that a worker may have open: it reads ahead by a few ranges at most.
pub(super) const READS_WAITING_MAX: usize = 8;

/// Why a request cannot be meant honestly.
pub(super) fn objection(request: v1::ReadRequest) -> Option<String> {
    let length = request.length as usize;
    (length == 0 || length > READ_BYTES_MAX).then(|| format!("it asked for {length} bytes at once"))
}

/// Answers until either side is gone.
pub(super) async fn run(source: Source, mut requests: mpsc::Receiver<v1::ReadRequest>, to: mpsc::Sender<v1::ToWorker>) {
    while let Some(request) = requests.recv().await {
        let reply = reply(&source, request).await;
        if to.send(v1::ToWorker { message: Some(v1::to_worker::Message::ReadReply(reply)) }).await.is_err() {
            return;
        }
    }
}

async fn reply(source: &Source, request: v1::ReadRequest) -> v1::ReadReply {
    match source.read_range(request.offset, request.length as usize).await {
        Ok(data) => v1::ReadReply { offset: request.offset, data: data.into(), error: String::new() },
        Err(error) => v1::ReadReply { offset: request.offset, data: Vec::new().into(), error: error.to_string() },
    }
}
