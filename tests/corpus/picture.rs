//! Likeness to the source: mean luma SSIM (Wang et al. 2004) of the largest rung, frame by frame in order.

use crate::Check;
use crate::source::Source;
use crate::tools::{tail, text, tool};
use crate::track::Joined;
use std::path::Path;

/// Mean luma SSIM in thousandths. Frames are paired by their index; FFmpeg turns the source upright by itself, and draws
/// the stream of subtitles over it that is `burned` in.
pub(crate) fn likeness(joined: &Joined, source: &Source, burned: Option<u32>, scratch: &Path) -> Check<u32> {
    let pictures = source.pictures.as_ref().ok_or("no pictures to compare with")?;
    let field = |key: &str| joined.stream[key].as_str().unwrap_or("");
    let side = |key: &str| joined.stream[key].as_u64().unwrap_or(0);
    let range = if field("color_range") == "pc" { "pc" } else { "tv" };
    let format = if field("pix_fmt").contains("10") { "yuv420p10le" } else { "yuv420p" };
    let whole = if pictures.interlaced { "bwdif=mode=send_frame:deint=interlaced," } else { "" };
    let (drawn, from) = match burned {
        // The canvas is laid over the whole picture.
        Some(stream) => {
            let over = format!("[0:{stream}][0:{0}]scale2ref[s][v];[v][s]overlay[o];", pictures.stream);
            (over, "[o]".to_owned())
        }
        None => (String::new(), format!("[0:{}]", pictures.stream)),
    };
    let graph = format!(
        "{drawn}{from}{whole}scale={}:{}:flags=bicubic:out_range={range},format={format},setsar=1,settb=1/25,setpts=N[a];\
         [1:v]format={format},setsar=1,settb=1/25,setpts=N[b];[a][b]ssim",
        side("width"),
        side("height"),
    );
    let (input, made) = (format!("file:{}", text(&source.path)?), text(&joined.path)?);
    let inputs = ["-nostdin", "-v", "info", "-nostats", "-i", &input, "-i", made, "-lavfi", &graph];
    let ran = tool(
        "ffmpeg",
        scratch,
        &[&inputs[..], &["-an", "-sn", "-dn", "-fps_mode", "passthrough", "-f", "null", "-"]].concat(),
    )?;
    let line = ran.stderr.lines().rev().find_map(|line| line.split_once("SSIM Y:"));
    let value = line.and_then(|(_, rest)| crate::table::micros(rest.split_whitespace().next()?));
    value
        .map(|micros| (micros / 1000) as u32)
        .ok_or_else(|| format!("{}: no SSIM: {}", joined.label, tail(&ran.stderr)))
}
