//! What every store must do: one suite, run for each implementation. A new one adds a factory and a line below.
#![cfg(test)]

mod damage;
mod ending;
mod fixture;
mod jobs;
mod keys;
mod kill;
mod ledger;
mod lists;
mod load;
mod log;
mod model;
mod outbox;
mod room;
mod usage;
mod watch;

use fixture::Fixture;
use reelmill::store::Store;
use std::future::Future;
use std::sync::Arc;

/// Makes a test of every case, with the stores of a factory.
macro_rules! suite {
    ($name:ident, $factory:path) => {
        mod $name {
            suite! { @cases $factory;
                jobs {
                    a_record_comes_back_as_it_was_saved,
                    odd_strings_are_kept_and_found,
                    many_are_got_in_the_order_of_their_ids,
                    an_id_is_stored_once,
                    a_save_over_another_revision_changes_nothing,
                    every_save_takes_the_next_revision_of_all_jobs,
                    tasks_that_count_together_lose_nothing,
                    what_is_no_longer_waited_for_is_done_whole_or_not_at_all,
                }
                keys {
                    a_key_makes_one_job,
                    a_key_with_another_body_is_refused_and_stores_nothing,
                    keys_of_other_owners_are_other_keys,
                    of_many_at_once_one_is_new,
                    a_key_is_forgotten_with_its_job,
                }
                lists {
                    pages_are_newest_first_and_say_whether_there_is_more,
                    lists_come_without_facts,
                    every_mix_of_filters_gives_what_it_says,
                    filters_follow_what_is_saved,
                    pages_stay_whole_while_jobs_come_in,
                }
                watch {
                    history_and_subscription_give_every_change_once_and_in_order,
                    the_history_is_read_in_parts,
                    a_subscriber_that_lags_is_told_so_and_misses_nothing,
                    the_end_is_marked_and_a_retry_goes_on,
                    only_what_is_stored_of_this_job_is_told,
                    a_channel_closes_with_its_job,
                }
                ledger {
                    a_ledger_comes_back_in_its_order,
                    a_row_that_is_there_is_replaced_where_it_is,
                    outputs_are_forgotten_one_by_one,
                    only_the_current_attempt_may_write,
                    documents_are_kept_by_name,
                    many_rows_at_once_are_one_append,
                }
                log {
                    lines_come_back_whole_and_in_order,
                    lines_are_found_by_output_and_level,
                    of_too_many_lines_the_middle_goes_and_is_told_of,
                    bytes_are_bounded_for_each_output_and_for_the_job,
                    a_log_goes_with_its_job,
                }
                outbox {
                    effects_come_with_their_save_or_not_at_all,
                    the_longest_due_comes_first_and_the_next_is_told,
                    attempts_are_kept_and_decide_when_it_is_due_again,
                    effects_outlive_their_job_until_they_are_settled,
                }
                usage {
                    bills_come_back_as_they_were_and_in_order,
                    pages_of_bills_follow_one_another,
                    a_job_that_ends_again_has_one_bill,
                    bills_outlive_their_jobs_until_they_are_forgotten,
                }
                ending {
                    a_deleted_job_leaves_nothing,
                    only_what_is_over_and_unchanged_is_deleted,
                    records_expire_some_time_after_the_end,
                    jobs_are_counted_by_state,
                    the_queue_gets_what_is_not_over,
                }
            }
        }
    };
    (@cases $factory:path; $($module:ident { $($case:ident),+ $(,)? })+) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                crate::run($factory, crate::$module::$case);
            })+
        })+
    };
}

suite!(sqlite, crate::fixture::sqlite);
suite!(memory, crate::fixture::memory);

/// Runs a case on threads of its own, as the daemon would.
fn run<F: Future<Output = ()>>(factory: fn() -> Fixture, case: impl FnOnce(Arc<dyn Store>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let fixture = factory();
    runtime.block_on(case(Arc::clone(&fixture.store)));
}
