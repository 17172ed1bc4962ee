//! What every engine promises, run against both.

mod accounts;
mod blobs;
mod engine;
mod groups;
mod logs;
mod model;
mod rules;
mod slots;

/// Declares each scenario once for RocksDB and once for memory.
macro_rules! scenarios {
    ($($module:ident { $($scenario:ident,)* })*) => {
        scenarios! { for Rocks in rocks: $($module { $($scenario,)* })* }
        scenarios! { for Memory in memory: $($module { $($scenario,)* })* }
    };
    (for $engine:ident in $tests:ident: $($module:ident { $($scenario:ident,)* })*) => {
        mod $tests {
            $($(
                #[test]
                fn $scenario() {
                    crate::$module::$scenario::<crate::engine::$engine>();
                }
            )*)*
        }
    };
}

scenarios! {
    accounts {
        epoch_rises_and_identity_stays,
        raised_epoch_stays_raised,
        the_newest_map_is_kept,
        accounts_are_found_by_name,
        sessions_are_replaced,
        key_logs_are_read_in_pages,
    }
    logs {
        ranges_hold_what_fits,
        logs_do_not_touch_their_neighbours,
        rows_and_cursors_outlive_entries,
        rows_come_in_pages_in_the_order_of_their_keys,
        truncation_deletes_up_to_its_seq,
        truncation_reaches_into_its_own_batch,
        index_tells_sender_length_and_time,
        whom_a_mailbox_has_answered_is_replaced_as_a_whole,
    }
    groups {
        groups_are_replaced,
        statements_are_read_in_pages,
        grants_come_with_their_announcement,
        grants_of_older_message_sessions_go,
        grants_go_again_and_again,
        copies_of_key_logs_are_replaced,
        grants_between_others_go,
        a_sender_has_so_much_of_grants,
        notes_come_and_go,
    }
    blobs {
        blobs_grow_chunk_by_chunk,
        accounts_have_blobs_of_their_own,
        all_blobs_are_read_in_pages,
        dropped_blobs_leave_nothing,
        dropping_reaches_into_its_own_batch,
        dropped_blobs_may_come_again,
    }
    slots {
        a_slot_is_read_in_pages_of_any_size,
        a_slot_is_the_same_in_another_store,
        what_changes_meanwhile_follows,
        a_slot_is_deleted_in_steps,
        what_comes_back_is_deleted_again,
        entries_come_and_go_within_a_batch,
        what_is_known_of_slots_stays,
        epochs_may_be_skipped,
        rows_are_sound,
    }
    rules {
        accounts_are_created_once,
        epochs_follow_each_other,
        bundles_are_added_once,
        statements_are_added_once,
        chunks_are_counted,
        notes_are_bounded,
        entries_rise_within_a_batch,
        entries_rise_from_batch_to_batch,
        entries_rise_after_a_restart,
        broken_batch_leaves_nothing,
        poison_is_the_last_word,
        tickets_rise,
        one_commit_is_in_flight,
        rows_belong_to_their_slot,
    }
    model {
        random_batches_match_a_plain_model,
    }
}
