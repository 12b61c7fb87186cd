//! Options of encoders, as asked over the API.

use crate::api::v1;
use crate::model::request::EncoderOption;

/// What is asked. What cannot be set is refused by `plan::check`.
pub(super) fn encoder_options(asked: &[v1::EncoderOption]) -> Vec<EncoderOption> {
    let one = |option: &v1::EncoderOption| EncoderOption {
        encoder: option.encoder.clone(),
        name: option.name.clone(),
        value: option.value.clone(),
    };
    // One more than there may be, so that the check sees that there are too many.
    asked.iter().take(crate::model::request::encoders::ENCODER_OPTIONS_MAX + 1).map(one).collect()
}
