//! One attempt at one effect.

use super::url_rules::{Objection, check};
use super::verdict::Failed;
use super::{Outbox, SigningKeys};
use crate::model::Problem;
use crate::net::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use crate::net::{Failure, Method, Response, Target, retry_after};
use crate::report::webhook::message_id;
use crate::store::{Effect, StoredEffect};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

/// What is read of an answer: enough for an error message, and nobody needs more of it.
const ANSWER_BYTES_MAX: usize = 4096;
/// What is kept of it in the log of attempts, characters.
const EXCERPT_CHARS_MAX: usize = 200;
/// How long the body of an answer may take: its head has told what counts.
const ANSWER_BODY_TIMEOUT: Duration = Duration::from_millis(500);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Outcome {
    /// HTTP status, where there was one.
    pub(super) status: Option<u16>,
    /// What went wrong.
    pub(super) failed: Option<Failed>,
}

impl From<Failed> for Outcome {
    fn from(failed: Failed) -> Self {
        Self { status: None, failed: Some(failed) }
    }
}

/// Makes an attempt. A panic in it is an outcome too: whatever it was, the effect must not be started for ever.
pub(super) async fn attempt(outbox: &Outbox, effect: &StoredEffect) -> Outcome {
    let attempt = async {
        match &effect.effect {
            Effect::Webhook { url, secret_name, body, .. } => {
                let id = message_id(effect.job, effect.id);
                tell(outbox, &id, url, secret_name, body).await.unwrap_or_else(Outcome::from)
            }
            Effect::Remove { output, destination, paths } => {
                let removal = outbox.remover.remove(effect.job, *output, destination, paths.clone());
                let late = || Problem::sink("output.remove_timed_out", "the removal took too long; it is tried again");
                let removed = timeout(outbox.settings.remove_timeout, removal).await.unwrap_or_else(|_| Err(late()));
                Outcome { status: None, failed: removed.err().map(Failed::removal) }
            }
        }
    };
    AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(|_| {
        Failed::for_good(Problem::bug("internal.panic", "a part of the program ended in the middle; see the log"))
            .into()
    })
}

async fn tell(outbox: &Outbox, id: &str, url: &str, secret_name: &str, body: &str) -> Result<Outcome, Failed> {
    let settings = &outbox.settings;
    // The rules may have changed since the job was taken.
    check(url, &settings.rules).map_err(|objection| {
        let (code, why) = match objection {
            Objection::Address(why) => ("webhook.address_refused", why),
            Objection::Form(why) => ("webhook.url_refused", why),
        };
        Failed::for_good(Problem::sink(code, format!("the receiver was not told: its address {why}")))
    })?;
    let target = Target::parse(url).map_err(|failure| Failed::without_answer(&failure))?;
    let keys = settings.secrets.get(secret_name).ok_or_else(|| {
        let message = format!("this node has no secret `{secret_name}`; add it to `webhooks.secrets`");
        Failed::for_good(Problem::sink("webhook.secret_missing", message))
    })?;
    let headers = headers(keys, id, body);
    let sent = outbox.client.send(&Method::POST, &target, &headers, body.to_owned().into());
    let answer = timeout(settings.timeout, sent).await.unwrap_or(Err(Failure::TimedOut));
    let answer = answer.map_err(|failure| Failed::without_answer(&failure))?;
    let status = answer.status();
    let wait = answer.header(&RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
    // Of a success it is read too, so that the connection can be used again.
    let excerpt = excerpt(answer).await;
    let failed = (!status.is_success()).then(|| Failed::answered(status, &excerpt, wait));
    Ok(Outcome { status: Some(status.as_u16()), failed })
}

fn headers(keys: &SigningKeys, id: &str, body: &str) -> HeaderMap {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
    let signature = keys.sign(id, &seconds, body.as_bytes());
    let value = |text: &str| HeaderValue::from_str(text).expect("ids, numbers and base64 are visible ASCII");
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (WEBHOOK_ID, value(id)),
        (WEBHOOK_TIMESTAMP, value(&seconds)),
        (WEBHOOK_SIGNATURE, value(&signature)),
    ])
}

/// The beginning of an answer's body as one line of text; empty where there is none in time.
async fn excerpt(answer: Response) -> String {
    let bytes = match timeout(ANSWER_BODY_TIMEOUT, answer.beginning(ANSWER_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    let text = String::from_utf8_lossy(&bytes);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(EXCERPT_CHARS_MAX).collect()
}
