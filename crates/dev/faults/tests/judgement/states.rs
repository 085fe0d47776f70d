//! Every way in which the topic of states may break I10, and what it may contain nevertheless.

use events::{
    Decoded, StateRecord, UserState,
    topic::{DEFAULT_PARTITIONS, partition_of},
};
use faults::checker::{History, Promise, TopicRecord, check};
use uuid::Uuid;

use crate::{
    history_builder::{HistoryBuilder, MailOutcome, SECRET, state_record},
    violations::{assert_breaks_only, set_header},
};

/// Returns a history with one user, whose states have the versions 1, 3, 4 and 5. The login has version 2.
fn history() -> History {
    let (mut builder, ada) = HistoryBuilder::with_example();
    builder.change_password(ada, MailOutcome::Sent);
    builder.build()
}

/// Returns a history whose only user is deleted: the tombstone has version 5.
fn history_of_deleted_user() -> History {
    let (mut builder, ada) = HistoryBuilder::with_example();
    builder.delete(ada, MailOutcome::Sent);
    builder.build()
}

fn states(history: &mut History) -> &mut Vec<TopicRecord> {
    history.states.as_mut().expect("the topic of states is on")
}

fn decoded(record: &TopicRecord) -> StateRecord {
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    match events::decode_state(headers, record.key.as_deref(), record.value.as_deref()) {
        Ok(Decoded::Event(state)) => *state,
        other => panic!("{other:?}"),
    }
}

/// Publishes the record at `position` once more, changed.
fn publish_again(history: &mut History, position: usize, change: impl FnOnce(&mut StateRecord)) {
    let topic = states(history);
    let mut state = decoded(&topic[position]);
    change(&mut state);
    topic.push(state_record(&state, 0, topic));
}

fn publish_again_with_state(history: &mut History, position: usize, change: impl FnOnce(&mut UserState)) {
    publish_again(history, position, |record| {
        let state = record.state.as_mut().expect("it is no tombstone");
        change(state);
        (record.user, record.version) = (state.id, state.version);
    });
}

/// Publishes the last record once more, so that a wrong record before it is not the last one.
fn end_with(history: &mut History, position: usize) {
    publish_again(history, position, |_| {});
}

#[test]
fn states_that_are_published_again_and_older_ones_before_the_newest_keep_i10() {
    let mut history = history();
    for position in [0, 1, 3, 0, 3] {
        publish_again(&mut history, position, |_| {});
    }
    check(&history).assert();

    let mut history = history_of_deleted_user();
    end_with(&mut history, 0);
    end_with(&mut history, 3);
    check(&history).assert();
    // The version of a user whose document is gone is not known.
    publish_again(&mut history, 3, |record| record.version = StateRecord::LAST_VERSION);
    check(&history).assert();
}

#[test]
fn nothing_is_judged_while_the_topic_of_states_is_off() {
    let mut history = history();
    history.states = None;
    check(&history).assert();
}

#[test]
fn an_old_state_at_the_end_breaks_i10() {
    let mut lost = history();
    states(&mut lost).pop();
    assert_breaks_only(Promise::I10, "the last record is not the newest state: updatedAt differ", &lost);

    let mut late = history();
    end_with(&mut late, 0);
    assert_breaks_only(Promise::I10, "not the newest state: displayName, updatedAt differ", &late);
}

#[test]
fn an_account_without_a_record_breaks_i10() {
    let mut history = history();
    states(&mut history).clear();
    assert_breaks_only(Promise::I10, "no state of this account is in the topic", &history);
    history.limits.states_later = true;
    assert_breaks_only(Promise::I10, "no state of this account is in the topic", &history);
}

#[test]
fn a_deleted_user_without_a_tombstone_breaks_i10() {
    let mut history = history_of_deleted_user();
    states(&mut history).pop();
    assert_breaks_only(Promise::I10, "not the newest state: it is a state", &history);
    history.limits.states_later = true;
    assert_breaks_only(Promise::I10, "not the newest state: it is a state", &history);

    states(&mut history).clear();
    check(&history).assert();
    history.limits.states_later = false;
    assert_breaks_only(Promise::I10, "no tombstone of this deleted user is in the topic", &history);
}

#[test]
fn a_state_after_the_tombstone_breaks_i10() {
    let mut history = history_of_deleted_user();
    end_with(&mut history, 2);
    assert_breaks_only(Promise::I10, "the last record is not the newest state: it is a state", &history);
}

