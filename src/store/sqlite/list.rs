//! Pages of jobs: from a query to the one statement that reads no more than it must.
//!
//! The index is chosen here, not by SQLite, so that a page takes the same time whatever is stored: the reference, which
//! few jobs share; else owner and state, unless many jobs have those and a label is asked for too; else the label. Where
//! jobs of several states are asked for, each state is read from its own part of the index, newest first and no more than
//! a page, and the parts are merged.

use super::row::{number, stored};
use crate::model::JobId;
use crate::model::state::JobState;
use crate::store::{PAGE_MAX, Page, Query, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::collections::BTreeSet;

/// Jobs of an owner and of some states that are few: looking at the labels of each takes less than a millisecond.
const FEW: usize = 500;

/// A page of jobs, newest first, without facts.
pub(super) fn list(db: &Connection, query: &Query) -> Result<Page, StoreError> {
    let limit = query.limit.min(PAGE_MAX);
    let mut statement = Statement { by_label: is_by_label(db, query)?, ..Statement::default() };
    let sql = statement.page(query, limit + 1);
    let mut read = db.prepare_cached(&sql)?;
    let mut rows = read.query(params_from_iter(statement.values))?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        if page.jobs.len() == limit {
            page.more = true;
            break;
        }
        let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        page.jobs.push(stored(row.get(0)?, body, None)?);
    }
    Ok(page)
}

/// Whether the label is the better index, where there are others to choose from.
fn is_by_label(db: &Connection, query: &Query) -> Result<bool, StoreError> {
    if query.labels.is_empty() || query.reference_id.is_some() {
        return Ok(false);
    }
    if query.owner.is_none() && query.states.is_empty() {
        return Ok(true);
    }
    let others = Query { owner: query.owner.clone(), states: query.states.clone(), ..Query::default() };
    let mut statement = Statement::default();
    let ids = statement.ids(&others, FEW);
    let mut count = db.prepare_cached(&format!("SELECT count(*) FROM ({ids})"))?;
    let found: i64 = count.query_row(params_from_iter(statement.values), |row| row.get(0))?;
    Ok(found >= number(FEW))
}

/// A statement that is being written.
#[derive(Default)]
struct Statement {
    values: Vec<Value>,
    by_label: bool,
}

impl Statement {
    /// The statement for a page of `rows` rows.
    fn page(&mut self, query: &Query, rows: usize) -> String {
        format!(
            "SELECT jobs.revision, bodies.body FROM ({}) AS page CROSS JOIN jobs ON jobs.id = page.id \
             CROSS JOIN bodies ON bodies.job = page.id ORDER BY page.id DESC",
            self.ids(query, rows)
        )
    }

    /// The ids of a page of `rows` rows, newest first.
    fn ids(&mut self, query: &Query, rows: usize) -> String {
        let parts = self.parts(query);
        let end = format!("ORDER BY id DESC LIMIT {}", self.bind(number(rows)));
        let parts: Vec<String> = parts.iter().map(|part| format!("SELECT id FROM ({part} {end})")).collect();
        format!("{} {end}", parts.join(" UNION ALL "))
    }

    /// The ids, without order and end: one selection, or several that have no job in common.
    fn parts(&mut self, query: &Query) -> Vec<String> {
        let states: BTreeSet<JobState> = query.states.iter().copied().collect();
        if let Some(reference) = &query.reference_id {
            let filter = format!("reference = {}", self.bind(reference.clone()));
            let rest =
                [self.bounds(query, "id"), self.owner_and_states(query, &states), self.labels(query, 0)].concat();
            return vec![format!("SELECT id FROM jobs INDEXED BY jobs_by_reference WHERE {filter}{rest}")];
        }
        if let Some((name, value)) = query.labels.first_key_value().filter(|_| self.by_label) {
            let from = "SELECT labels.job AS id FROM labels CROSS JOIN jobs ON jobs.id = labels.job";
            let filter = format!("name = {} AND value = {}", self.bind(name.clone()), self.bind(value.clone()));
            let bounds = self.bounds(query, "labels.job");
            let rest = [bounds, self.owner_and_states(query, &states), self.labels(query, 1)].concat();
            return vec![format!("{from} WHERE {filter}{rest}")];
        }
        let rest = [self.bounds(query, "id"), self.labels(query, 0)].concat();
        let (index, filter) = match &query.owner {
            Some(owner) => ("jobs_by_owner", format!("owner = {} AND ", self.bind(owner.clone()))),
            None if states.is_empty() => {
                return vec![format!("SELECT id FROM jobs INDEXED BY jobs_by_time WHERE true{rest}")];
            }
            None => ("jobs_by_state", String::new()),
        };
        let states = if states.is_empty() { JobState::ALL.iter().copied().collect() } else { states };
        let part = |state: JobState| {
            let state = self.bind(state.as_str().to_owned());
            format!("SELECT id FROM jobs INDEXED BY {index} WHERE {filter}state = {state}{rest}")
        };
        states.into_iter().map(part).collect()
    }

    /// Where the page begins, in the column `id`, and the range of time.
    fn bounds(&mut self, query: &Query, id: &str) -> String {
        let mut text = String::new();
        if let Some(before) = query.before {
            text += &format!(" AND {id} < {}", self.bind(bytes(before)));
        }
        if let Some(from) = query.created_from_unix_ms {
            text += &format!(" AND created_unix_ms >= {}", self.bind(from));
        }
        if let Some(to) = query.created_to_unix_ms {
            text += &format!(" AND created_unix_ms < {}", self.bind(to));
        }
        text
    }

    /// Owner and states, where an index of something else gives the jobs.
    fn owner_and_states(&mut self, query: &Query, states: &BTreeSet<JobState>) -> String {
        let mut text = String::new();
        if let Some(owner) = &query.owner {
            text += &format!(" AND owner = {}", self.bind(owner.clone()));
        }
        if !states.is_empty() {
            let states: Vec<String> = states.iter().map(|state| self.bind(state.as_str().to_owned())).collect();
            text += &format!(" AND state IN ({})", states.join(", "));
        }
        text
    }

    /// The labels after the first `skip`.
    fn labels(&mut self, query: &Query, skip: usize) -> String {
        let mut text = String::new();
        for (name, value) in query.labels.iter().skip(skip) {
            let (name, value) = (self.bind(name.clone()), self.bind(value.clone()));
            text += &format!(
                " AND EXISTS (SELECT 1 FROM labels AS also WHERE also.name = {name} AND also.value = {value} \
                 AND also.job = jobs.id)"
            );
        }
        text
    }

    /// Gives the statement a value, and the value's place in it.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }
}

fn bytes(id: JobId) -> Vec<u8> {
    id.number().to_be_bytes().to_vec()
}
