//! Random histories in which nothing is wrong, and that they pass.

use faults::checker::{History, check};
use proptest::prelude::*;

use crate::scene::{End, Scene};

/// What may happen next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next {
    Register(End),
    Login,
    UpdateProfile,
    ChangePassword(End),
    RequestEmailChange(End),
    Delete(End),
    LoseTheAnswer(bool),
    Guess,
    RefuseForOverload,
    PublishAgain,
    Poison,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![4 => Just(End::Sent), 1 => Just(End::Failed), 1 => Just(End::Unknown)]
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        end().prop_map(Next::Register),
        Just(Next::Login),
        Just(Next::UpdateProfile),
        end().prop_map(Next::ChangePassword),
        end().prop_map(Next::RequestEmailChange),
        end().prop_map(Next::Delete),
        any::<bool>().prop_map(Next::LoseTheAnswer),
        Just(Next::Guess),
        Just(Next::RefuseForOverload),
        Just(Next::PublishAgain),
        Just(Next::Poison),
    ]
}

/// A history with at least one of everything in it.
pub(crate) fn good_history() -> impl Strategy<Value = History> {
    proptest::collection::vec((next(), any::<prop::sample::Index>()), 0..60).prop_map(|steps| {
        let mut scene = Scene::new();
        let first = scene.register(End::Sent);
        scene.login(first);
        scene.update_profile(first);
        scene.change_password(first, End::Sent);
        scene.guess();
        scene.poison();
        scene.refuse_for_overload();
        for (next, who) in steps {
            let users = scene.users();
            let user = *who.get(&users);
            match next {
                Next::Register(end) => drop(scene.register(end)),
                Next::Login => scene.login(user),
                Next::UpdateProfile => scene.update_profile(user),
                Next::ChangePassword(end) => scene.change_password(user, end),
                Next::RequestEmailChange(end) => scene.request_email_change(user, end),
                Next::Delete(end) if user != first => scene.delete(user, end),
                Next::Delete(_) => {}
                Next::LoseTheAnswer(happened) => scene.lose_the_answer(user, happened),
                Next::Guess => scene.guess(),
                Next::RefuseForOverload => scene.refuse_for_overload(),
                Next::PublishAgain => scene.publish_again(),
                Next::Poison => scene.poison(),
            }
        }
        scene.publish_again();
        scene.history()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_history_in_which_nothing_is_wrong_passes(history in good_history()) {
        let report = check(&history);
        prop_assert!(report.is_clean(), "{report}");
    }

    #[test]
    fn a_history_says_the_same_after_it_was_written_to_a_file(history in good_history()) {
        let read: History = serde_json::from_str(&serde_json::to_string(&history).expect("the scene has made it so")).expect("the scene has made it so");
        prop_assert_eq!(check(&read), check(&history));
    }
}
