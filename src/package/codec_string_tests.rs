//! Codecs strings, on sample descriptions that FFmpeg 5.1 wrote and on bytes broken on purpose.

use super::*;

const AVC: &str = "00000000000000010000009d61766331000000000000000100000000000000000000000000000000014000b40048000000480000\
    000000000001154c61766335392e33372e313030206c696278323634000000000000000000000018ffff00000037617663430164000cffe1001a\
    6764000cacd941419f9f011000000300100000030320f142996001000668eae3cb22c0fdf8f800000000107061737000000001\
    00000001";
const HEVC_PQ: &str = "00000000000000010000010c68766331000000000000000100000000000000000000000000000000014000b4004800000048\
    0000000000000001154c61766335392e33372e313030206c696278323635000000000000000000000018ffff0000008968766343010220000000\
    9000000000003cf000fcfdfafa00000f04a00001001840010c01ffff02200000030090000003000003003c959809a10001002d42010102200000\
    030090000003000003003ca00a080b9f6d96566924caf016a122012080000003008000000c84a2000100074401c172b46240270001000a4e0190\
    040000030000800000000a6669656c010000000013636f6c726e636c78000900100009000000001070617370000000010000\
    0001";
const AV1_PQ: &str = "00000000000000010000009f61763031000000000000000100000000000000000000000000000000014000b40048000000480\
    000000000000001174c61766335392e33372e313030206c696273767461763100000000000000000018ffff0000001c6176314381004c000a0e00\
    0000043cfecc02f850910090400000000a6669656c010000000013636f6c726e636c7800090010000900000000107061737000000001000000\
    01";
const VP9_PQ: &str = "0000000000000001000000ab76703039000000000000000100000000000000000000000000000000014000b4004800000048000000\
    0000000001184c61766335392e33372e313030206c69627670782d767039000000000000000018ffff000000147670634301000000020ba20910\
    0900000000000a6669656c010000000013636f6c726e636c780009001000090000000010706173700000000100000001000000146274727400000000\
    0007ab980007ab98";
const AAC: &str = "00000000000000010000006e6d703461000000000000000100000000000000000002001000000000bb8000000000003665736473\
    0000000003808080250001000480808017401500000000010d8800010d880580808005118856e50006808080010200000014627472740000\
    000000010d8800010d88";
const OPUS: &str = "00000000000000010000004b4f707573000000000000000100000000000000000001001000000000bb8000000000001\
    3644f7073000101380000bb800000000000001462747274000000000000fa000000fa00";
const FLAC: &str = "00000000000000010000006a664c6143000000000000000100000000000000000001001000000000bb80000000000\
    03264664c610000000080000022120012000000000024150bb800f000000000000000000000000000000000000000000000001462747274\
    000000000001f4000001f400";
const AC3: &str = "00000000000000010000004361632d33000000000000000100000000000000000002001000000000bb8000000000000b\
    646163331008c00000001462747274000000000001770000017700";
