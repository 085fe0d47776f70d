//! For every promise at least one history that breaks it and nothing else.

use faults::checker::{Answer, History, Outcome, Promise, Record, check};

use crate::scene::{End, SECRET, Scene};

/// A registration, a login, a change of profile and of password, poison, and a guess.
fn scene() -> Scene {
    let mut scene = Scene::new();
    let ada = scene.register(End::Sent);
    scene.login(ada);
    scene.update_profile(ada);
    scene.change_password(ada, End::Sent);
    scene.guess();
    scene.refuse_for_overload();
    scene.poison();
    scene
}

/// Only this promise is broken, and its first violation says this.
#[track_caller]
fn breaks_only(promise: Promise, says: &str, history: &History) {
    let report = check(history);
    assert_eq!(report.broken(), [promise], "{report}");
    let text = report.to_string();
    assert!(text.contains(says), "{says:?} is not said:\n{text}");
}

fn place(history: &History, event_type: &str, nth: usize) -> usize {
    let ours = |record: &Record| header(record, "ce_type") == event_type;
    let mut places = history.records.iter().enumerate().filter(|(_, record)| ours(record)).map(|(place, _)| place);
    places.nth(nth).expect("there is such a record")
}

fn header(record: &Record, name: &str) -> String {
    let value = record.headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.clone());
    value.map(|value| String::from_utf8_lossy(&value).into_owned()).unwrap_or_default()
}

fn set_header(record: &mut Record, name: &str, value: &str) {
    for (key, old) in &mut record.headers {
        if key == name {
            *old = Some(value.as_bytes().to_vec());
        }
    }
}

#[test]
fn a_history_without_faults_breaks_nothing() {
    check(&scene().history()).assert();
}

#[test]
fn an_acknowledged_change_without_its_event_breaks_i1() {
    let mut history = scene().history();
    let place = place(&history, "user.profile_updated.v1", 0);
    history.records.remove(place);
    breaks_only(Promise::I1, "no user.profile_updated.v1 with sequence 3", &history);
}

#[test]
fn two_successes_with_one_event_break_i1() {
    let mut scene = scene();
    let ada = scene.users()[0];
    scene.change_password(ada, End::Sent);
    let mut history = scene.history();
    let gone = history.records.remove(place(&history, "user.password_changed.v1", 1));
    let id = header(&gone, "ce_id");
    history.mails.retain(|mail| mail.event_id != id);
    history.smtp.retain(|seen| !seen.message_id.as_ref().unwrap().contains(&id));
    breaks_only(Promise::I1, "2 successes, and only 1 × user.password_changed.v1", &history);
}

#[test]
fn a_login_without_its_event_breaks_i1_unless_so_many_were_pending() {
    let mut history = scene().history();
    history.records.remove(place(&history, "user.logged_in.v1", 0));
    breaks_only(Promise::I1, "no user.logged_in.v1", &history);
    history.limits.max_pending = Some(2);
    check(&history).assert();
}

#[test]
fn an_event_that_nobody_asked_for_breaks_i2() {
    let mut scene = scene();
    let ada = scene.users()[0];
    scene.update_profile(ada);
    let mut history = scene.history();
    let answer = Answer { status: 412, ..Answer::default() };
    history.operations.last_mut().unwrap().outcome = Outcome::Answered(answer);
    breaks_only(Promise::I2, "2 × user.profile_updated.v1, and only 1 request(s)", &history);
}

#[test]
fn an_event_beyond_the_stored_version_breaks_i2() {
    let mut history = scene().history();
    history.users[0].version = 3;
    breaks_only(Promise::I2, "whose sequence the stored account has not reached", &history);
}

#[test]
fn events_of_an_account_that_is_gone_without_a_deletion_break_i2() {
    let mut history = scene().history();
    history.users.clear();
    breaks_only(Promise::I2, "does not exist and was not deleted", &history);
}

#[test]
fn a_mail_that_no_event_asked_for_breaks_i2() {
    let mut history = scene().history();
    let mut mail = history.mails[0].clone();
    mail.id = "another/welcome".into();
    mail.state = "expired".into();
    mail.message_id = "<another>".into();
    history.limits.undeliverable.push(mail.to.clone());
    history.mails.push(mail);
    breaks_only(Promise::I2, "a mail that no event asked for", &history);
}

#[test]
fn a_record_of_the_service_that_is_no_event_breaks_i2_and_is_poison_too() {
    let mut scene = scene();
    scene.poison();
    let mut history = scene.history();
    for record in &mut history.records {
        record.foreign = false;
    }
    breaks_only(Promise::I2, "a record that is no event of the contract", &history);
}

