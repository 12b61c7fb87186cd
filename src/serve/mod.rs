//! `reelmill serve`: wires the daemon together by its configuration, and runs it to its end.

use crate::config::Config;
use crate::model::Problem;

/// Runs the daemon until it is asked to end.
///
/// # Errors
/// What keeps it from starting, or made it end.
pub async fn run(config: Config) -> Result<(), Vec<Problem>> {
    let message = format!("this build has no daemon for {}", config.grpc.listen);
    Err(vec![Problem::bug("internal.serve", message)])
}
