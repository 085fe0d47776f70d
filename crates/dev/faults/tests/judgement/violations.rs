//! At least one history for every promise that breaks this promise and no other.

use faults::checker::{History, Outcome, Promise, RecordedResponse, TopicRecord, check};

use crate::history_builder::{HistoryBuilder, MailOutcome, SECRET};

fn build_example() -> HistoryBuilder {
    HistoryBuilder::with_example().0
}

fn build_example_with(add: impl FnOnce(&mut HistoryBuilder)) -> History {
    let mut builder = build_example();
    add(&mut builder);
    builder.build()
}

/// Checks that only this promise is broken, and that the report contains the expected text.
#[track_caller]
pub(crate) fn assert_breaks_only(promise: Promise, expected_text: &str, history: &History) {
    let report = check(history);
    assert_eq!(report.broken(), [promise], "{report}");
    let text = report.to_string();
    assert!(text.contains(expected_text), "{expected_text:?} is not in the report:\n{text}");
}

fn position(history: &History, event_type: &str, nth: usize) -> usize {
    let has_type = |record: &TopicRecord| header(record, "ce_type") == event_type;
    let mut positions =
        history.records.iter().enumerate().filter(|(_, record)| has_type(record)).map(|(position, _)| position);
    positions.nth(nth).expect("such a record exists")
}

fn header(record: &TopicRecord, name: &str) -> String {
    let value = record.headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.clone());
    value.map(|value| String::from_utf8_lossy(&value).into_owned()).unwrap_or_default()
}

pub(crate) fn set_header(record: &mut TopicRecord, name: &str, value: &str) {
    for (key, old) in &mut record.headers {
        if key == name {
            *old = Some(value.as_bytes().to_vec());
        }
    }
}

#[test]
fn a_history_without_faults_breaks_no_promise() {
    check(&build_example().build()).assert();
}

#[test]
fn an_acknowledged_change_without_its_event_breaks_i1() {
    let mut history = build_example().build();
    let position = position(&history, "user.profile_updated.v1", 0);
    history.records.remove(position);
    assert_breaks_only(Promise::I1, "no user.profile_updated.v1 with sequence 3", &history);
}

#[test]
fn two_successes_with_one_event_break_i1() {
    let mut builder = build_example();
    let ada = builder.users()[0];
    builder.change_password(ada, MailOutcome::Sent);
    let mut history = builder.build();
    let gone = history.records.remove(position(&history, "user.password_changed.v1", 1));
    let id = header(&gone, "ce_id");
    history.mails.retain(|mail| mail.event_id != id);
    history.smtp.retain(|transaction| !transaction.message_id.as_ref().unwrap().contains(&id));
    assert_breaks_only(Promise::I1, "2 successes, but only 1 × user.password_changed.v1", &history);
}

#[test]
fn a_login_without_its_event_breaks_i1_unless_half_of_the_pending_list_was_used() {
    let mut history = build_example().build();
    history.records.remove(position(&history, "user.logged_in.v1", 0));
    assert_breaks_only(Promise::I1, "no user.logged_in.v1", &history);
    history.limits.max_pending = Some(2);
    check(&history).assert();
}

#[test]
fn an_event_without_a_successful_request_breaks_i2() {
    let mut builder = build_example();
    let ada = builder.users()[0];
    builder.update_profile(ada);
    let mut history = builder.build();
    let response = RecordedResponse { status: 412, ..RecordedResponse::default() };
    history.operations.last_mut().unwrap().outcome = Outcome::Answered(response);
    assert_breaks_only(Promise::I2, "2 × user.profile_updated.v1, but only 1 request(s)", &history);
}

#[test]
fn an_event_beyond_the_stored_version_breaks_i2() {
    let mut history = build_example().build();
    history.users[0].version = 3;
    history.states = None;
    assert_breaks_only(Promise::I2, "whose sequence exceeds the version of the stored account", &history);
}

#[test]
fn events_of_an_account_that_is_gone_without_a_deletion_break_i2() {
    let mut history = build_example().build();
    history.users.clear();
    history.states = None;
    assert_breaks_only(Promise::I2, "does not exist and was not deleted", &history);
}

#[test]
fn a_mail_that_no_event_asked_for_breaks_i2() {
    let mut history = build_example().build();
    let mut mail = history.mails[0].clone();
    mail.id = "another/welcome".into();
    mail.state = "expired".into();
    mail.message_id = "<another>".into();
    history.limits.undeliverable.push(mail.to.clone());
    history.mails.push(mail);
    assert_breaks_only(Promise::I2, "a mail that no event asked for", &history);
}

#[test]
fn a_record_of_the_service_that_is_no_event_breaks_i2() {
    let mut history = build_example_with(HistoryBuilder::add_poison_record);
    for record in &mut history.records {
        record.foreign = false;
    }
    assert_breaks_only(Promise::I2, "a record that is not an event of the contract", &history);
}