#[test]
fn first_occurrences_in_another_order_break_i3() {
    let mut history = scene().history();
    let (one, two) = (place(&history, "user.logged_in.v1", 0), place(&history, "user.profile_updated.v1", 0));
    let (at_one, at_two) = (history.records[one].offset, history.records[two].offset);
    history.records.swap(one, two);
    history.records[one].offset = at_one;
    history.records[two].offset = at_two;
    breaks_only(Promise::I3, "behind one of a later sequence", &history);
}

#[test]
fn a_duplicate_that_is_another_record_breaks_i3() {
    let mut scene = scene();
    scene.publish_again();
    let mut history = scene.history();
    let place = place(&history, "user.password_changed.v1", 1);
    set_header(&mut history.records[place], "ce_time", "2031-01-01T00:00:00Z");
    breaks_only(Promise::I3, "one ce_id, and two different records", &history);
}

#[test]
fn a_record_in_a_foreign_partition_breaks_i3() {
    let mut history = scene().history();
    let place = place(&history, "user.logged_in.v1", 0);
    history.records[place].partition = (history.records[place].partition + 1) % 12;
    history.records[place].offset = 100;
    breaks_only(Promise::I3, "in another partition than", &history);
}

#[test]
fn a_mail_that_is_missing_or_not_over_or_not_accepted_breaks_i4() {
    let mut history = scene().history();
    history.mails[0].state = "queued".into();
    history.mails[0].terminal_at = None;
    breaks_only(Promise::I4, "a mail that is still queued", &history);

    let mut history = scene().history();
    history.smtp[0].reply = None;
    history.limits.undeliverable.push(history.mails[0].to.clone());
    breaks_only(Promise::I4, "no server has answered 250", &history);

    let mut history = scene().history();
    let mail = history.mails.remove(0);
    history.smtp.retain(|seen| seen.message_id.as_ref() != Some(&mail.message_id));
    history.committed.clear();
    breaks_only(Promise::I4, "asks for the mail welcome, which is not in the ledger", &history);
}

#[test]
fn a_second_handover_without_a_reason_breaks_i5() {
    let mut history = scene().history();
    let again = history.smtp[0].clone();
    history.smtp.push(again);
    breaks_only(Promise::I5, "handed over 2 times, and sent again 0 times", &history);
}

#[test]
fn a_second_handover_is_allowed_where_the_policy_says_so_and_only_once() {
    let mut scene = Scene::new();
    scene.register(End::Unknown);
    let mut history = scene.history();
    check(&history).assert();
    let again = history.smtp[0].clone();
    history.smtp.push(again);
    breaks_only(Promise::I5, "handed over 3 times", &history);
}

#[test]
fn a_notice_that_the_service_sends_again_breaks_i5_and_one_that_an_operator_does_is_right() {
    let mut scene = Scene::new();
    let ada = scene.register(End::Sent);
    scene.change_password(ada, End::Sent);
    let mut history = scene.history();
    let mut step = history.mails[1].history[1].clone();
    step.from = Some("unknown".into());
    step.to = "queued".into();
    history.mails[1].history.insert(2, step);
    breaks_only(Promise::I5, "has sent a mail again 1 times, and may 0", &history);

    history.mails[1].history[2].by = "operator".into();
    let again = history.smtp[1].clone();
    history.smtp.push(again);
    check(&history).assert();
}

#[test]
fn a_mail_of_a_letter_that_an_operator_replayed_is_handed_over_once_as_any_other() {
    let mut history = scene().history();
    let first = &mut history.mails[0].history[0];
    assert_eq!((first.from.as_deref(), first.to.as_str()), (None, "queued"));
    first.by = "operator ada@host".into();
    check(&history).assert();
    let of_it = |seen: &&faults::checker::Transaction| seen.message_id.as_ref() == Some(&history.mails[0].message_id);
    let again = history.smtp.iter().find(of_it).cloned().expect("it was sent");
    history.smtp.push(again);
    breaks_only(Promise::I5, "handed over 2 times", &history);
}

#[test]
fn a_mail_of_nobody_breaks_i5() {
    let mut history = scene().history();
    let mut stray = history.smtp[0].clone();
    stray.message_id = Some("<stray@example.org>".into());
    history.smtp.push(stray);
    breaks_only(Promise::I5, "a mail was handed over that is not in the ledger", &history);
}

#[test]
fn a_neighbour_that_waits_breaks_i6() {
    let mut history = scene().history();
    history.limits.neighbour_delay_ms = Some(0);
    let late = history.smtp[0].dot_at.unwrap() + jiff::SignedDuration::from_secs(90);
    history.smtp[0].dot_at = Some(late);
    history.limits.neighbour_delay_ms = Some(60_000);
    breaks_only(Promise::I6, "ms after its event, 60000 ms are allowed", &history);
}

