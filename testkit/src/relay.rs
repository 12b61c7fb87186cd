//! One request of a connection, passed on and answered, with or without a fault.

use crate::http::{Request, read_head, with_header};
use crate::proxy::Fault;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

/// Marks the end of a connection that is to be reset.
const RESET: io::ErrorKind = io::ErrorKind::ConnectionAborted;
/// Marks a body that is to stand still.
const STALLED: io::ErrorKind = io::ErrorKind::WouldBlock;
/// Marks bytes that their receiver did not take.
const NOT_TAKEN: io::ErrorKind = io::ErrorKind::WriteZero;

/// Serves the one request of a connection.
pub(crate) async fn serve(
    mut client: TcpStream,
    upstream: &str,
    decide: impl FnOnce(&Request) -> Option<Fault>,
) -> io::Result<()> {
    let Some((head, began)) = read_head(&mut client).await? else { return Ok(()) };
    let request = Request::parse(&head)?;
    let fault = decide(&request);
    match &fault {
        Some(Fault::Refuse) => return Ok(()),
        Some(Fault::Late(ms)) => return late(&mut client, upstream, (&head, began), &request, *ms).await,
        Some(Fault::Answer { status, code, retry_after }) => {
            drain(&mut client, request.body_bytes().saturating_sub(began.len() as u64)).await?;
            return client.write_all(answer(*status, code, *retry_after).as_bytes()).await;
        }
        _ => {}
    }
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&with_header(&head, "connection", "close")).await?;
    let ended = exchange(&mut client, &mut server, &began, &request, fault.as_ref()).await;
    if ended.as_ref().is_err_and(|error| error.kind() == RESET) {
        client.set_zero_linger()?;
    }
    ended
}

/// Takes the whole request, and lets some time pass before the server gets it.
async fn late(
    client: &mut TcpStream,
    upstream: &str,
    (head, mut body): (&[u8], Vec<u8>),
    request: &Request,
    ms: u64,
) -> io::Result<()> {
    let missing = request.body_bytes().saturating_sub(body.len() as u64);
    client.take(missing).read_to_end(&mut body).await?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&with_header(head, "connection", "close")).await?;
    server.write_all(&body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    client.write_all(&answer).await
}

