//! `reelmill.v1.UsageService`: bills added up. Rows come from the store in the order of the groups, so that no more than a
//! page of groups is ever held.

use super::gate::Caller;
use super::page::unix_ms;
use super::shared::{Shared, caller, checked, failed};
use super::validate::Found;
use super::{convert, v1};
use crate::model::bill::{Cost, UsageRow, add_cost};
use crate::model::{JobId, bill::OutputUsage};
use crate::store::{PAGE_MAX, UsagePlace, UsageQuery};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use v1::query_usage_request::GroupBy;
use v1::usage_service_server::UsageService;

/// Groups on a page when no number is asked for.
const PAGE_USUAL: usize = 50;
/// Longest owner that is asked for, bytes: names of tokens are shorter.
const OWNER_BYTES_MAX: usize = 256;

/// Answers calls about usage.
pub(super) struct Usage(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl UsageService for Usage {
    async fn query_usage(
        &self,
        request: Request<v1::QueryUsageRequest>,
    ) -> Result<Response<v1::QueryUsageResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut found = Found::default();
        let (mut query, by, limit) = query(&request, &caller, &mut found);
        checked(&found)?;
        if !request.owner.is_empty() && !caller.sees(&request.owner) {
            return Ok(Response::new(v1::QueryUsageResponse::default()));
        }
        let mut groups: Vec<Group> = Vec::new();
        let next_page_token = 'all: loop {
            let rows = self.0.store().usage(query.clone()).await.map_err(failed)?;
            let Some(last) = rows.last().map(|row| UsagePlace::of(row, query.by_owner)) else {
                break String::new();
            };
            for row in rows {
                match groups.last_mut() {
                    Some(group) if group.takes(&row, by) => group.add(&row),
                    Some(group) if group.number >= limit => {
                        break 'all token(&request, &group.place(by));
                    }
                    last => {
                        let number = last.map_or(0, |last| last.number) + 1;
                        groups.push(Group::new(row, by, number));
                    }
                }
            }
            query.after = Some(last);
        };
        let groups = groups.into_iter().map(|group| group.told(by)).collect();
        Ok(Response::new(v1::QueryUsageResponse { groups, next_page_token }))
    }
}

/// What a request asks for: rows, how they are added up, and how many groups.
fn query(request: &v1::QueryUsageRequest, caller: &Caller, found: &mut Found) -> (UsageQuery, GroupBy, usize) {
    found.text("owner", &request.owner, OWNER_BYTES_MAX);
    let by = GroupBy::try_from(request.group_by).unwrap_or_else(|_| {
        let message = format!("{} is no way to group: use a named value of the API", request.group_by);
        found.add("group_by", "request.value", message);
        GroupBy::Unspecified
    });
    let by = if by == GroupBy::Unspecified { GroupBy::Owner } else { by };
    let from_unix_ms = unix_ms("end_from", request.end_from.as_ref(), found);
    let to_unix_ms = unix_ms("end_to", request.end_to.as_ref(), found);
    if from_unix_ms.zip(to_unix_ms).is_some_and(|(from, to)| from > to) {
        found.add("end_to", "request.time", "the time ends before it begins: give a later end_to");
    }
    let after = (!request.page_token.is_empty()).then(|| opened(request)).flatten();
    if after.is_none() && !request.page_token.is_empty() {
        let message = "the token was not given out for this: give `next_page_token` of the page before, and the same \
                       request otherwise";
        found.add("page_token", "request.page_token", message);
    }
    let asked = (!request.owner.is_empty()).then(|| request.owner.clone());
    let owner = if caller.admin { asked } else { Some(caller.owner.clone()) };
    let limit = match request.page_size as usize {
        0 => PAGE_USUAL,
        size => size.min(PAGE_MAX),
    };
    let by_owner = by == GroupBy::Owner;
    (UsageQuery { owner, from_unix_ms, to_unix_ms, by_owner, after, limit: PAGE_MAX }, by, limit)
}