#[test]
fn what_is_too_large_grows_waits_or_is_refused_without_a_word_breaks_i7() {
    let mut history = scene().history();
    history.samples[7].resident = 501 << 20;
    breaks_only(Promise::I7, "525336576 bytes of memory", &history);

    let mut history = scene().history();
    for (second, sample) in history.samples.iter_mut().enumerate() {
        sample.resident = (100 << 20) + u64::try_from(second).unwrap() * (6 << 20);
    }
    breaks_only(Promise::I7, "user-service 1 grows", &history);

    let mut history = scene().history();
    let refused = history.operations.iter_mut().find_map(|operation| match &mut operation.outcome {
        Outcome::Answered(answer) if answer.status == 503 => Some(answer),
        _ => None,
    });
    refused.unwrap().retry_after = None;
    breaks_only(Promise::I7, "does not say when to come back", &history);

    let mut history = scene().history();
    history.operations[0].completed += jiff::SignedDuration::from_secs(11);
    breaks_only(Promise::I7, "accepted after", &history);
}

#[test]
fn poison_without_its_letter_with_two_or_with_another_reason_breaks_i8() {
    let mut history = scene().history();
    history.dead_letters.clear();
    history.committed.clear();
    breaks_only(Promise::I8, "cannot be processed (missing-header) is no dead letter", &history);

    let mut history = scene().history();
    let again = history.dead_letters[0].clone();
    history.dead_letters.push(again);
    breaks_only(Promise::I8, "is a dead letter 2 times", &history);

    let mut history = scene().history();
    history.dead_letters[0].reason = "not-json".into();
    breaks_only(Promise::I8, "another reason than missing-header", &history);
}

#[test]
fn a_good_record_among_the_dead_letters_breaks_i8() {
    let mut history = scene().history();
    let place = place(&history, "user.logged_in.v1", 0);
    let (partition, offset) = (history.records[place].partition, history.records[place].offset);
    let mut letter = history.dead_letters[0].clone();
    (letter.partition, letter.offset) = (partition, offset);
    history.dead_letters.push(letter.clone());
    breaks_only(Promise::I8, "a record that can be processed is a dead letter", &history);
    history.dead_letters.last_mut().unwrap().reason = "sealed-mismatch".into();
    check(&history).assert();
    // The program's own failure is one too, unless the run is made to panic.
    history.dead_letters.last_mut().unwrap().reason = "processing-failed".into();
    breaks_only(Promise::I8, "a record that can be processed is a dead letter", &history);
    history.limits.panics = true;
    check(&history).assert();
    let again = history.dead_letters.last().unwrap().clone();
    history.dead_letters.push(again);
    breaks_only(Promise::I8, "a record that can be processed is a dead letter", &history);
}

#[test]
fn an_offset_that_is_ahead_of_the_ledger_breaks_i9_beside_what_is_missing() {
    let mut history = scene().history();
    let mail = history.mails.pop().unwrap();
    history.smtp.retain(|seen| seen.message_id.as_ref() != Some(&mail.message_id));
    assert_eq!(check(&history).broken(), [Promise::I4, Promise::I9]);
    // Not yet committed: it will be read again.
    let record = &history.records[place(&history, "user.password_changed.v1", 0)];
    history.committed.insert(record.partition, record.offset);
    assert_eq!(check(&history).broken(), [Promise::I4]);

    let mut history = scene().history();
    history.dead_letters.clear();
    assert_eq!(check(&history).broken(), [Promise::I8, Promise::I9]);
}

#[test]
fn a_secret_in_a_log_a_record_or_a_row_breaks_s1_and_is_not_repeated() {
    let mut history = scene().history();
    history.texts[0].text = format!("password={SECRET}");
    breaks_only(Promise::S1, "a password can be read", &history);
    assert!(!check(&history).to_string().contains(SECRET));

    let mut history = scene().history();
    history.mails[0].raw = SECRET.into();
    breaks_only(Promise::S1, "in the row of mail", &history);

    let mut history = scene().history();
    history.records[0].headers.push(("note".into(), Some(SECRET.into())));
    breaks_only(Promise::S1, "in record", &history);
    assert!(!check(&history).to_string().contains(SECRET));
}

#[test]
fn answers_that_tell_whether_there_is_an_account_break_s2() {
    for change in [
        (|answer: &mut Answer| answer.status = 404) as fn(&mut Answer),
        |answer| answer.problem = Some("not-found".into()),
        |answer| answer.fingerprint = Some("other".into()),
    ] {
        let mut history = scene().history();
        let guess = history.operations.iter_mut().rfind(|operation| operation.alike.is_some()).unwrap();
        let Outcome::Answered(answer) = &mut guess.outcome else { panic!("it was answered") };
        change(answer);
        breaks_only(Promise::S2, "nobody may tell apart", &history);
    }
}