/// Both directions at once. It ends with the answer, or with the fault.
async fn exchange(
    client: &mut TcpStream,
    server: &mut TcpStream,
    began: &[u8],
    request: &Request,
    fault: Option<&Fault>,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let upload = async {
        let mut body = Body::new(match fault {
            Some(Fault::ResetRequest(at)) => Trouble::Reset(*at),
            Some(Fault::StallRequest(at)) => Trouble::Stall(*at),
            Some(Fault::CorruptRequest(at)) => Trouble::Corrupt(*at),
            Some(Fault::Slow(rate)) => Trouble::Slow(*rate),
            _ => Trouble::None,
        });
        let passed = match body.pass(began, &mut to_server).await {
            Ok(_) => body.pass_all(&mut from_client, &mut to_server).await,
            Err(error) => Err(error),
        };
        match passed {
            // A server may answer before it has read everything, and read no more: the answer is still to come.
            Err(error) if error.kind() == NOT_TAKEN => pending().await,
            Err(error) if error.kind() == STALLED => closed(&from_client).await,
            // The client has gone away, and so does its request: clients do not just close their half.
            Ok(()) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(error),
        }
    };
    let download = async {
        if matches!(fault, Some(Fault::StallRequest(_))) {
            return pending().await;
        }
        let mut head = read_head(&mut from_server).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        while head.0.starts_with(b"HTTP/1.1 1") {
            to_client.write_all(&head.0).await?;
            let mut rest = head.1.as_slice().chain(&mut from_server);
            head = read_head(&mut rest).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        let (mut head, began) = head;
        if fault == Some(&Fault::LoseResponse) {
            return Err(RESET.into());
        }
        head = with_header(&head, "connection", "close");
        if let Some(Fault::Shorten(to)) = fault {
            head = with_header(&head, "content-length", &to.to_string());
        }
        to_client.write_all(&head).await?;
        if request.method == "HEAD" {
            return Ok(());
        }
        let mut body = Body::new(match fault {
            Some(Fault::ResetResponse(at)) => Trouble::Reset(*at),
            Some(Fault::StallResponse(at)) => Trouble::Stall(*at),
            Some(Fault::Truncate(at) | Fault::Shorten(at)) => Trouble::End(*at),
            Some(Fault::CorruptResponse(at)) => Trouble::Corrupt(*at),
            Some(Fault::Slow(rate)) => Trouble::Slow(*rate),
            _ => Trouble::None,
        });
        let passed = match body.pass(&began, &mut to_client).await {
            Ok(true) => body.pass_all(&mut from_server, &mut to_client).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        match passed {
            // Until the client goes away, which the other direction sees.
            Err(error) if error.kind() == STALLED => pending().await,
            passed => passed?,
        }
        to_client.shutdown().await
    };
    tokio::select! {
        ended = upload => ended,
        ended = download => ended,
    }
}

/// What happens to a body on its way.
enum Trouble {
    None,
    Reset(u64),
    Stall(u64),
    End(u64),
    Corrupt(u64),
    Slow(u64),
}

/// A body on its way, and how much of it has passed.
struct Body {
    trouble: Trouble,
    passed: u64,
}

impl Body {
    fn new(trouble: Trouble) -> Body {
        Body { trouble, passed: 0 }
    }

    async fn pass_all(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 || !self.pass(&buffer[..read], to).await? {
                return Ok(());
            }
        }
    }

    /// Passes bytes on; false when the body ends here.
    async fn pass(&mut self, bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> io::Result<bool> {
        let began = self.passed;
        let until = |at: u64| usize::try_from(at.saturating_sub(began)).unwrap_or(usize::MAX);
        self.passed += bytes.len() as u64;
        let cut = match self.trouble {
            Trouble::Reset(at) | Trouble::Stall(at) | Trouble::End(at) => until(at),
            _ => usize::MAX,
        };
        match self.trouble {
            Trouble::Corrupt(at) if (began..self.passed).contains(&at) => {
                let mut changed = bytes.to_vec();
                changed[until(at)] ^= 0x20;
                put(to, &changed).await?;
            }
            Trouble::Slow(rate) => {
                for piece in bytes.chunks(usize::try_from(rate / 20).unwrap_or(usize::MAX).max(1)) {
                    tokio::time::sleep(Duration::from_micros(piece.len() as u64 * 1_000_000 / rate.max(1))).await;
                    put(to, piece).await?;
                }
            }
            _ => put(to, &bytes[..cut.min(bytes.len())]).await?,
        }
        if cut > bytes.len() {
            return Ok(true);
        }
        to.flush().await?;
        match self.trouble {
            Trouble::Reset(_) => Err(RESET.into()),
            Trouble::Stall(_) => Err(STALLED.into()),
            _ => Ok(false),
        }
    }
}

/// Waits until the other end closes, without reading anything: unread bytes would hide the end from a read. An end
/// that has more to send than the buffers between hold cannot even say that it closes.
async fn closed(connection: &ReadHalf<'_>) -> io::Result<()> {
    while !connection.ready(Interest::READABLE).await?.is_read_closed() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(io::ErrorKind::BrokenPipe.into())
}

async fn put(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await.map_err(|error| io::Error::new(NOT_TAKEN, error))
}

/// Reads the rest of a request's body: a client that is still sending would lose the answer to a reset.
async fn drain(from: &mut TcpStream, bytes: u64) -> io::Result<()> {
    tokio::io::copy(&mut from.take(bytes), &mut tokio::io::sink()).await.map(drop)
}

fn answer(status: u16, code: &str, retry_after: Option<u32>) -> String {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>as a test asked</Message></Error>"
    );
    let retry = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Fault\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n{retry}connection: close\r\n\r\n{body}"
    )
}
