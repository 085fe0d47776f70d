//! Random valid histories, which the checker must accept.

use faults::checker::{History, check};
use proptest::prelude::*;

use crate::history_builder::{HistoryBuilder, MailOutcome};

/// A random addition to a history.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RandomStep {
    Register(MailOutcome),
    Login,
    UpdateProfile,
    ChangePassword(MailOutcome),
    RequestEmailChange(MailOutcome),
    Delete(MailOutcome),
    LoseResponse(bool),
    ProbeExistence,
    RefuseForOverload,
    RepublishLastRecord,
    PublishSnapshot,
    RepublishFirstState,
    AddPoisonRecord,
}

fn mail_outcome() -> impl Strategy<Value = MailOutcome> {
    prop_oneof![4 => Just(MailOutcome::Sent), 1 => Just(MailOutcome::Failed), 1 => Just(MailOutcome::Unknown)]
}

fn random_step() -> impl Strategy<Value = RandomStep> {
    prop_oneof![
        mail_outcome().prop_map(RandomStep::Register),
        Just(RandomStep::Login),
        Just(RandomStep::UpdateProfile),
        mail_outcome().prop_map(RandomStep::ChangePassword),
        mail_outcome().prop_map(RandomStep::RequestEmailChange),
        mail_outcome().prop_map(RandomStep::Delete),
        any::<bool>().prop_map(RandomStep::LoseResponse),
        Just(RandomStep::ProbeExistence),
        Just(RandomStep::RefuseForOverload),
        Just(RandomStep::RepublishLastRecord),
        Just(RandomStep::PublishSnapshot),
        Just(RandomStep::RepublishFirstState),
        Just(RandomStep::AddPoisonRecord),
    ]
}

/// Generates valid histories that contain at least one item of every kind.
pub(crate) fn valid_history() -> impl Strategy<Value = History> {
    proptest::collection::vec((random_step(), any::<prop::sample::Index>()), 0..60).prop_map(|steps| {
        let (mut builder, first) = HistoryBuilder::with_example();
        for (next, who) in steps {
            let users = builder.users();
            let user = *who.get(&users);
            match next {
                RandomStep::Register(end) => drop(builder.register(end)),
                RandomStep::Login => builder.login(user),
                RandomStep::UpdateProfile => builder.update_profile(user),
                RandomStep::ChangePassword(end) => builder.change_password(user, end),
                RandomStep::RequestEmailChange(end) => builder.request_email_change(user, end),
                RandomStep::Delete(end) if user != first => builder.delete(user, end),
                RandomStep::Delete(_) => {}
                RandomStep::LoseResponse(happened) => builder.lose_response(user, happened),
                RandomStep::ProbeExistence => builder.probe_existence(),
                RandomStep::RefuseForOverload => builder.refuse_for_overload(),
                RandomStep::RepublishLastRecord => builder.republish_last_record(),
                RandomStep::PublishSnapshot => builder.publish_snapshot(),
                RandomStep::RepublishFirstState => builder.republish_first_state(),
                RandomStep::AddPoisonRecord => builder.add_poison_record(),
            }
        }
        builder.republish_last_record();
        builder.build()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_valid_history_passes(history in valid_history()) {
        let report = check(&history);
        prop_assert!(report.is_clean(), "{report}");
    }

    #[test]
    fn a_history_read_back_from_a_file_has_the_same_report(history in valid_history()) {
        let read: History = serde_json::from_str(&serde_json::to_string(&history).expect("the builder creates valid values")).expect("the builder creates valid values");
        prop_assert_eq!(check(&read), check(&history));
    }
}