#[test]
fn first_occurrences_in_the_wrong_order_break_i3() {
    let mut history = build_example().build();
    let (one, two) = (position(&history, "user.logged_in.v1", 0), position(&history, "user.profile_updated.v1", 0));
    let (at_one, at_two) = (history.records[one].offset, history.records[two].offset);
    history.records.swap(one, two);
    history.records[one].offset = at_one;
    history.records[two].offset = at_two;
    assert_breaks_only(Promise::I3, "after one with a later sequence", &history);
}

#[test]
fn a_duplicate_with_different_contents_breaks_i3() {
    let mut history = build_example_with(HistoryBuilder::republish_last_record);
    let position = position(&history, "user.password_changed.v1", 1);
    set_header(&mut history.records[position], "ce_time", "2031-01-01T00:00:00Z");
    assert_breaks_only(Promise::I3, "two different records with the same ce_id", &history);
}

#[test]
fn a_record_in_the_wrong_partition_breaks_i3() {
    let mut history = build_example().build();
    let position = position(&history, "user.logged_in.v1", 0);
    history.records[position].partition = (history.records[position].partition + 1) % 12;
    history.records[position].offset = 100;
    assert_breaks_only(Promise::I3, "a record outside the partitions", &history);
}

#[test]
fn a_mail_that_is_missing_unfinished_or_not_accepted_breaks_i4() {
    let mut history = build_example().build();
    history.mails[0].state = "queued".into();
    history.mails[0].terminal_at = None;
    assert_breaks_only(Promise::I4, "a mail that is still queued", &history);

    let mut history = build_example().build();
    history.smtp[0].reply = None;
    history.limits.undeliverable.push(history.mails[0].to.clone());
    assert_breaks_only(Promise::I4, "no server has answered 250", &history);

    let mut history = build_example().build();
    let mail = history.mails.remove(0);
    history.smtp.retain(|transaction| transaction.message_id.as_ref() != Some(&mail.message_id));
    history.committed.clear();
    assert_breaks_only(Promise::I4, "asks for the mail welcome, which is not in the ledger", &history);
}

#[test]
fn a_second_handover_without_a_reason_breaks_i5() {
    let mut history = build_example().build();
    history.smtp.push(history.smtp[0].clone());
    assert_breaks_only(Promise::I5, "handed over 2 times, but resent 0 times", &history);
}

#[test]
fn a_second_handover_is_allowed_once_if_the_policy_permits_it() {
    let mut builder = HistoryBuilder::new();
    builder.register(MailOutcome::Unknown);
    let mut history = builder.build();
    check(&history).assert();
    history.smtp.push(history.smtp[0].clone());
    assert_breaks_only(Promise::I5, "handed over 3 times", &history);
}

#[test]
fn a_notice_resent_by_the_service_breaks_i5_and_one_resent_by_an_operator_does_not() {
    let mut builder = HistoryBuilder::new();
    let ada = builder.register(MailOutcome::Sent);
    builder.change_password(ada, MailOutcome::Sent);
    let mut history = builder.build();
    let mut step = history.mails[1].history[1].clone();
    step.from = Some("unknown".into());
    step.to = "queued".into();
    history.mails[1].history.insert(2, step);
    assert_breaks_only(Promise::I5, "has resent a mail 1 times, but 0 are allowed", &history);

    history.mails[1].history[2].by = "operator".into();
    let copy = history.smtp[1].clone();
    history.smtp.push(copy);
    check(&history).assert();
}

#[test]
fn the_mail_of_a_replayed_dead_letter_may_be_handed_over_only_once() {
    let mut history = build_example().build();
    let first = &mut history.mails[0].history[0];
    assert_eq!((first.from.as_deref(), first.to.as_str()), (None, "queued"));
    first.by = "operator ada@host".into();
    check(&history).assert();
    let is_of_mail = |transaction: &&faults::checker::MailTransaction| {
        transaction.message_id.as_ref() == Some(&history.mails[0].message_id)
    };
    let copy = history.smtp.iter().find(is_of_mail).cloned().expect("it was sent");
    history.smtp.push(copy);
    assert_breaks_only(Promise::I5, "handed over 2 times", &history);
}

#[test]
fn a_mail_that_is_not_in_the_ledger_breaks_i5() {
    let mut history = build_example().build();
    let mut stray = history.smtp[0].clone();
    stray.message_id = Some("<stray@example.org>".into());
    history.smtp.push(stray);
    assert_breaks_only(Promise::I5, "a mail was handed over that is not in the ledger", &history);
}

#[test]
fn a_delayed_neighbour_breaks_i6() {
    let mut history = build_example().build();
    history.limits.neighbour_delay_ms = Some(0);
    let late = history.smtp[0].dot_at.unwrap() + jiff::SignedDuration::from_secs(90);
    history.smtp[0].dot_at = Some(late);
    history.limits.neighbour_delay_ms = Some(60_000);
    assert_breaks_only(Promise::I6, "ms after its event, but 60000 ms are allowed", &history);
}

