//! The log of a job: what is kept of it, and in which order it is read.

use crate::fixture::{CREATED, ODD, create, get, in_state, job};
use reelmill::model::state::JobState;
use reelmill::store::{
    LOG_HEAD_BYTES_MAX, LOG_HEAD_LINES_MAX, LOG_JOB_BYTES_MAX, LOG_TAIL_BYTES_MAX, LOG_TAIL_LINES_MAX, LogEntry,
    LogLevel, LogOrigin, LogPage, LogQuery, Store, StoreError,
};
use std::sync::Arc;

fn line(outputs: &[usize], level: LogLevel, text: impl Into<String>) -> LogEntry {
    LogEntry { unix_ms: CREATED, level, outputs: outputs.to_vec(), text: text.into(), ..LogEntry::default() }
}

fn all() -> LogQuery {
    LogQuery { limit: usize::MAX, ..LogQuery::default() }
}

async fn read(store: &dyn Store, query: LogQuery) -> LogPage {
    store.log(job(1).id, query).await.unwrap()
}

fn texts(page: &LogPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

pub(crate) async fn lines_come_back_whole_and_in_order(store: Arc<dyn Store>) {
    let id = job(1).id;
    assert_eq!(store.append_log(id, vec![line(&[], LogLevel::Info, "early")]).await, Err(StoreError::NotFound));
    assert_eq!(read(&*store, all()).await, LogPage::default());
    create(&*store, job(1)).await;
    let mut lines: Vec<_> = ODD.iter().map(|text| line(&[], LogLevel::Info, *text)).collect();
    lines.push(LogEntry {
        origin: LogOrigin::Library,
        part: "video-0".into(),
        attempt: 2,
        track: "720p".into(),
        ..line(&[1, 0], LogLevel::Error, "last")
    });
    for some in lines.chunks(3) {
        store.append_log(id, some.to_vec()).await.unwrap();
    }
    let numbered = |(at, line): (usize, &LogEntry)| LogEntry { number: at as u64 + 1, ..line.clone() };
    let wanted: Vec<_> = lines.iter().enumerate().map(numbered).collect();
    assert_eq!(read(&*store, all()).await, LogPage { lines: wanted.clone(), more: false });
    let (mut got, mut after) = (Vec::new(), 0);
    loop {
        let page = read(&*store, LogQuery { after, limit: 4, ..LogQuery::default() }).await;
        after = page.lines.last().unwrap().number;
        got.extend(page.lines);
        if !page.more {
            break;
        }
    }
    assert_eq!(got, wanted);
}

pub(crate) async fn lines_are_found_by_output_and_level(store: Arc<dyn Store>) {
    create(&*store, job(1)).await;
    let lines = vec![
        line(&[], LogLevel::Info, "job"),
        line(&[0], LogLevel::Info, "first"),
        line(&[1], LogLevel::Warning, "second"),
        line(&[0, 1, 12], LogLevel::Error, "both"),
        line(&[2], LogLevel::Error, "third"),
    ];
    store.append_log(job(1).id, lines).await.unwrap();
    let asked = |output, level| LogQuery { output, level, ..all() };
    assert_eq!(texts(&read(&*store, asked(Some(0), LogLevel::Info)).await), ["first", "both"]);
    assert_eq!(texts(&read(&*store, asked(Some(1), LogLevel::Info)).await), ["second", "both"]);
    assert_eq!(texts(&read(&*store, asked(Some(12), LogLevel::Info)).await), ["both"]);
    assert_eq!(texts(&read(&*store, asked(None, LogLevel::Warning)).await), ["second", "both", "third"]);
    assert_eq!(texts(&read(&*store, asked(Some(1), LogLevel::Error)).await), ["both"]);
    assert_eq!(read(&*store, asked(Some(3), LogLevel::Info)).await, LogPage::default());
}

pub(crate) async fn of_too_many_lines_the_middle_goes_and_is_told_of(store: Arc<dyn Store>) {
    create(&*store, job(1)).await;
    let id = job(1).id;
    let (head, tail) = (u64::from(LOG_HEAD_LINES_MAX), u64::from(LOG_TAIL_LINES_MAX));
    let total = head + tail + 77;
    store.append_log(id, vec![line(&[1], LogLevel::Info, "of the other")]).await.unwrap();
    let noise: Vec<_> = (0..total).map(|at| line(&[0], LogLevel::Info, at.to_string())).collect();
    for some in noise.chunks(300) {
        store.append_log(id, some.to_vec()).await.unwrap();
    }
    let page = read(&*store, LogQuery { output: Some(0), ..all() }).await;
    assert_eq!(page.lines.len() as u64, head + tail + 1);
    let marker = &page.lines[head as usize];
    assert_eq!((marker.omitted, marker.text.as_str()), (77, "77 lines are not kept: there were too many"));
    let told: Vec<_> = page.lines.iter().filter(|line| line.omitted == 0).map(|line| line.text.clone()).collect();
    let kept = (0..head).chain(total - tail..total).map(|at| at.to_string());
    assert!(told.into_iter().eq(kept), "the first and the last ones are kept");
    assert!(page.lines.is_sorted_by(|one, next| one.number < next.number), "the marker stands in its place");
    assert_eq!(texts(&read(&*store, LogQuery { output: Some(1), ..all() }).await), ["of the other"]);
    // Pages meet the marker as well.
    let after = LogQuery { after: page.lines[head as usize - 1].number, limit: 1, ..LogQuery::default() };
    assert_eq!(read(&*store, after).await.lines, std::slice::from_ref(marker));
}

pub(crate) async fn bytes_are_bounded_for_each_output_and_for_the_job(store: Arc<dyn Store>) {
    create(&*store, job(1)).await;
    let id = job(1).id;
    let text = "x".repeat(4000);
    let bytes = |page: &LogPage| page.lines.iter().map(|line| line.text.len() as u64).sum::<u64>();
    let one: Vec<_> = (0..200).map(|_| line(&[0], LogLevel::Info, text.as_str())).collect();
    store.append_log(id, one.clone()).await.unwrap();
    let kept = bytes(&read(&*store, all()).await);
    assert!(kept <= LOG_HEAD_BYTES_MAX + LOG_TAIL_BYTES_MAX && kept > LOG_TAIL_BYTES_MAX, "{kept}");
    for output in 1..40 {
        let lines = one.iter().map(|line| LogEntry { outputs: vec![output], ..line.clone() }).collect();
        store.append_log(id, lines).await.unwrap();
    }
    let page = read(&*store, all()).await;
    assert!(bytes(&page) <= LOG_JOB_BYTES_MAX && bytes(&page) > LOG_JOB_BYTES_MAX / 2, "{}", bytes(&page));
    // Of the last one nothing may be kept; that is told, and numbers go on.
    let last = read(&*store, LogQuery { output: Some(39), ..all() }).await;
    assert!(last.lines.iter().any(|line| line.omitted > 0), "{last:?}");
    store.append_log(id, vec![line(&[], LogLevel::Info, "end")]).await.unwrap();
    let lines = read(&*store, all()).await.lines;
    assert!(lines.is_sorted_by(|one, next| one.number < next.number));
}

pub(crate) async fn a_log_goes_with_its_job(store: Arc<dyn Store>) {
    create(&*store, in_state(job(1), JobState::Failed, CREATED)).await;
    create(&*store, job(2)).await;
    store.append_log(job(1).id, vec![line(&[], LogLevel::Info, "one")]).await.unwrap();
    store.append_log(job(2).id, vec![line(&[], LogLevel::Info, "two")]).await.unwrap();
    let revision = get(&*store, job(1).id).await.revision;
    store.delete(job(1).id, revision, Vec::new()).await.unwrap();
    assert_eq!(read(&*store, all()).await, LogPage::default());
    assert_eq!(texts(&store.log(job(2).id, all()).await.unwrap()), ["two"]);
    create(&*store, job(1)).await;
    assert_eq!(read(&*store, all()).await, LogPage::default(), "nothing is left of the one before");
}
