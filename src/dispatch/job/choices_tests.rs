//! Which ways there are, and which not.

use super::*;
use crate::dispatch::fleet::tests::card;
use crate::model::device::{Ability as Known, Verdict};
use crate::model::facts::{ColorTags, MediaFacts, Scan, StreamFacts, StreamKind, VideoFacts};
use crate::model::{Ratio, VideoCodec};
use crate::plan::{Node, RenditionSpec, Request, plan};

fn facts() -> MediaFacts {
    let plan = crate::plan::Request::default();
    let _ = plan;
    let json = include_str!("choices_facts.json");
    serde_json::from_str(json).unwrap()
}
