//! `reelmill.v1.NodeService`.

use super::shared::{Shared, caller};
use super::status::status;
use super::{convert, v1};
use crate::dispatch::NodeDevice;
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
            draining: node.draining,
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
        let draining = request.get_ref().drain;
        self.0.appliance.drain(draining);
        let jobs_active = self.0.appliance.status().jobs_active;
        Ok(Response::new(v1::DrainNodeResponse { draining, jobs_active }))
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
