//! Reading over https.

use crate::server::Reader;
use reelmill::model::Fault;
use reelmill::net::Options;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// Makes a certificate for the host `films.example` that vouches for itself: (certificate, key).
fn certificate(directory: &Path) -> (Vec<u8>, Vec<u8>) {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    let ran = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=films.example", "-addext", "subjectAltName=DNS:films.example,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    (std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap())
}

/// Starts a server that gives each client ten bytes in one range, or a redirect for `/down`.
fn serve(certificate: &[u8], key: &[u8]) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || answer(stream, config));
        }
    });
    address
}

/// One request; a client that does not like the certificate goes without.
fn answer(stream: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).ok()?, stream));
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first).ok()?;
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).ok()?;
    }
    let reply: &[u8] = if first.contains("/down") {
        b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    } else {
        b"HTTP/1.1 206 X\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n0123456789"
    };
    stream.get_mut().write_all(reply).ok()?;
    stream.get_mut().flush().ok()
}

#[tokio::test]
async fn a_certificate_counts_when_its_authority_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(directory.path());
    let address = serve(&certificate, &key);
    let trusting = Options { authorities_pem: certificate, ..Options::default() };
    let (url, down) = (format!("https://{address}/in.mp4"), format!("https://{address}/down"));

    let problem = Reader::under(&["127.0.0.1"], &Options::default()).open(&url).await.unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Input, "source.certificate"), "{problem}");

    let reader = Reader::under(&["127.0.0.0/8"], &trusting);
    let source = reader.open(&url).await.unwrap();
    assert_eq!(source.read_range(0, 10).await.unwrap()[..], *b"0123456789");
    assert_eq!(reader.refusal(&down).await, "source.redirect", "from https to http");
}
