//! Options of encoders, as the API tells them.

use crate::api::v1;
use crate::model::request::EncoderOption;

/// What is asked.
pub(crate) fn encoder_options(asked: &[EncoderOption]) -> Vec<v1::EncoderOption> {
    let one = |option: &EncoderOption| v1::EncoderOption {
        encoder: option.encoder.clone(),
        name: option.name.clone(),
        value: option.value.clone(),
    };
    asked.iter().map(one).collect()
}
