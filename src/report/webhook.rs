//! What webhooks are told: a pure function of a record and its changes, so that it can be stored with them.
//!
//! The body is that of Standard Webhooks: `{"type": "job.succeeded", "timestamp": "…Z", "data": {…}}`. `data` has the
//! job's `id`, `reference_id`, `state`, `problem`, `labels` and all of its `outputs`; `output_id` in events of one output.

use crate::model::JobId;
use crate::model::instant::utc;
use crate::model::job::{Change, JobRecord, Subject};
use crate::model::spec::{WebhookEvent, WebhookSpec};
use crate::store::Effect;
use serde_json::{Value, json};

/// The messages that follow from changes of a record that is about to be saved.
pub fn effects(record: &JobRecord) -> Vec<Effect> {
    let hooks = || record.spec.webhooks.iter().enumerate();
    let told = |change: &Change| -> Vec<Effect> {
        let occurrences = occurrences(change);
        let wanted = move |(index, hook): (usize, &WebhookSpec)| {
            let (_, name, output) = occurrences.iter().find(|(event, _, _)| hook.events.contains(event))?;
            Some(message(record, change, (index, hook), name, *output))
        };
        hooks().filter_map(wanted).collect()
    };
    record.pending().iter().flat_map(told).collect()
}

/// The `webhook-id` of a stored effect: the same over all attempts, and of no other effect, even of another store's. It has
/// no full stop in it, as Standard Webhooks demands.
pub fn message_id(job: JobId, effect: u64) -> String {
    format!("msg_{job}_{effect}")
}

/// What a change is to webhooks: event, its name, and the output that it is about. The first that a hook wants is sent:
/// the end of a job is also a change of it, and is told once.
fn occurrences(change: &Change) -> Vec<(WebhookEvent, String, Option<usize>)> {
    let of_output = |what: &str| format!("output.{what}");
    match &change.subject {
        Subject::Job(state) => {
            let name = format!("job.{}", state.as_str());
            let ended = state.is_over().then(|| (WebhookEvent::JobEnded, name.clone(), None));
            ended.into_iter().chain([(WebhookEvent::JobChanged, name, None)]).collect()
        }
        Subject::Output(index, state) if state.is_over() => {
            vec![(WebhookEvent::OutputEnded, of_output(state.as_str()), Some(*index))]
        }
        Subject::Playable(index, _) => vec![(WebhookEvent::OutputPlayable, of_output("playable"), Some(*index))],
        Subject::Output(..) | Subject::Input(..) => Vec::new(),
    }
}

fn message(
    record: &JobRecord,
    change: &Change,
    (webhook, hook): (usize, &WebhookSpec),
    event: &str,
    output: Option<usize>,
) -> Effect {
    let mut data = json!({
        "id": record.id.to_string(),
        "reference_id": record.spec.reference_id,
        "state": record.state().as_str(),
        "problem": record.problem,
        "labels": record.spec.labels,
        "outputs": (0..record.outputs.len()).map(|index| output_json(record, index)).collect::<Vec<_>>(),
    });
    if let Some(output) = output.and_then(|index| record.outputs.get(index)) {
        data["output_id"] = Value::from(output.id.as_str());
    }
    let body = json!({ "type": event, "timestamp": utc(change.unix_ms), "data": data });
    Effect::Webhook {
        webhook,
        url: hook.url.clone(),
        secret_name: hook.secret_name.clone(),
        event: event.to_owned(),
        body: body.to_string(),
    }
}

fn output_json(record: &JobRecord, index: usize) -> Value {
    let output = &record.outputs[index];
    let destination = record.spec.outputs.get(index).map(|spec| spec.destination.to_string()).unwrap_or_default();
    let uri = |path: &str| format!("{}/{path}", destination.trim_end_matches('/'));
    let file = |file: &crate::model::job::FileSummary| json!({ "role": file.role, "uri": uri(&file.path), "bytes": file.bytes });
    json!({
        "id": output.id,
        "destination": destination,
        "state": output.state().as_str(),
        "problem": output.problem,
        "files": output.files.iter().map(file).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::testing::record;
    use crate::model::state::{JobEvent, OutputEvent};
    use crate::model::{Fault, Problem};

    fn told(events: &[WebhookEvent], change: impl Fn(&mut JobRecord)) -> Vec<(String, Value)> {
        let mut record = record(2);
        record.take_changes();
        record.spec.webhooks =
            vec![WebhookSpec { url: "https://h/".into(), events: events.to_vec(), secret_name: "default".into() }];
        change(&mut record);
        let text = |effect| match effect {
            Effect::Webhook { event, body, .. } => (event, serde_json::from_str(&body).unwrap()),
            Effect::Remove { .. } => panic!("nothing is removed"),
        };
        effects(&record).into_iter().map(text).collect()
    }

    fn run_to_failure(record: &mut JobRecord) {
        record.job(JobEvent::Begin, 1, None);
        record.job(JobEvent::Prepared, 2, None);
        record.output(0, OutputEvent::Begin, 3, None);
        record.playable(0, 4);
        let full = Problem::new(Fault::Sink, "output.full", "no room");
        record.output(0, OutputEvent::Fail, 5, Some(full.clone()));
        record.job(JobEvent::Fail, 1_700_000_000_123, Some(full));
    }

    #[test]
    fn the_end_is_told_once_with_its_reason() {
        let told = told(&[WebhookEvent::JobEnded], run_to_failure);
        assert_eq!(told.len(), 1);
        let (event, body) = &told[0];
        assert_eq!((event.as_str(), body["timestamp"].as_str()), ("job.failed", Some("2023-11-14T22:13:20.123Z")));
        assert_eq!((body["data"]["state"].as_str(), body["type"].as_str()), (Some("failed"), Some("job.failed")));
        assert_eq!(body["data"]["problem"]["code"], "output.full");
        assert_eq!(body["data"]["outputs"][0]["state"], "failed");
        assert_eq!(body["data"]["outputs"][1]["state"], "pending");
    }

    #[test]
    fn each_change_is_told_to_who_asked_for_it() {
        let all =
            [WebhookEvent::JobEnded, WebhookEvent::JobChanged, WebhookEvent::OutputEnded, WebhookEvent::OutputPlayable];
        let names: Vec<_> = told(&all, run_to_failure).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["job.preparing", "job.running", "output.playable", "output.failed", "job.failed"]);
        let playable = told(&[WebhookEvent::OutputPlayable], run_to_failure);
        assert_eq!((playable.len(), &playable[0].1["data"]["output_id"]), (1, &Value::from("output-1")));
    }
}