#[test]
fn a_tombstone_with_a_lower_version_than_a_state_breaks_i10() {
    let mut history = history_of_deleted_user();
    let topic = states(&mut history);
    let mut tombstone = decoded(&topic.pop().expect("it is the last record"));
    tombstone.version = 2;
    topic.push(state_record(&tombstone, 0, topic));
    assert_breaks_only(Promise::I10, "the record with the highest version is not the newest state", &history);
}

#[test]
fn a_tombstone_of_a_user_who_was_not_deleted_breaks_i10() {
    let mut history = history();
    publish_again(&mut history, 2, |record| record.state = None);
    end_with(&mut history, 3);
    assert_breaks_only(Promise::I10, "a tombstone of a user who was not deleted", &history);
}

#[test]
fn a_record_that_is_no_valid_state_breaks_i10_unless_the_test_wrote_it() {
    let invalid: [fn(&mut TopicRecord); 3] = [
        |record| record.value = Some(b"{}".to_vec()),
        |record| record.headers.retain(|(name, _)| name != "ce_sequence"),
        |record| set_header(record, "ce_type", "user.registered.v1"),
    ];
    for change in invalid {
        let mut history = history();
        change(&mut states(&mut history)[1]);
        assert_breaks_only(Promise::I10, "a record that is not a user.state.v1", &history);
        states(&mut history)[1].foreign = true;
        check(&history).assert();
    }
}

#[test]
fn a_record_in_the_wrong_partition_breaks_i10_and_a_key_moves_with_the_number_of_partitions() {
    let mut history = history();
    for record in &mut states(&mut history)[2..] {
        record.partition = partition_of(record.key.as_deref().unwrap_or_default(), 5 * DEFAULT_PARTITIONS);
        record.offset = 0;
    }
    let partitions: Vec<i32> = states(&mut history).iter().map(|record| record.partition).collect();
    assert_ne!(partitions[0], partitions[3], "the key does not move");
    assert_breaks_only(Promise::I10, "a record outside the partitions", &history);
    states(&mut history)[3].offset = 1;
    history.limits.partitions = vec![DEFAULT_PARTITIONS, 5 * DEFAULT_PARTITIONS];
    check(&history).assert();
}

#[test]
fn a_state_that_an_account_never_had_breaks_i10() {
    // The response to the change of the profile says what was committed as version 3.
    let mut answered = history();
    publish_again_with_state(&mut answered, 1, |state| state.display_name = Some("Eve".into()));
    end_with(&mut answered, 3);
    assert_breaks_only(Promise::I10, "a state that the account never had: displayName differ", &answered);

    // No response says what version 4 was, but it cannot have been two states.
    let mut twice = history();
    publish_again_with_state(&mut twice, 2, |state| state.email_verified = true);
    end_with(&mut twice, 3);
    assert_breaks_only(Promise::I10, "two different states with the same version: emailVerified differ", &twice);

    let mut newer = history();
    publish_again_with_state(&mut newer, 3, |state| state.version += 1);
    assert_breaks_only(Promise::I10, "a version that exceeds that of the stored account", &newer);

    let mut unknown = history();
    publish_again_with_state(&mut unknown, 0, |state| state.id = Uuid::from_u128(7_777));
    assert_breaks_only(Promise::I10, "a state of an account that does not exist and was not deleted", &unknown);

    let mut deleted = history_of_deleted_user();
    publish_again_with_state(&mut deleted, 2, |state| state.version = 5);
    end_with(&mut deleted, 3);
    assert_breaks_only(Promise::I10, "a state of a user who was deleted before", &deleted);
}

#[test]
fn a_hidden_registration_must_not_have_a_state() {
    let mut history = history();
    history.users[0].state = None;
    assert_breaks_only(Promise::I10, "the last record is not the newest state: it is a state", &history);
    states(&mut history).clear();
    check(&history).assert();
}

#[test]
fn attributes_are_judged_in_the_last_record_only() {
    let attributes = || serde_json::from_str(r#"{"tenant":"engines"}"#).expect("it is an object");
    let mut history = history();
    publish_again_with_state(&mut history, 3, |state| state.attributes = Some(attributes()));
    assert_breaks_only(Promise::I10, "the last record is not the newest state: attributes differ", &history);
    // As after a snapshot that was taken because the operator has marked one more attribute as public.
    history.users[0].state.as_mut().expect("the account exists").attributes = Some(attributes());
    check(&history).assert();
}

#[test]
fn a_secret_in_a_state_breaks_s1() {
    let mut history = history();
    states(&mut history)[0].headers.push(("note".into(), Some(SECRET.into())));
    assert_breaks_only(Promise::S1, "a password is readable", &history);
}
