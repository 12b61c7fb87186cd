//! What is seen of a source, and of what becomes of its pictures, by clients of the API.

use crate::daemon::{Daemon, end_of, job, submit};
use crate::media::{ffmpeg, ffprobe};
use reelmill::api::v1::{self, JobState};

#[tokio::test]
async fn black_bars_are_left_out_and_told_of_before_and_after() {
    let daemon = Daemon::start().await;
    let (source, out) = (daemon.path("boxed.mp4"), daemon.path("out"));
    let picture = "testsrc2=size=320x136:rate=25:duration=6,pad=320:180:0:22";
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", source.to_str().unwrap()];
    ffmpeg(&[&["-f", "lavfi", "-i", picture][..], &codec].concat());
    let mut spec = job(&source, &out);
    spec.outputs[0].renditions.clear();
    spec.outputs[0].picture = Some(v1::PictureSpec { crop_bars: true, ..v1::PictureSpec::default() });
    let told = |warnings: &[v1::Warning]| {
        let of_bars = warnings.iter().find(|warning| warning.code == "crop.bars");
        let said = of_bars.map(|warning| warning.message.clone());
        assert_eq!(
            said.as_deref(),
            Some("black bars are left out: 320x136+0+22 of the picture is kept"),
            "{warnings:?}"
        );
    };

    let request = v1::PlanJobRequest { job: Some(spec.clone()) };
    let planned = daemon.media().await.plan_job(request).await.unwrap().into_inner();
    told(&planned.warnings);
    let tracks = planned.outputs[0].tracks.iter();
    assert_eq!(tracks.map(|track| (track.width, track.height)).max(), Some((320, 136)), "{planned:?}");

    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let asked = v1::GetJobRequest { id };
    let stored = client.get_job(asked).await.unwrap().into_inner().job.unwrap();
    told(&stored.warnings);
    assert!(stored.spec.unwrap().outputs[0].picture.as_ref().unwrap().crop_bars);
    let size = ["-select_streams", "v:0", "-show_entries", "stream=width,height"];
    assert_eq!(ffprobe(&out.join("cmaf/136p/media.m3u8"), &size)[0], "320,136");
}

#[tokio::test]
async fn what_a_source_says_of_itself_is_told() {
    let daemon = Daemon::start().await;
    let source = daemon.path("tagged.mkv");
    let long = "é".repeat(5000);
    let comment = format!("comment={long}");
    let said = ["title=Die Stra\u{df}e\nin zwei Zeilen", "artist=A. Reed", "date=1927-04-05", "unheard-of=x", &comment];
    let tags: Vec<&str> = said.iter().flat_map(|tag| ["-metadata", tag]).collect();
    let picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1"];
    ffmpeg(&[&picture[..], &tags, &["-c:v", "libx264", "-preset", "ultrafast", source.to_str().unwrap()]].concat());
    let request = v1::ProbeMediaRequest { uri: source.to_str().unwrap().into() };
    let facts = daemon.media().await.probe_media(request).await.unwrap().into_inner().facts.unwrap();
    let tag = |name: &str| facts.tags.get(name).map(String::as_str);
    assert_eq!(tag("title"), Some("Die Straße in zwei Zeilen"));
    assert_eq!((tag("artist"), tag("date")), (Some("A. Reed"), Some("1927-04-05")));
    assert_eq!(tag("comment").map(|text| text.chars().count()), Some(1000));
    assert_eq!(facts.tags.len(), 4, "{:?}", facts.tags.keys());
}
