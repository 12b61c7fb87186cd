//! `reelmill.v1.NodeService`.

use super::shared::{Shared, caller};
use super::status::status;
use super::{convert, v1};
use crate::dispatch::{DRAIN_DEADLINE_MAX, Drain, DrainStatus, NodeDevice};
use crate::model::Problem;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use v1::node_service_server::NodeService;

/// Answers calls about the node.
pub(super) struct Node(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl NodeService for Node {
    async fn get_node(&self, _: Request<v1::GetNodeRequest>) -> Result<Response<v1::GetNodeResponse>, Status> {
        let node = self.0.appliance.status();
        Ok(Response::new(v1::GetNodeResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: Some(convert::timestamp(node.started_unix_ms)),
            devices: node.devices.iter().map(device).collect(),
            jobs_queued: node.jobs_queued,
            jobs_active: node.jobs_active,
            draining: node.drain.is_some(),
            spans_running: node.spans_running,
            drain: node.drain.map(drain),
        }))
    }

    async fn drain_node(
        &self,
        request: Request<v1::DrainNodeRequest>,
    ) -> Result<Response<v1::DrainNodeResponse>, Status> {
        if !caller(&request)?.admin {
            let message = "draining concerns the jobs of all owners: use the token of an administrator";
            return Err(status(&Problem::input("auth.not_allowed", message)));
        }
        // What is asked for is what holds from now on; the node's own figures follow a moment later.
        let wish = wish(request.get_ref()).map_err(|problem| status(&problem))?;
        self.0.appliance.drain(wish);
        let now = self.0.appliance.status();
        let (jobs_active, spans_running) = (now.jobs_active, now.spans_running);
        Ok(Response::new(v1::DrainNodeResponse { draining: wish.is_some(), jobs_active, spans_running }))
    }
}

/// What a client wishes; `None`: that work is taken up again.
fn wish(request: &v1::DrainNodeRequest) -> Result<Option<Drain>, Problem> {
    let refused = |what: String| Problem::input("request.duration", what).at("deadline");
    let deadline = match &request.deadline {
        None => None,
        Some(deadline) => {
            let max_s = DRAIN_DEADLINE_MAX.as_secs();
            let length = std::time::Duration::try_from(*deadline).ok().filter(|length| *length <= DRAIN_DEADLINE_MAX);
            Some(
                length
                    .ok_or_else(|| refused(format!("a deadline is from 0 to {max_s} s from now: give one of those")))?,
            )
        }
    };
    let said = deadline.is_some() || request.hand_back;
    if !request.drain && said {
        let message = "a deadline and handing back are of draining: set `drain`, or leave them out";
        return Err(Problem::input("request.value", message).at("drain"));
    }
    Ok(request.drain.then_some(Drain { deadline, hand_back: request.hand_back }))
}

fn drain(status: DrainStatus) -> v1::Drain {
    v1::Drain {
        start_time: Some(convert::timestamp(status.since_unix_ms)),
        deadline_time: status.deadline_unix_ms.map(convert::timestamp),
        hand_back: status.hand_back,
        jobs_handed_back: status.handed_back,
    }
}

fn device(device: &NodeDevice) -> v1::Device {
    let capacity = device.capacity.iter().map(|(dimension, total, held)| v1::Capacity {
        dimension: dimension.clone(),
        total: *total,
        held: *held,
    });
    let mut told = v1::Device {
        id: device.id.clone(),
        kind: device.kind.to_owned(),
        name: device.name.clone(),
        capacity: capacity.collect(),
        stages: device.stages.iter().map(|stage| (*stage).to_owned()).collect(),
        ..v1::Device::default()
    };
    if let Some(info) = &device.info {
        told.driver.clone_from(&info.driver);
        told.model.clone_from(&info.model);
        told.memory_mib = info.memory_mib;
        (told.encode_engines, told.decode_engines) = (info.encode_engines, info.decode_engines);
        told.simulated = info.simulated;
        told.abilities = info.abilities.iter().map(convert::ability).collect();
    }
    told
}
