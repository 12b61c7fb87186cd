//! One trial with sound: a second of a tone is encoded, decoded, and looked for in what comes back.

use super::Failure;
use crate::av::frame::SampleFormat;
use crate::av::{AudioEncoderSpec, Decoder, Encoder, Frame, Graph, Packet, Polled, names};
use crate::model::device::DeviceFault;
use crate::model::{AudioCodec, Ratio};

/// Samples a second.
const RATE: u32 = 48_000;
/// The tone, Hz.
const TONE: f64 = 997.0;
/// How loud it is; full scale is 1.
const LOUD: f64 = 0.5;
/// How far the loudness may be off.
const OFF_MAX: f64 = 0.1;

/// Tries an encoder and its decoder.
pub(super) fn run(codec: &str) -> Result<(), Failure> {
    let traits = AudioCodec::from_name(codec).map(AudioCodec::traits);
    let (encoder, format) = traits.map_or((codec, "fltp"), |traits| (traits.encoder, traits.sample_format));
    let input = SampleFormat {
        rate: RATE,
        format: names::sample_format(format).unwrap_or(-1),
        channels: 2,
        layout: "stereo".to_owned(),
    };
    let options = [("b".to_owned(), "128000".to_owned())];
    let mut encoder = Encoder::audio(&AudioEncoderSpec { encoder, input: &input, options: &options })?;
    let samples = encoder.frame_samples().max(1);
    let mut packets = Vec::new();
    let mut convert: Option<Graph> = None;
    for first in (0..RATE).step_by(samples as usize) {
        let frame = tone(first, samples)?;
        let graph = match &mut convert {
            Some(graph) => graph,
            None => convert.insert(Graph::audio(&format!("aformat=sample_fmts={format}"), &frame.sample_format())?),
        };
        graph.send(Some(&frame))?;
        let mut out = Frame::new()?;
        while graph.receive(&mut out)? == Polled::Ready {
            while encoder.send(Some(&out))? == Polled::NeedInput {
                drain(&mut encoder, &mut packets)?;
            }
            drain(&mut encoder, &mut packets)?;
        }
    }
    encoder.send(None)?;
    drain(&mut encoder, &mut packets)?;
    let heard = decode(&encoder, &packets)?;
    listen(&heard)
}

fn tone(first: u32, samples: u32) -> Result<Frame, Failure> {
    let mut frame = Frame::silence(RATE, 2, samples)?;
    for channel in 0..2 {
        for (at, sample) in frame.channel_mut(channel).unwrap_or_default().iter_mut().enumerate() {
            let time = (f64::from(first) + at as f64) / f64::from(RATE);
            *sample = (LOUD * (std::f64::consts::TAU * TONE * time).sin()) as f32;
        }
    }
    frame.set_pts(Some(i64::from(first)));
    Ok(frame)
}

fn drain(encoder: &mut Encoder, packets: &mut Vec<Packet>) -> Result<(), Failure> {
    let mut packet = Packet::new()?;
    while encoder.receive(&mut packet)? == Polled::Ready {
        packets.push(packet.reference()?);
    }
    Ok(())
}

/// The first channel of what comes back.
fn decode(encoder: &Encoder, packets: &[Packet]) -> Result<Vec<f32>, Failure> {
    let mut decoder = Decoder::open(&encoder.params()?, Ratio::new(1, i64::from(RATE)), 1)?;
    let mut heard = Vec::new();
    let mut convert: Option<Graph> = None;
    let mut frame = Frame::new()?;
    for packet in packets.iter().map(Some).chain([None]) {
        loop {
            let taken = decoder.send(packet)?;
            while decoder.receive(&mut frame)? == Polled::Ready {
                let graph = match &mut convert {
                    Some(graph) => graph,
                    None => convert.insert(Graph::audio("aformat=sample_fmts=fltp", &frame.sample_format())?),
                };
                graph.send(Some(&frame))?;
                let mut out = Frame::new()?;
                while graph.receive(&mut out)? == Polled::Ready {
                    heard.extend_from_slice(out.channel(0).unwrap_or_default());
                }
            }
            if taken != Polled::NeedInput {
                break;
            }
        }
    }
    Ok(heard)
}

/// Whether the tone is there, as loud as it was, in the middle half second.
fn listen(heard: &[f32]) -> Result<(), Failure> {
    let half = RATE as usize / 2;
    let Some(middle) = heard.get(half / 2..half / 2 + half) else {
        let message = format!("a second of sound went in and {} samples came out", heard.len());
        return Err(Failure::of_result(DeviceFault::Truncated, message));
    };
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (at, sample) in middle.iter().enumerate() {
        let angle = std::f64::consts::TAU * TONE * at as f64 / f64::from(RATE);
        sine += f64::from(*sample) * angle.sin();
        cosine += f64::from(*sample) * angle.cos();
    }
    let loud = 2.0 * sine.hypot(cosine) / half as f64;
    if (loud - LOUD).abs() <= OFF_MAX {
        return Ok(());
    }
    let message = format!("the tone came back with a loudness of {loud:.2} instead of {LOUD:.2}");
    Err(Failure::of_result(DeviceFault::Corrupt, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tone_passes() {
        let heard: Vec<f32> =
            (0..RATE / 1000).flat_map(|ms| tone(ms * 1000, 1000).unwrap().channel(0).unwrap().to_vec()).collect();
        assert_eq!(listen(&heard), Ok(()));
        assert_eq!(listen(&vec![0.0; 48_000]).unwrap_err().fault, Some(DeviceFault::Corrupt));
        assert_eq!(listen(&heard[..1000]).unwrap_err().fault, Some(DeviceFault::Truncated));
    }
}