#[test]
fn excessive_memory_growth_latency_or_a_refusal_without_retry_after_breaks_i7() {
    let mut history = build_example().build();
    history.samples[7].resident = 501 << 20;
    assert_breaks_only(Promise::I7, "525336576 bytes of memory", &history);

    let mut history = build_example().build();
    for (second, sample) in history.samples.iter_mut().enumerate() {
        sample.resident = (100 << 20) + u64::try_from(second).unwrap() * (6 << 20);
    }
    assert_breaks_only(Promise::I7, "user-service 1 grows", &history);

    let mut history = build_example().build();
    let refused = history.operations.iter_mut().find_map(|operation| match &mut operation.outcome {
        Outcome::Answered(response) if response.status == 503 => Some(response),
        _ => None,
    });
    refused.unwrap().retry_after = None;
    assert_breaks_only(Promise::I7, "a temporary refusal without Retry-After", &history);

    let mut history = build_example().build();
    history.operations[0].completed += jiff::SignedDuration::from_secs(11);
    assert_breaks_only(Promise::I7, "accepted after", &history);
}

#[test]
fn a_poison_record_with_no_dead_letter_two_or_one_with_the_wrong_reason_breaks_i8() {
    let mut history = build_example().build();
    history.dead_letters.clear();
    history.committed.clear();
    assert_breaks_only(Promise::I8, "cannot be processed (missing-header) is not a dead letter", &history);

    let mut history = build_example().build();
    let copy = history.dead_letters[0].clone();
    history.dead_letters.push(copy);
    assert_breaks_only(Promise::I8, "is a dead letter 2 times", &history);

    let mut history = build_example().build();
    history.dead_letters[0].reason = "not-json".into();
    assert_breaks_only(Promise::I8, "a reason other than missing-header", &history);
}

#[test]
fn a_good_record_among_the_dead_letters_breaks_i8() {
    let mut history = build_example().build();
    let position = position(&history, "user.logged_in.v1", 0);
    let (partition, offset) = (history.records[position].partition, history.records[position].offset);
    let mut letter = history.dead_letters[0].clone();
    (letter.partition, letter.offset) = (partition, offset);
    history.dead_letters.push(letter.clone());
    assert_breaks_only(Promise::I8, "a record that can be processed is a dead letter", &history);
    history.dead_letters.last_mut().unwrap().reason = "sealed-mismatch".into();
    check(&history).assert();
    // A failure of the program itself is a violation too, unless the run provokes panics.
    history.dead_letters.last_mut().unwrap().reason = "processing-failed".into();
    assert_breaks_only(Promise::I8, "a record that can be processed is a dead letter", &history);
    history.limits.panics = true;
    check(&history).assert();
    let copy = history.dead_letters.last().unwrap().clone();
    history.dead_letters.push(copy);
    assert_breaks_only(Promise::I8, "a record that can be processed is a dead letter", &history);
}

#[test]
fn a_committed_offset_ahead_of_the_ledger_breaks_i9_too() {
    let mut history = build_example().build();
    let mail = history.mails.pop().unwrap();
    history.smtp.retain(|transaction| transaction.message_id.as_ref() != Some(&mail.message_id));
    assert_eq!(check(&history).broken(), [Promise::I4, Promise::I9]);
    // The offset is not yet committed, so the record will be read again.
    let record = &history.records[position(&history, "user.password_changed.v1", 0)];
    history.committed.insert(record.partition, record.offset);
    assert_eq!(check(&history).broken(), [Promise::I4]);

    let mut history = build_example().build();
    history.dead_letters.clear();
    assert_eq!(check(&history).broken(), [Promise::I8, Promise::I9]);
}

#[test]
fn a_secret_in_a_log_a_record_or_a_row_breaks_s1_and_is_not_repeated() {
    let mut history = build_example().build();
    history.texts[0].text = format!("password={SECRET}");
    assert_breaks_only(Promise::S1, "a password is readable", &history);
    assert!(!check(&history).to_string().contains(SECRET));

    let mut history = build_example().build();
    history.mails[0].raw = SECRET.into();
    assert_breaks_only(Promise::S1, "in the row of mail", &history);

    let mut history = build_example().build();
    history.records[0].headers.push(("note".into(), Some(SECRET.into())));
    assert_breaks_only(Promise::S1, "in record", &history);
    assert!(!check(&history).to_string().contains(SECRET));
}

#[test]
fn responses_that_reveal_whether_an_account_exists_break_s2() {
    for change in [
        (|response: &mut RecordedResponse| response.status = 404) as fn(&mut RecordedResponse),
        |response| response.problem = Some("not-found".into()),
        |response| response.fingerprint = Some("other".into()),
    ] {
        let mut history = build_example().build();
        let probe = history.operations.iter_mut().rfind(|operation| operation.comparison_group.is_some()).unwrap();
        let Outcome::Answered(response) = &mut probe.outcome else { panic!("it was answered") };
        change(response);
        assert_breaks_only(Promise::S2, "that must be indistinguishable", &history);
    }
}
