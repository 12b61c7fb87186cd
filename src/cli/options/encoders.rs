//! Options of encoders, as they are said on a command line.

use crate::model::Problem;
use crate::model::request::EncoderOption;

/// Options about encoders.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Encoders")]
pub(crate) struct EncoderFlags {
    /// Set an option of an encoder, such as libx264:aq-mode=3; may be given again
    #[arg(long = "encoder-option", value_name = "ENCODER:NAME=VALUE")]
    pub(crate) encoder_options: Vec<String>,
}

impl EncoderFlags {
    /// What is meant.
    ///
    /// # Errors
    /// `request.encoder_option`.
    pub(crate) fn options(&self) -> Result<Vec<EncoderOption>, Problem> {
        self.encoder_options.iter().map(|text| text.parse()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_one_by_one() {
        let flags = EncoderFlags { encoder_options: vec!["libx264:psy-rd=1,0.15".into(), "libx265:rd=4".into()] };
        let read: Vec<String> = flags.options().unwrap().into_iter().map(String::from).collect();
        assert_eq!(read, flags.encoder_options);
        let bad = EncoderFlags { encoder_options: vec!["aq-mode=3".into()] };
        assert_eq!(bad.options().unwrap_err().code, "request.encoder_option");
    }
}
