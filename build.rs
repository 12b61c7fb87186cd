//! Generates the worker protocol and the public API, embeds the player page, and says plainly when FFmpeg is missing or too old.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Oldest libavcodec that the code is written for: FFmpeg 5.1.
const AVCODEC_MIN: &str = "59.37";

fn main() -> Result<(), Box<dyn Error>> {
    check_ffmpeg()?;
    export_thread_creation();
    embed_player()?;
    compile_proto()?;
    compile_api()?;
    compile_otlp()
}

/// Has the linker export the worker's `pthread_create`, so that FFmpeg's libraries call that one too
/// (`src/sys/threads`). The daemon has none of its own.
fn export_thread_creation() {
    println!("cargo:rustc-link-arg-bin=reelmill-worker=-Wl,--export-dynamic-symbol=pthread_create");
}

fn check_ffmpeg() -> Result<(), Box<dyn Error>> {
    for library in ["libavcodec", "libavformat", "libavfilter", "libswscale", "libswresample"] {
        let mut config = pkg_config::Config::new();
        config.cargo_metadata(false);
        if library == "libavcodec" {
            config.atleast_version(AVCODEC_MIN);
        }
        config.probe(library).map_err(|error| {
            format!(
                "{library} of FFmpeg 5.1 or newer is needed to build reelmill-worker; `make setup` installs it ({error})"
            )
        })?;
    }
    Ok(())
}

fn compile_proto() -> Result<(), Box<dyn Error>> {
    let file = "proto/worker/v1/worker.proto";
    println!("cargo:rerun-if-changed={file}");
    let mut config = prost_build::Config::new();
    config.bytes(["ReadReply.data", "Init.init_segment"]);
    config.compile_protos(&[file], &["proto"])?;
    Ok(())
}

/// Generates the public API, with the descriptors that reflection answers from.
fn compile_api() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir("proto/reelmill/v1")? {
        files.push(entry?.path());
    }
    files.sort();
    println!("cargo:rerun-if-changed=proto/reelmill/v1");
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("reelmill_v1.bin");
    // Ordered maps, so that one message has one encoding: idempotency compares requests by it.
    tonic_prost_build::configure()
        .btree_map(".")
        .file_descriptor_set_path(descriptors)
        .compile_protos(&files, &["proto".into()])?;
    Ok(())
}

/// Generates the messages that traces are sent with.
fn compile_otlp() -> Result<(), Box<dyn Error>> {
    let file = "proto/otlp/trace.proto";
    println!("cargo:rerun-if-changed={file}");
    tonic_prost_build::configure().compile_protos(&[file], &["proto"])?;
    Ok(())
}

/// Copies what `npm run build` left in `player/dist` and lists it for `src/play/page.rs`. Without Node the list is empty.
fn embed_player() -> Result<(), Box<dyn Error>> {
    let built = Path::new("player/dist");
    // Cargo runs a build script again at every build when a path that it watches is missing.
    println!("cargo:rerun-if-changed={}", if built.is_dir() { "player/dist" } else { "player" });
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let copies = out.join("player");
    fs::create_dir_all(&copies)?;
    let mut list = String::from("&[\n");
    for name in ["index.html", "player.css", "player.js"] {
        if !built.join("index.html").is_file() {
            break;
        }
        fs::copy(built.join(name), copies.join(name))?;
        writeln!(list, "    ({name:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/player/{name}\")) as &[u8]),")?;
    }
    list.push_str("]\n");
    fs::write(out.join("player_files.rs"), list)?;
    Ok(())
}