const EAC3: &str = "00000000000000010000004565632d33000000000000000100000000000000000002001000000000bb8000000000000d\
    6465633303002002000000001462747274000000000001770000017700";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn wrap(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// An initialisation segment with nothing in it but what leads to the sample description.
fn init(handler: &[u8; 4], stsd: &[u8]) -> Vec<u8> {
    let minf = wrap(b"minf", &wrap(b"stbl", &wrap(b"stsd", stsd)));
    let hdlr = wrap(b"hdlr", &[&[0; 8][..], handler, &[0; 13]].concat());
    let moov = wrap(b"moov", &wrap(b"trak", &wrap(b"mdia", &[hdlr, minf].concat())));
    [wrap(b"ftyp", b"iso6\0\0\0\0cmfc"), moov].concat()
}

fn of(handler: &[u8; 4], hex: &str) -> Result<String, CodecStringError> {
    codec_string(&init(handler, &bytes(hex)))
}

fn with(hex: &str, from: &str, to: &str) -> String {
    assert!(hex.contains(from), "nothing to replace");
    hex.replace(from, to)
}

#[test]
fn real_sample_descriptions_give_the_strings_that_players_know() {
    assert_eq!(of(b"vide", AVC).unwrap(), "avc1.64000c");
    assert_eq!(of(b"vide", HEVC_PQ).unwrap(), "hvc1.2.4.L60.90");
    assert_eq!(of(b"vide", AV1_PQ).unwrap(), "av01.0.00M.10.0.110.09.16.09.0");
    assert_eq!(of(b"vide", VP9_PQ).unwrap(), "vp09.02.11.10.01.09.16.09.00");
    assert_eq!(of(b"soun", AAC).unwrap(), "mp4a.40.2");
    assert_eq!(of(b"soun", OPUS).unwrap(), "opus");
    assert_eq!(of(b"soun", FLAC).unwrap(), "fLaC");
    assert_eq!(of(b"soun", AC3).unwrap(), "ac-3");
    assert_eq!(of(b"soun", EAC3).unwrap(), "ec-3");
}

#[test]
fn hevc_shows_space_tier_and_every_constraint_byte_that_counts() {
    let high = with(HEVC_PQ, "68766343010220000000900000000000", "68766343016160000000b0000000080099");
    let high = with(&high, "0099", "00");
    assert_eq!(of(b"vide", &high).unwrap(), "hvc1.A1.6.H60.B0.0.0.0.8");
    let none = with(HEVC_PQ, "68766343010220000000900000000000", "68766343010160000000000000000000");
    assert_eq!(of(b"vide", &none).unwrap(), "hvc1.1.6.L60");
}

#[test]
fn vp9_leaves_out_what_is_the_default_or_unspecified() {
    let of_config = |config: &str| of(b"vide", &VP9_PQ.replace("01000000020ba2091009", config));
    assert_eq!(of_config("01000000001f80010101").unwrap(), "vp09.00.31.08");
    assert_eq!(of_config("01000000001f82020202").unwrap(), "vp09.00.31.08");
    assert_eq!(of_config("01000000001f83020202").unwrap(), "vp09.00.31.08.01.02.02.02.01");
    assert!(of_config("00000000001f82020202").is_err(), "a version that nobody knows");
}

#[test]
fn av1_leaves_out_what_is_the_default_or_unspecified() {
    let colr = "636f6c726e636c7800090010000900";
    for (color, config, expected) in [
        ("636f6c726e636c7800010001000100", "81004c00", "av01.0.00M.10"),
        ("636f6c726e636c7800020002000200", "81050c00", "av01.0.05M.08"),
        ("636f6c726e636c7800060006000600", "81080c00", "av01.0.08M.08.0.110.06.06.06.0"),
        ("636f6c726e636c7800010001000180", "81080c00", "av01.0.08M.08.0.110.01.01.01.1"),
        ("636f6c726e636c7800010001000100", "814df800", "av01.2.13H.12.1.100.01.01.01.0"),
        ("667265656e636c7800010001000100", "81080e00", "av01.0.08M.08.0.112.01.01.01.0"),
    ] {
        let hex = with(&with(AV1_PQ, colr, color), "6176314381004c00", &format!("61763143{config}"));
        assert_eq!(of(b"vide", &hex).unwrap(), expected);
    }
}

#[test]
fn mpeg4_audio_reads_long_object_types_and_other_objects() {
    // 31 in five bits, then 42 - 32: xHE-AAC.
    assert_eq!(of(b"soun", &with(AAC, "118856e5", "f95856e5")).unwrap(), "mp4a.40.42");
    assert_eq!(of(b"soun", &with(AAC, "118856e5", "2b9256e5")).unwrap(), "mp4a.40.5");
    assert_eq!(of(b"soun", &with(AAC, "80174015", "80176b15")).unwrap(), "mp4a.6B");
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    assert_eq!(codec_string(&[]), Err(CodecStringError::NoSampleEntry));
    assert_eq!(codec_string(b"not an mp4 file at all"), Err(CodecStringError::NoSampleEntry));
    let unknown = of(b"vide", &with(AVC, "61766331", "76703001"));
    assert_eq!(unknown, Err(CodecStringError::Unknown { entry: "vp0?".to_owned() }));
    let bare = of(b"vide", &with(AVC, "61766343", "66726565"));
    assert_eq!(bare, Err(CodecStringError::Malformed { name: "avcC" }));
    let no_tag = of(b"soun", &with(AAC, "0380808025", "0980808025"));
    assert_eq!(no_tag, Err(CodecStringError::Malformed { name: "esds" }));
}

#[test]
fn hostile_bytes_never_panic_nor_loop() {
    let mut answers = 0;
    for (handler, hex) in
        [(b"vide", AVC), (b"vide", HEVC_PQ), (b"vide", AV1_PQ), (b"vide", VP9_PQ), (b"soun", AAC), (b"soun", OPUS)]
    {
        let whole = init(handler, &bytes(hex));
        for length in 0..whole.len() {
            answers += usize::from(codec_string(&whole[..length]).is_ok());
        }
        for place in 0..whole.len() {
            for value in [0, 1, 7, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[place] = value;
                answers += usize::from(codec_string(&broken).is_ok());
            }
        }
    }
    assert!(answers > 1000, "most single bytes do not matter: {answers}");
}
