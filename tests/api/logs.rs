//! The log of a job over the API: what is asked of it, how it is given out in pages, and what is refused.

use crate::harness::{Server, job, made, output, refusal};
use reelmill::api::Appliance;
use reelmill::api::v1::log_line::{Level, Origin};
use reelmill::api::v1::{JobSpec, ListLogsRequest, ListLogsResponse};
use reelmill::model::JobId;
use reelmill::store::{LogEntry, LogLevel, LogOrigin};
use tonic::Code;

fn line(outputs: &[usize], level: LogLevel, text: &str) -> LogEntry {
    LogEntry { unix_ms: 1500, level, outputs: outputs.to_vec(), text: text.into(), ..LogEntry::default() }
}

fn texts(reply: &ListLogsResponse) -> Vec<&str> {
    reply.lines.iter().map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn lines_are_given_as_they_were_kept() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, JobSpec { outputs: vec![output("/a"), output("/b")], ..job() }).await;
    let encoder = LogEntry {
        origin: LogOrigin::Library,
        part: "video-0".into(),
        attempt: 2,
        track: "720p".into(),
        ..line(&[1, 0], LogLevel::Warning, "slow")
    };
    let lines = vec![line(&[], LogLevel::Info, "begins"), encoder, line(&[0], LogLevel::Error, "failed")];
    let store = server.fake.store();
    store.append_log(id.parse::<JobId>().unwrap(), lines).await.unwrap();
    let asked = ListLogsRequest { id: id.clone(), ..ListLogsRequest::default() };
    let all = client.list_logs(asked.clone()).await.unwrap().into_inner();
    assert_eq!((texts(&all), all.more), (vec!["begins", "slow", "failed"], false));
    let slow = &all.lines[1];
    assert_eq!((slow.number, slow.level(), slow.origin()), (2, Level::Warning, Origin::Library));
    assert_eq!((slow.output_ids.join(" "), slow.time.unwrap().nanos), ("output-2 output-1".into(), 500_000_000));
    assert_eq!((slow.part.as_str(), slow.attempt, slow.rendition.as_str()), ("video-0", 2, "720p"));

    let second = ListLogsRequest { output_id: "output-2".into(), ..asked.clone() };
    assert_eq!(texts(&client.list_logs(second).await.unwrap().into_inner()), ["slow"]);
    let bad = ListLogsRequest { level: Level::Error.into(), ..asked.clone() };
    assert_eq!(texts(&client.list_logs(bad).await.unwrap().into_inner()), ["failed"]);
    let page = ListLogsRequest { page_size: 1, after_number: 1, ..asked.clone() };
    let page = client.list_logs(page).await.unwrap().into_inner();
    assert_eq!((texts(&page), page.more), (vec!["slow"], true));

    let wrong = ListLogsRequest { output_id: "x".into(), level: 99, ..asked };
    let refused = refusal(&client.list_logs(wrong).await.unwrap_err());
    let codes: Vec<_> = refused.violations.iter().map(|(path, code, _)| (path.as_str(), code.as_str())).collect();
    assert_eq!(codes, [("output_id", "request.unknown_output"), ("level", "request.value")]);
    let nobody = ListLogsRequest { id: JobId::new().to_string(), ..ListLogsRequest::default() };
    assert_eq!(client.list_logs(nobody).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_answer_is_never_too_long_for_a_client() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    let long = "x".repeat(4000);
    let lines = (0..1000).map(|_| line(&[], LogLevel::Info, &long)).collect();
    server.fake.store().append_log(id.parse::<JobId>().unwrap(), lines).await.unwrap();
    let mut asked = ListLogsRequest { id, ..ListLogsRequest::default() };
    let mut count = 0;
    loop {
        let page = client.list_logs(asked.clone()).await.unwrap().into_inner();
        assert!(page.lines.iter().map(|line| line.text.len()).sum::<usize>() <= 1 << 20);
        count += page.lines.len();
        asked.after_number = page.lines.last().unwrap().number;
        if !page.more {
            break;
        }
    }
    assert_eq!(count, 1000);
}
