//! `reelmill play OUTDIR`: the output directory over HTTP on this machine, and a page that plays it.
//!
//! Reads files, never writes. Finished and still-growing outputs are served alike: manifests are looked up afresh
//! for every request, and the page asks again.

mod page;
mod site;
mod streams;

use crate::model::Problem;
use site::Site;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use streams::{STREAMS, Stream};
use tokio::net::TcpListener;

/// The port that is tried first when none is asked for, so that the address is the same each time.
const PORT_DEFAULT: u16 = 8480;

/// Options of `reelmill play`.
#[derive(clap::Args, Clone, Debug)]
pub struct PlayArgs {
    /// The directory that `reelmill transcode` wrote, or is writing, to
    #[arg(value_name = "OUTDIR")]
    pub dir: PathBuf,
    /// Port to serve on; 0 for any that is free [default: 8480, or any that is free]
    #[arg(long)]
    pub port: Option<u16>,
    /// Address to serve on; anything but a loopback address lets other machines read OUTDIR
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
}

/// Runs `reelmill play` until Ctrl-C.
///
/// # Errors
/// As [`serve`].
pub async fn run(args: PlayArgs) -> Result<(), Problem> {
    let ports = match args.port {
        Some(port) => vec![port],
        None => vec![PORT_DEFAULT, 0],
    };
    let addresses: Vec<SocketAddr> = ports.into_iter().map(|port| SocketAddr::new(args.listen, port)).collect();
    serve(args.dir, &addresses).await
}

/// Serves `dir` on the first of `addresses` that is free, prints where, and returns on Ctrl-C.
///
/// # Errors
/// `output.not_found` and `output.no_stream` when there is nothing to play, `request.listen` when no address is free.
pub async fn serve(dir: PathBuf, addresses: &[SocketAddr]) -> Result<(), Problem> {
    let root = playable_root(&dir)?;
    let bound = TcpListener::bind(addresses).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    let (listener, address) = bound.map_err(|error| {
        let wanted: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let wanted = wanted.join(" or ");
        Problem::input("request.listen", format!("cannot serve on {wanted} ({error}); choose another with --port"))
    })?;
    announce(&root, address);
    let site = Site { root, address, files: page::BUILT };
    tokio::select! {
        ended = axum::serve(listener, site::router(site)) => {
            ended.map_err(|error| Problem::bug("play.stopped", format!("the server stopped: {error}")))
        }
        // A download that the player has paused must not hold the process back, so nothing is waited for.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// The directory without links and dots, once it is certain that it holds a stream.
fn playable_root(dir: &Path) -> Result<PathBuf, Problem> {
    let shown = dir.display();
    let root = dir.canonicalize().ok().filter(|root| root.is_dir()).ok_or_else(|| {
        Problem::input(
            "output.not_found",
            format!("there is no directory {shown}; give the one that `reelmill transcode` wrote to"),
        )
    })?;
    if streams::present(&root).is_empty() {
        let paths = STREAMS.map(|stream| stream.path).join(", ");
        return Err(Problem::input(
            "output.no_stream",
            format!("{shown} holds no stream (none of {paths}); give the directory that `reelmill transcode` wrote to"),
        ));
    }
    Ok(root)
}

/// Says where to look. A terminal that has gone away is no reason to stop serving.
fn announce(root: &Path, address: SocketAddr) {
    let mut text = format!("Playing {}\n\n  {}/\n\n", root.display(), streams::base_url(address));
    for Stream { label, path, .. } in streams::present(root) {
        text.push_str(&format!("  {label:<12} {}/stream/{path}\n", streams::base_url(address)));
    }
    text.push_str("\nThe addresses above also open in mpv and VLC. Ctrl-C stops.\n");
    if !address.ip().is_loopback() {
        text.push_str("Every machine that can reach this one can read the directory.\n");
    }
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_stream_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = playable_root(&dir.path().join("none")).unwrap_err();
        assert_eq!(missing.code, "output.not_found");
        let empty = playable_root(dir.path()).unwrap_err();
        assert_eq!(empty.code, "output.no_stream");
        assert!(empty.message.contains("cmaf/master.m3u8, cmaf/manifest.mpd, ts/master.m3u8"), "{empty}");
        std::fs::create_dir(dir.path().join("ts")).unwrap();
        std::fs::write(dir.path().join("ts/master.m3u8"), "#EXTM3U\n").unwrap();
        assert_eq!(playable_root(dir.path()).unwrap(), dir.path().canonicalize().unwrap());
    }

    #[tokio::test]
    async fn a_taken_port_is_said_and_the_next_address_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("ts")).unwrap();
        std::fs::write(dir.path().join("ts/master.m3u8"), "#EXTM3U\n").unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let refused = serve(dir.path().to_owned(), &[address]).await.unwrap_err();
        assert_eq!(refused.code, "request.listen");
        assert!(refused.message.contains(&address.to_string()), "{refused}");
    }
}
