//! One fault of a simulated card at a time: the job ends right, and tells what failed and what followed.

use crate::accelerators::{Node, cards, check_right, encoded_by};
use crate::media::check_pictures;
use reelmill::model::JobSpec;
use reelmill::model::job::JobRecord;
use reelmill::model::state::JobState;

/// Runs one job on two cards that both fail so, and gives its record.
async fn run(head: &str, fault: &str) -> JobRecord {
    let fault = format!("[[devices.faults]]\n{fault}");
    let node = Node::new(&cards(head, &fault, &fault)).await;
    let (out, record) = node.run(1, 1).await.remove(0);
    check_right(&out, &record);
    node.end().await;
    record
}

/// As [`run`], and every picture that was published is that of the source.
async fn run_and_look(first: &str, second: &str) -> JobRecord {
    let fault = |what: &str| if what.is_empty() { String::new() } else { format!("[[devices.faults]]\n{what}") };
    let node = Node::new(&cards("", &fault(first), &fault(second))).await;
    let (out, record) = node.run(1, 1).await.remove(0);
    check_right(&out, &record);
    for rung in ["180p", "90p"] {
        check_pictures(&out, &node.path("in.mp4"), rung);
    }
    node.end().await;
    record
}

/// What is told of the failures at encoding a rendition.
fn told<'a>(record: &'a JobRecord, rung: &str) -> &'a str {
    let one = record.placements.iter().find(|one| one.rendition == rung && one.stage.name() == "encode");
    &one.unwrap().fault
}

#[tokio::test]
async fn a_call_that_never_returns_ends_its_worker_and_not_the_job() {
    let record = run("", "what = \"hang\"\noperation = \"encode\"\nframe = 30\nopen = 1").await;
    assert!(told(&record, "180p").contains("it stopped answering"), "{:#?}", record.placements);
}

#[tokio::test]
async fn an_encoder_that_swallows_pictures_is_noticed() {
    let record = run("", "what = \"truncated\"\noperation = \"encode\"\nframe = 10\nopen = 1").await;
    assert!(told(&record, "180p").contains("less came out of it than went in"), "{:#?}", record.placements);
}

#[tokio::test]
async fn full_memory_moves_one_rendition_to_the_cpu_and_leaves_the_other() {
    let record = run("", "what = \"out_of_memory\"\noperation = \"encode\"\nopen = 2").await;
    let faults: u32 = record.placements.iter().map(|one| one.faults).sum();
    assert!(faults > 0, "{:#?}", record.placements);
    assert!(encoded_by(&record, "180p").starts_with("cuda:"), "{:#?}", record.placements);
}

/// Two parts of one rendition on one card: one is refused for good, and the other has come to no header yet. Whoever makes
/// the first again must not be joined by what the second brings later.
#[tokio::test]
async fn a_part_that_moves_takes_those_along_that_are_at_it() {
    let card = "[[devices]]\nkind = \"cuda\"\nid = \"a\"\nname = \"Simulated T4\"\nencode_engines = 2\ndecode_engines = 2\n\
                [[devices.encode]]\ncodec = \"h264\"\nmpix = 400\n[[devices.decode]]\ncodec = \"h264\"\nmpix = 800\n\
                [[devices.faults]]\nwhat = \"unsupported\"\noperation = \"encode\"\nopen = 1\n\
                [[devices.faults]]\nwhat = \"slow\"\noperation = \"encode\"\nopen = 2\nfactor = 400\n";
    let node = Node::new(card).await;
    let say = |job: &mut JobSpec| {
        job.devices = vec!["cuda".into()];
        job.outputs[0].request.renditions.truncate(1);
    };
    let (_, record) = node.run_as(1, 2, say).await.remove(0);
    assert_eq!(record.state(), JobState::Succeeded, "{record:#?}");
    assert_eq!(encoded_by(&record, "180p"), "cpu", "{:#?}", record.placements);
    check_pictures(&node.path("out-0"), &node.path("in.mp4"), "180p");
    node.end().await;
}

#[tokio::test]
async fn a_decoder_that_fails_leaves_the_encoders_where_they_are() {
    let record = run("", "what = \"unsupported\"\noperation = \"decode\"").await;
    assert!(encoded_by(&record, "180p").starts_with("cuda:"), "{:#?}", record.placements);
    let decode = record.placements.iter().find(|one| one.stage.name() == "decode").unwrap();
    assert!(decode.actual == "cpu" && decode.planned.starts_with("cuda:") && decode.faults > 0, "{decode:?}");
}

#[tokio::test]
async fn an_encoder_that_is_refused_for_good_is_asked_once() {
    let record = run("", "what = \"driver_too_old\"\noperation = \"encode\"").await;
    for rung in ["180p", "90p"] {
        assert_eq!(encoded_by(&record, rung), "cpu");
        assert!(told(&record, rung).contains("its driver is too old"), "{:#?}", record.placements);
    }
    assert!(record.placements.iter().all(|one| one.faults <= 1), "{:#?}", record.placements);
}

#[tokio::test]
async fn a_cap_of_older_drivers_is_found_out_by_two_jobs_at_once() {
    let node = Node::new(&cards("[sessions]\ncap = 2\ncode = 10", "", "")).await;
    for (out, record) in node.run(3, 1).await {
        check_right(&out, &record);
    }
    node.end().await;
}

#[tokio::test]
async fn pictures_that_are_too_small_are_not_given_to_the_card() {
    let small = cards("", "", "").replace("146x50", "200x100");
    let node = Node::new(&small).await;
    let (out, record) = node.run(1, 1).await.remove(0);
    check_right(&out, &record);
    assert_eq!(encoded_by(&record, "90p"), "cpu");
    assert!(encoded_by(&record, "180p").starts_with("cuda:"), "{:#?}", record.placements);
    node.end().await;
}

#[tokio::test]
async fn wrong_pictures_of_an_encoder_are_noticed_and_none_is_published() {
    let wrong = "what = \"corrupt\"\noperation = \"encode\"";
    let record = run_and_look(wrong, wrong).await;
    for rung in ["180p", "90p"] {
        assert_eq!(encoded_by(&record, rung), "cpu");
        let why = told(&record, rung);
        assert!(why.contains("not what was to be made") && why.contains("is off by"), "{:#?}", record.placements);
    }
}

#[tokio::test]
async fn a_card_whose_pictures_turn_wrong_in_the_middle_leaves_none_behind() {
    let wrong = "what = \"corrupt\"\noperation = \"encode\"\nframe = 60";
    let record = run_and_look(wrong, wrong).await;
    assert!(told(&record, "180p").contains("not what was to be made"), "{:#?}", record.placements);
}

#[tokio::test]
async fn wrong_pictures_of_a_decoder_are_noticed_and_the_encoders_stay() {
    let wrong = "what = \"corrupt\"\noperation = \"decode\"";
    let record = run_and_look(wrong, wrong).await;
    let decode = record.placements.iter().find(|one| one.stage.name() == "decode").unwrap();
    assert!(decode.actual == "cpu" && decode.fault.contains("software makes of it"), "{decode:?}");
    assert!(encoded_by(&record, "180p").starts_with("cuda:"), "{:#?}", record.placements);
}

#[tokio::test]
async fn wrong_pictures_of_a_scaler_are_noticed() {
    let wrong = "what = \"corrupt\"\noperation = \"filter\"";
    let record = run_and_look(wrong, wrong).await;
    assert!(record.placements.iter().any(|one| one.fault.contains("before it was scaled")), "{:#?}", record.placements);
}
