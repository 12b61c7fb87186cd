//! Webhooks: where they go, of what they tell, and with which secret they are signed.

use super::found::Found;
use super::path;
use crate::api::settings::Rules;
use crate::api::v1;
use crate::model::spec::{WebhookEvent, WebhookSpec};
use url::Url;

/// Longest address, bytes: what common servers take.
const URL_BYTES_MAX: usize = 2048;
/// The secret when none is named.
const SECRET_DEFAULT: &str = "default";
/// Most events in a list; there are not as many.
const EVENTS_MAX: usize = 8;

/// The webhooks of a job, in its order.
pub(super) fn webhooks(asked: &[v1::WebhookSpec], rules: &Rules, found: &mut Found) -> Vec<WebhookSpec> {
    let mut webhooks = Vec::new();
    for (index, webhook) in asked.iter().enumerate() {
        let field = path(&format!("webhooks[{index}]"));
        if let Err(why) = check_url(&webhook.url, rules) {
            found.add(format!("{field}.url"), "request.url", format!("the address of a webhook {why}"));
        }
        let mut events = found.values(&format!("{field}.events"), &webhook.events, EVENTS_MAX);
        events.sort_unstable();
        events.dedup();
        if events.is_empty() {
            events.push(WebhookEvent::JobEnded);
        }
        let secret_name = if webhook.secret_name.is_empty() { SECRET_DEFAULT } else { &webhook.secret_name };
        if !rules.secret_names.contains(secret_name) {
            let shown: String = secret_name.chars().take(64).collect();
            let message = format!(
                "this node has no secret `{}`: see `webhooks.secrets` in its configuration",
                shown.escape_debug()
            );
            found.add(format!("{field}.secret_name"), "request.unknown_secret", message);
        }
        webhooks.push(WebhookSpec { url: webhook.url.clone(), events, secret_name: secret_name.to_owned() });
    }
    webhooks
}

fn check_url(text: &str, rules: &Rules) -> Result<(), String> {
    if text.len() > URL_BYTES_MAX {
        return Err(format!("is too long: at most {URL_BYTES_MAX} bytes"));
    }
    // `Url` would drop tabs and new lines, and take another address than was written.
    if text.chars().any(|c| c.is_control() || c == ' ') {
        return Err("has a control character or a space in it: take it out".into());
    }
    let url = Url::parse(text).map_err(|error| format!("cannot be read ({error}): write https://host/path"))?;
    (rules.webhook_rule)(&url).map_err(|why| format!("{why}; give another one"))
}
