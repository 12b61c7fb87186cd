//! Devices and what they can do.

use crate::api::v1;
use crate::model::device::{Ability, Verdict};

/// An ability as the API tells it.
pub(in crate::api) fn ability(ability: &Ability) -> v1::Ability {
    let mut told = v1::Ability {
        operation: ability.operation.name().to_owned(),
        codec: ability.codec.clone(),
        depth: ability.depth.into(),
        ..v1::Ability::default()
    };
    let verdict = match &ability.verdict {
        Verdict::Works => v1::ability::Verdict::Works,
        Verdict::Untried => v1::ability::Verdict::Untried,
        Verdict::No { code, reason, remedy } => {
            told.code.clone_from(code);
            told.reason.clone_from(reason);
            told.remedy.clone_from(remedy);
            v1::ability::Verdict::No
        }
    };
    told.set_verdict(verdict);
    told
}