/// What is added up.
struct Group {
    /// Of the page, from 1.
    number: usize,
    last: UsageRow,
    sum: OutputUsage,
    costs: Vec<Cost>,
    jobs: u64,
    outputs: u64,
    /// Of an owner jobs come one after another, so the last one tells a new one.
    ended_unix_ms: i64,
}

impl Group {
    fn new(row: UsageRow, by: GroupBy, number: usize) -> Self {
        let mut sum = row.usage.clone();
        let costs = sum.cost.take().into_iter().collect();
        if by != GroupBy::Output {
            sum.output.clear();
        }
        Self { number, sum, costs, jobs: 1, outputs: 1, ended_unix_ms: row.ended_unix_ms, last: row }
    }

    fn takes(&self, row: &UsageRow, by: GroupBy) -> bool {
        match by {
            GroupBy::Job => self.last.job == row.job,
            GroupBy::Output => false,
            GroupBy::Owner | GroupBy::Unspecified => self.last.owner == row.owner,
        }
    }

    fn add(&mut self, row: &UsageRow) {
        self.sum.add(&row.usage);
        if let Some(cost) = &row.usage.cost {
            add_cost(&mut self.costs, cost);
        }
        self.jobs += u64::from(self.last.job != row.job);
        self.outputs += 1;
        self.ended_unix_ms = self.ended_unix_ms.max(row.ended_unix_ms);
        self.last = row.clone();
    }

    fn place(&self, by: GroupBy) -> UsagePlace {
        match by {
            GroupBy::Owner => UsagePlace::behind(self.last.owner.clone()),
            _ => UsagePlace::of(&self.last, false),
        }
    }

    fn told(self, by: GroupBy) -> v1::UsageGroup {
        let of_owner = by == GroupBy::Owner;
        v1::UsageGroup {
            owner: self.last.owner,
            job_id: if of_owner { String::new() } else { self.last.job.to_string() },
            reference_id: if of_owner { String::new() } else { self.last.reference_id },
            labels: if of_owner { Default::default() } else { self.last.labels.into_iter().collect() },
            end_time: Some(convert::timestamp(self.ended_unix_ms)),
            jobs: self.jobs,
            outputs: self.outputs,
            usage: Some(convert::output_usage(&self.sum)),
            costs: self.costs.iter().map(convert::cost).collect(),
        }
    }
}

/// The token of the page behind a place: the beginning of the request's hash, the end, the job, the output, the owner.
fn token(request: &v1::QueryUsageRequest, place: &UsagePlace) -> String {
    let mut bytes = filters(request).to_vec();
    bytes.extend(place.ended_unix_ms.to_be_bytes());
    bytes.extend(place.job.number().to_be_bytes());
    bytes.extend((place.output as u64).to_be_bytes());
    bytes.extend(place.owner.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn opened(request: &v1::QueryUsageRequest) -> Option<UsagePlace> {
    let bytes = URL_SAFE_NO_PAD.decode(&request.page_token).ok()?;
    let (hash, rest) = bytes.split_first_chunk::<8>()?;
    let (ended, rest) = rest.split_first_chunk::<8>()?;
    let (job, rest) = rest.split_first_chunk::<16>()?;
    let (output, owner) = rest.split_first_chunk::<8>()?;
    let place = UsagePlace {
        owner: std::str::from_utf8(owner).ok()?.to_owned(),
        ended_unix_ms: i64::from_be_bytes(*ended),
        job: JobId::from_number(u128::from_be_bytes(*job)),
        output: u64::from_be_bytes(*output) as usize,
    };
    (*hash == filters(request)).then_some(place)
}

/// Eight bytes that differ when the rest of the request does.
fn filters(request: &v1::QueryUsageRequest) -> [u8; 8] {
    let rest = v1::QueryUsageRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let hash: [u8; 32] = Sha256::digest(rest.encode_to_vec()).into();
    hash.first_chunk().copied().unwrap_or_default()
}
