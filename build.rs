//! Generates the worker protocol and says plainly when FFmpeg is missing or too old.

use std::error::Error;

/// Oldest libavcodec that the code is written for: FFmpeg 5.1.
const AVCODEC_MIN: &str = "59.37";

fn main() -> Result<(), Box<dyn Error>> {
    check_ffmpeg()?;
    compile_proto()
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
