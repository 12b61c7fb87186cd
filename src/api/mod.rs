//! The public gRPC API: what clients say, checked, and what they are answered. Carries nothing out itself: it drives an
//! [`Appliance`], which is `dispatch`'s engine in the daemon and a fake in tests of requests.

mod convert;
mod counted;
mod gate;
mod jobs;
mod media;
mod node;
mod page;
mod server;
mod settings;
mod shared;
mod status;
mod usage;
mod validate;
mod watch;

pub use crate::dispatch::{Appliance, NodeDevice, NodeStatus, Placement, Planned, Reply, StopOutcome};
pub(crate) use convert::encoders::encoder_options;
pub(crate) use convert::facts;
pub(crate) use convert::manifests::manifests;
pub(crate) use convert::metadata::file_metadata;
pub(crate) use convert::picture::picture;
pub(crate) use convert::sound::sound;
pub(crate) use convert::stills::{sprites, stills};
pub(crate) use convert::text::text;
pub(crate) use convert::time::micros;
pub(crate) use convert::watermark::watermark;
pub use server::{routes, serve};
pub use settings::{ApiSettings, CALLS_MAX, MESSAGE_BYTES_MAX, Rules, Tls, Token, UrlRule, WATCHERS_MAX, public_https};

/// Messages and services of `proto/reelmill/v1`; its comments are the reference.
pub mod v1 {
    #![expect(unused_qualifications, reason = "generated")]
    #![expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
    tonic::include_proto!("reelmill.v1");

    /// The descriptors of all of it, for reflection and for tools.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("reelmill_v1");
}
