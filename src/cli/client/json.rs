//! Messages of the API as JSON, both ways, driven by their descriptors so that no field can be forgotten.
//!
//! Written with the names of the `.proto` files, states and other enums in lower case without their prefix (`running`),
//! numbers as numbers, times by RFC 3339 and lengths as `2.500s`. Read in that form, or as proto3 JSON has it.

use crate::api::v1;
use crate::model::Problem;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};
use serde_json::Value as Json;
use std::sync::OnceLock;

/// The descriptor of a message of the API.
fn descriptor(name: &str) -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| DescriptorPool::decode(v1::DESCRIPTORS).expect("descriptors are compiled in"));
    pool.get_message_by_name(&format!("reelmill.v1.{name}")).expect("only messages of the API are asked for")
}

/// A message as JSON. `name` is that of its type in the API.
pub(super) fn written(name: &str, message: &impl Message) -> Json {
    let mut dynamic = DynamicMessage::new(descriptor(name));
    // The same descriptors made both types.
    match dynamic.transcode_from(message) {
        Ok(()) => object(&dynamic),
        Err(_) => Json::Null,
    }
}

fn object(message: &DynamicMessage) -> Json {
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => return text_of::<prost_types::Timestamp>(message),
        "google.protobuf.Duration" => return text_of::<prost_types::Duration>(message),
        _ => {}
    }
    let descriptor = message.descriptor();
    let fields = descriptor.fields().filter(|field| !field.supports_presence() || message.has_field(field));
    let values = fields.filter_map(|field| Some((field.name().to_owned(), value(&field, &message.get_field(&field))?)));
    Json::Object(values.collect())
}

fn text_of<M: Message + Default + ToString>(message: &DynamicMessage) -> Json {
    message.transcode_to::<M>().map_or(Json::Null, |time| Json::String(time.to_string()))
}

/// A field's value; `None` where nothing was said. Numbers, truth values and lists are always told.
fn value(field: &FieldDescriptor, value: &Value) -> Option<Json> {
    Some(match value {
        Value::Bool(flag) => Json::Bool(*flag),
        Value::I32(number) => (*number).into(),
        Value::I64(number) => (*number).into(),
        Value::U32(number) => (*number).into(),
        Value::U64(number) => (*number).into(),
        Value::String(text) => Json::String(Some(text).filter(|text| !text.is_empty())?.clone()),
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(kind) if *number != 0 => Json::String(short(&kind, *number)),
            _ => return None,
        },
        Value::Message(message) => object(message),
        Value::List(items) => items.iter().filter_map(|item| self::value(field, item)).collect(),
        Value::Map(entries) if entries.is_empty() => return None,
        Value::Map(entries) => {
            let text = |key: &prost_reflect::MapKey| key.as_str().unwrap_or_default().to_owned();
            entries.iter().filter_map(|(key, item)| Some((text(key), self::value(field, item)?))).collect()
        }
        Value::F32(_) | Value::F64(_) | Value::Bytes(_) => return None,
    })
}

/// `JOB_STATE_` of `JobState`: what its names begin with.
fn prefix(kind: &EnumDescriptor) -> String {
    let zero = kind.default_value();
    zero.name().strip_suffix("UNSPECIFIED").unwrap_or_default().to_owned()
}

/// The name of a value in lower case, without what all names of its enum begin with.
fn short(kind: &EnumDescriptor, number: i32) -> String {
    let Some(value) = kind.get_value(number) else { return number.to_string() };
    value.name().strip_prefix(&prefix(kind)).unwrap_or(value.name()).to_lowercase()
}

/// The name of an enum's value as other parts of the program have it: `running`.
pub(super) fn name_of(enumeration: &str, number: i32) -> String {
    let pool = descriptor("Job").parent_pool().clone();
    let kind = pool.get_enum_by_name(&format!("reelmill.v1.{enumeration}"));
    kind.filter(|_| number != 0).map_or_else(|| "unknown".to_owned(), |kind| short(&kind, number))
}

/// Reads a job: what `reelmill get --json` has under `spec`, or proto3 JSON.
///
/// # Errors
/// `client.job`, with the line or the field.
pub(super) fn job(text: &str) -> Result<v1::JobSpec, Problem> {
    let bad = |error: &dyn std::fmt::Display| Problem::input("client.job", format!("this is no job as JSON: {error}"));
    let mut json: Json = serde_json::from_str(text).map_err(|error| bad(&error))?;
    let descriptor = descriptor("JobSpec");
    long_names(&descriptor, &mut json);
    let message = DynamicMessage::deserialize(descriptor, json).map_err(|error| bad(&error))?;
    message.transcode_to().map_err(|error| bad(&error))
}

