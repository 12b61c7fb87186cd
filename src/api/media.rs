//! `reelmill.v1.MediaService`.

use super::shared::{Shared, caller, checked};
use super::status::{refused, status};
use super::validate::Found;
use super::{convert, v1, validate};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use v1::media_service_server::MediaService;

/// Answers calls about media.
pub(super) struct Media(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl MediaService for Media {
    async fn probe_media(
        &self,
        request: Request<v1::ProbeMediaRequest>,
    ) -> Result<Response<v1::ProbeMediaResponse>, Status> {
        let mut found = Found::default();
        let located = validate::source_locator(&request.get_ref().uri, &self.0.settings.rules);
        let locator = located.map_err(|problem| found.problems.push(problem.at("uri")));
        checked(&found)?;
        let Ok(locator) = locator else { return Err(refused(&found.problems)) };
        let facts = self.0.appliance.probe(locator).await.map_err(|problem| status(&problem))?;
        Ok(Response::new(v1::ProbeMediaResponse { facts: Some(convert::facts(&facts)) }))
    }

    async fn plan_job(&self, request: Request<v1::PlanJobRequest>) -> Result<Response<v1::PlanJobResponse>, Status> {
        let caller = caller(&request)?;
        let spec = validate::job(request.get_ref().job.as_ref(), &caller.owner, &self.0.settings);
        let spec = spec.map_err(|problems| refused(&problems))?;
        let planned = self.0.appliance.plan(spec.clone()).await.map_err(|problem| status(&problem))?;
        Ok(Response::new(convert::planned(&planned, &spec)))
    }
}
