//! What was told to webhooks, as the API tells it.

use super::shown;
use super::time::timestamp;
use crate::api::v1;
use crate::report::webhook::message_id;
use crate::store::{Effect, EffectAttempt, EffectState, StoredEffect};

/// A message to a webhook; `None` for an effect of another kind.
pub(in crate::api) fn delivery(effect: &StoredEffect) -> Option<v1::Delivery> {
    use v1::delivery::State;
    let Effect::Webhook { url, event, .. } = &effect.effect else { return None };
    let (state, next) = match effect.state {
        EffectState::Due(unix_ms) => (State::Pending, Some(timestamp(unix_ms))),
        EffectState::Done => (State::Delivered, None),
        EffectState::Dead => (State::Dead, None),
    };
    Some(v1::Delivery {
        id: message_id(effect.job, effect.id),
        url: shown::address_shown(url),
        event: event.clone(),
        state: state.into(),
        attempts: effect.attempts.iter().map(attempt).collect(),
        next_time: next,
    })
}

fn attempt(attempt: &EffectAttempt) -> v1::delivery::Attempt {
    v1::delivery::Attempt {
        time: Some(timestamp(attempt.unix_ms)),
        status: attempt.status.map_or(0, u32::from),
        error: attempt.error.clone(),
        elapsed_ms: attempt.elapsed_ms,
    }
}