/// Gives enums their full names where they were written short.
fn long_names(descriptor: &MessageDescriptor, json: &mut Json) {
    let Json::Object(members) = json else { return };
    for (name, member) in members {
        let field = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
        let Some(field) = field.filter(|field| !field.is_map()) else { continue };
        let items = match member {
            Json::Array(items) => items.as_mut_slice(),
            other => std::slice::from_mut(other),
        };
        for item in items {
            match (field.kind(), item.as_str()) {
                (Kind::Message(inner), None) => long_names(&inner, item),
                (Kind::Enum(kind), Some(text)) if kind.get_value_by_name(text).is_none() => {
                    *item = Json::String(format!("{}{}", prefix(&kind), text.to_uppercase().replace('-', "_")));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_as_it_is_written() {
        let text = r#"{"reference_id": "r", "priority": "high", "start_time": "2026-01-02T03:04:05Z", "labels": {"a": "b"},
            "sources": [{"uri": "/in.mp4", "start": "2.500s"}],
            "outputs": [{"destination": "s3://bucket/out", "if_exists": "replace", "packagings": ["cmaf", "ts"],
                         "rate_control": {"mode": "capped_crf", "crf": 23}, "segment_duration": "4s"}]}"#;
        let spec = job(text).unwrap();
        assert_eq!((spec.priority(), spec.outputs[0].if_exists()), (v1::Priority::High, v1::IfExists::Replace));
        assert_eq!(spec.outputs[0].rate_control.unwrap().mode(), v1::rate_control::Mode::CappedCrf);
        assert_eq!(spec.sources[0].start.unwrap().nanos, 500_000_000);
        let again = written("JobSpec", &spec);
        assert_eq!(again["outputs"][0]["packagings"], serde_json::json!(["cmaf", "ts"]));
        assert_eq!(
            (&again["priority"], &again["start_time"]),
            (&Json::from("high"), &Json::from("2026-01-02T03:04:05Z"))
        );
        assert_eq!(job(&again.to_string()).unwrap(), spec);
        let proto3 = r#"{"referenceId": "r", "priority": "PRIORITY_HIGH", "onOutputFailure": 2}"#;
        assert_eq!(job(proto3).unwrap().on_output_failure(), v1::OnOutputFailure::StopJob);
    }

    #[test]
    fn what_is_no_job_is_refused_with_the_place() {
        for (text, place) in [
            ("{", "line 1"),
            ("[]", "expected a map"),
            (r#"{"refrence_id": "x"}"#, "refrence_id"),
            (r#"{"priority": "urgent"}"#, "PRIORITY_URGENT"),
            (r#"{"outputs": [{"spans": -1}]}"#, "out of range"),
        ] {
            let problem = job(text).unwrap_err();
            assert_eq!(problem.code, "client.job");
            assert!(problem.message.contains(place), "{}", problem.message);
        }
    }

    #[test]
    fn states_have_the_names_of_the_model() {
        use crate::model::state::{InputState, JobState, OutputState};
        for (number, state) in JobState::ALL.iter().enumerate() {
            assert_eq!(name_of("JobState", number as i32 + 1), state.as_str());
        }
        for (number, state) in OutputState::ALL.iter().enumerate() {
            assert_eq!(name_of("OutputState", number as i32 + 1), state.as_str());
        }
        for (number, state) in InputState::ALL.iter().enumerate() {
            assert_eq!(name_of("InputState", number as i32 + 1), state.as_str());
        }
        assert_eq!((name_of("JobState", 0), name_of("JobState", 99)), ("unknown".into(), "99".into()));
    }

    #[test]
    fn numbers_are_always_told_and_what_is_empty_is_not() {
        let json = written("Job", &v1::Job { id: "1".into(), state: 3, outputs_ready: 0, ..v1::Job::default() });
        assert_eq!((&json["state"], &json["outputs_ready"]), (&Json::from("running"), &Json::from(0)));
        assert!(
            json.get("reference_id").is_none()
                && json.get("problem").is_none()
                && json["outputs"] == serde_json::json!([])
        );
    }
}
