//! What every call passes first: its token, the number of calls in flight, the time it may take. And on its way back, the
//! one answer of the library below that a client would not understand.

use super::counted::Counted;
use super::settings::{ApiSettings, Token};
use super::status::status;
use crate::model::{Fault, Problem};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time;
use tonic::Code;

/// Longest time for a call, seconds, watchers not counted: probing 16 slow sources one after another.
const CALL_SECONDS_MAX: u64 = 160;
/// Calls that need no token: an orchestrator asks for health before it has any secret.
const OPEN_TO_ALL: &str = "/grpc.health.v1.Health/";

/// Who calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    /// The owner of the jobs that are created; empty where no tokens are needed.
    pub(super) owner: String,
    /// Sees the jobs of all owners, and may drain the node.
    pub(super) admin: bool,
}

impl Caller {
    /// Whether jobs of this owner exist for the caller.
    pub(super) fn sees(&self, owner: &str) -> bool {
        self.admin || self.owner == owner
    }
}

/// Lets calls in.
#[derive(Debug)]
pub(super) struct Gate {
    tokens: Vec<Token>,
    calls: Semaphore,
    calls_max: usize,
    message_bytes_max: usize,
    counted: Counted,
}

impl Gate {
    pub(super) fn new(settings: &ApiSettings) -> Self {
        Self {
            tokens: settings.tokens.clone(),
            calls: Semaphore::new(settings.calls_max),
            calls_max: settings.calls_max,
            message_bytes_max: settings.message_bytes_max,
            counted: Counted::new(settings.metrics.clone()),
        }
    }

    /// Who holds this `authorization` header.
    fn caller(&self, header: Option<&[u8]>) -> Result<Caller, Problem> {
        if self.tokens.is_empty() {
            return Ok(Caller { owner: String::new(), admin: true });
        }
        let missing = || Problem::input("auth.missing", "a token is needed: send `authorization: Bearer <token>`");
        let header = header.ok_or_else(missing)?;
        let (scheme, secret) = header.split_at_checked("bearer ".len()).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(missing());
        }
        let sha256: [u8; 32] = Sha256::digest(secret.trim_ascii()).into();
        // All are compared, so that the time tells nothing of which one was near.
        let fitting = self.tokens.iter().filter(|token| token.fits(&sha256)).fold(None, |_, token| Some(token));
        let unknown = || Problem::input("auth.unknown", "the token is not known here: check it, or ask for a new one");
        fitting.map(|token| Caller { owner: token.name.clone(), admin: token.admin }).ok_or_else(unknown)
    }

    /// The library's own refusal of a long message has a status that stands for something else.
    fn too_long(&self, response: &Response) -> bool {
        let out_of_range = Code::OutOfRange as i32;
        response.headers().get("grpc-status").is_some_and(|code| code.as_bytes() == out_of_range.to_string().as_bytes())
    }
}

/// Passes a call on, or refuses it, and counts it.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(OPEN_TO_ALL) {
        return next.run(request).await;
    }
    let (path, began) = (request.uri().path().to_owned(), Instant::now());
    let response = admit(&gate, request, next).await;
    gate.counted.answered(&path, &response, began.elapsed());
    response
}

async fn admit(gate: &Gate, mut request: Request, next: Next) -> Response {
    match gate.caller(request.headers().get(AUTHORIZATION).map(|value| value.as_bytes())) {
        Ok(caller) => request.extensions_mut().insert(caller),
        Err(problem) => return refuse(&problem),
    };
    let Ok(_permit) = gate.calls.try_acquire() else {
        gate.counted.refused();
        let message = format!("{} calls are in flight already: wait a little and try again", gate.calls_max);
        return refuse(&Problem::new(Fault::Capacity, "capacity.calls", message));
    };
    // A stream is answered at once, and then costs no place here.
    match time::timeout(Duration::from_secs(CALL_SECONDS_MAX), next.run(request)).await {
        Ok(response) if gate.too_long(&response) => {
            let message = format!(
                "the request has more than {} bytes, the limit of this node: ask for less at once",
                gate.message_bytes_max
            );
            refuse(&Problem::input("request.message_size", message))
        }
        Ok(response) => response,
        Err(_) => {
            let message = format!("no answer within {CALL_SECONDS_MAX} s: try again, or ask for less at once");
            refuse(&Problem::new(Fault::Capacity, "node.deadline", message))
        }
    }
}

fn refuse(problem: &Problem) -> Response {
    status(problem).into_http::<Body>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_bearer_token_is_let_in() {
        let tokens = vec![Token::of_secret("a", false, "one"), Token::of_secret("b", true, "two")];
        let gate = Gate::new(&ApiSettings { tokens, ..ApiSettings::default() });
        let code = |header: &str| gate.caller(Some(header.as_bytes())).map_err(|problem| problem.code);
        assert_eq!(code("Bearer one"), Ok(Caller { owner: "a".into(), admin: false }));
        assert_eq!(code("bearer  two "), Ok(Caller { owner: "b".into(), admin: true }));
        for bad in ["Bearer three", "Bearer ", "bearer one two"] {
            assert_eq!(code(bad), Err("auth.unknown".into()), "{bad}");
        }
        for bad in ["", "one", "Basic one", "Bearer"] {
            assert_eq!(code(bad), Err("auth.missing".into()), "{bad}");
        }
        assert_eq!(gate.caller(None).unwrap_err().code, "auth.missing");
        assert!(!Caller { owner: "a".into(), admin: false }.sees("b"));
    }
}
