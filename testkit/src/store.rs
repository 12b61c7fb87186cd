//! An S3-compatible store that keeps objects in a temporary directory and checks signatures (s3s-fs, embedded).

use crate::background::{Background, listen};
use crate::listing::Listing;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A store on 127.0.0.1; it ends and its directory goes when this is dropped.
///
/// What it lacks: ACLs (ignored), `If-Match` on reads (ignored), `//` in a key (a key is a path in the file system).
#[derive(Debug)]
pub struct S3Server {
    // Before the directory, so that nothing writes there any more when it is removed.
    _background: Background,
    address: SocketAddr,
    directory: TempDir,
}

impl S3Server {
    /// The access key that the store knows.
    pub const ACCESS_KEY_ID: &str = "reelmill-test";
    /// The secret that goes with it.
    pub const SECRET_ACCESS_KEY: &str = "a secret of the tests, and of nothing else";
    /// Any region will do for the store; tests use this one.
    pub const REGION: &str = "us-east-1";

    /// Starts a store without buckets. It answers when this returns.
    pub fn start() -> S3Server {
        let directory = tempfile::tempdir().unwrap();
        let mut builder = S3ServiceBuilder::new(Listing::of(FileSystem::new(directory.path()).unwrap()));
        builder.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY_ID, Self::SECRET_ACCESS_KEY));
        let service = builder.build();
        let (listener, address) = listen();
        let background = Background::start("test-s3");
        background.spawn(async move { serve(TcpListener::from_std(listener).unwrap(), service).await });
        S3Server { _background: background, address, directory }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint, as clients want it: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) {
        std::fs::create_dir(self.directory.path().join(name)).unwrap();
    }

    /// The directory with the buckets: an object is a file at `bucket/key`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What unfinished uploads have left on the disk: parts, and the records of uploads that nobody ended.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".upload") || name.starts_with(".tmp.")).collect()
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    while let Ok((connection, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            // A client that goes away in the middle is what half of the tests are about.
            let _gone = served.await;
        });
    }
}
