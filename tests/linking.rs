//! The wall between the processes, read from the programs themselves: the daemon links no media library, the worker does.
#![cfg(test)]

use std::fs;

/// Libraries that parse or make media. None may be loaded into the process that holds credentials.
const MEDIA_LIBRARIES: [&str; 12] = [
    "libav",
    "libsw",
    "libpostproc",
    "libx264",
    "libx265",
    "libSvtAv1",
    "libaom",
    "libdav1d",
    "libvpx",
    "libopus",
    "libmp3lame",
    "libfdk",
];

#[test]
fn the_daemon_needs_no_media_library() {
    let needed = needed_libraries(env!("CARGO_BIN_EXE_reelmill"));
    assert!(needed.iter().any(|name| name.starts_with("libc.so")), "not read rightly: {needed:?}");
    let media: Vec<_> = needed.iter().filter(|name| MEDIA_LIBRARIES.iter().any(|m| name.starts_with(m))).collect();
    assert!(media.is_empty(), "reelmill would load {media:?}; only reelmill-worker may");
}

#[test]
fn the_worker_is_where_ffmpeg_is() {
    let needed = needed_libraries(env!("CARGO_BIN_EXE_reelmill-worker"));
    assert!(needed.iter().any(|name| name.starts_with("libavcodec.so")), "reelmill-worker needs only {needed:?}");
}

/// `DT_NEEDED` names of a little-endian 64-bit ELF file (System V ABI, chapters 4 and 5).
fn needed_libraries(path: &str) -> Vec<String> {
    const SHT_DYNAMIC: u64 = 6;
    const DT_NEEDED: u64 = 1;
    let elf = fs::read(path).unwrap();
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "{path} is not a little-endian 64-bit ELF file");
    let number = |offset: u64, bytes: usize| -> u64 {
        let field = &elf[offset as usize..offset as usize + bytes];
        field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    let (headers, size, count) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2));
    let section = |index: u64| headers + index * size;
    let dynamic = (0..count).map(section).find(|at| number(at + 4, 4) == SHT_DYNAMIC);
    let dynamic = dynamic.unwrap_or_else(|| panic!("{path} has no dynamic section"));
    let names = number(section(number(dynamic + 0x28, 4)) + 0x18, 8);
    let (start, length) = (number(dynamic + 0x18, 8), number(dynamic + 0x20, 8));
    let entries = (start..start + length).step_by(16);
    entries
        .filter(|entry| number(*entry, 8) == DT_NEEDED)
        .map(|entry| {
            let name = &elf[(names + number(entry + 8, 8)) as usize..];
            let end = name.iter().position(|byte| *byte == 0).unwrap();
            String::from_utf8(name[..end].to_vec()).unwrap()
        })
        .collect()
}
