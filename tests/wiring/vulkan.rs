//! Frames that really lie in a device's memory, of which Mesa makes one on the CPU: through our graphs, pixel by pixel.

use reelmill::av::hw::HwDevice;
use reelmill::av::{Frame, Graph, Polled, names};
use reelmill::model::Ratio;

const TICK: Ratio = Ratio::new(1, 25);

fn picture(at: i64) -> Frame {
    let mut frame = Frame::picture(320, 240, names::pixel_format("yuv420p").unwrap()).unwrap();
    frame.paint(0, 40 + at as u8);
    frame.paint(1, 80 + at as u8);
    frame.paint(2, 120 + at as u8);
    frame.set_pts(Some(at));
    frame
}

fn through(graph: &mut Graph, frame: &Frame) -> Frame {
    graph.send(Some(frame)).unwrap();
    let mut out = Frame::new().unwrap();
    assert_eq!(graph.receive(&mut out).unwrap(), Polled::Ready);
    out
}

#[test]
fn frames_go_from_graph_to_graph_in_the_devices_memory() {
    let device = HwDevice::open("vulkan", None, &[]).expect("Mesa's software Vulkan: make setup");
    let mut up = Graph::video_on(&device, "hwupload", &picture(0), TICK).unwrap();
    let mut down: Option<Graph> = None;
    for at in 0..10 {
        // Kept until the end: FFmpeg 5.1 uploads to Vulkan while the caller goes on, and does not hold on to the pixels.
        let source = picture(at);
        let there = through(&mut up, &source);
        assert!(there.pool().is_some());
        assert_eq!(there.software_format(), names::pixel_format("yuv420p"));
        let down = down.get_or_insert_with(|| {
            let text = "scale_vulkan=w=160:h=120,hwdownload,format=yuv420p";
            Graph::video_on(&device, text, &there, TICK).unwrap()
        });
        let here = through(down, &there);
        assert_eq!((here.pool(), here.pts()), (None, Some(at)));
        assert_eq!((here.picture_format().width, here.picture_format().height), (160, 120));
        let planes = [0, 1, 2].map(|plane| here.painted(plane).unwrap());
        for (plane, wanted) in planes.into_iter().zip([40, 80, 120].map(|value: u8| value + at as u8)) {
            assert!(plane.abs_diff(wanted) <= 1, "{planes:?} for picture {at}");
        }
        let copy = there.download().unwrap();
        assert_eq!((copy.painted(0), copy.pts()), (source.painted(0), Some(at)));
    }
}

#[test]
fn each_pool_has_a_name_of_its_own() {
    let device = HwDevice::open("vulkan", None, &[]).expect("Mesa's software Vulkan: make setup");
    let mut graphs = [(); 2].map(|()| Graph::video_on(&device, "hwupload", &picture(0), TICK).unwrap());
    let [first, again] = [0, 1].map(|at| through(&mut graphs[0], &picture(at)).pool().unwrap());
    let other = through(&mut graphs[1], &picture(2)).pool().unwrap();
    assert!(first == again && first != other);
}
