//! The promises of the system, each with the function that checks it.

mod account_existence_is_hidden;
mod acknowledged_changes_are_published;
mod attempts_are_limited;
mod every_event_has_a_change;
mod first_occurrences_are_in_order;
mod mails_are_handed_over_once;
mod mails_reach_a_terminal_state;
mod neighbours_are_not_delayed;
mod newest_state_is_published;
mod offsets_follow_the_ledger;
mod resources_are_bounded;
mod secrets_stay_secret;
mod unprocessable_records_are_dead_letters;

use std::fmt;

use crate::checker::{History, Violation};

type Checker = fn(&History) -> Vec<Violation>;

macro_rules! promises {
    ($($name:ident: $checker:path, $sentence:literal;)*) => {
        /// A promise, by its name in the design.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Promise { $(#[doc = $sentence] $name,)* }

        /// All promises.
        pub(crate) const ALL: &[Promise] = &[$(Promise::$name),*];

        impl Promise {
            /// Returns the sentence that states the promise.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence),* }
            }

            const fn checker(self) -> Checker {
                match self { $(Self::$name => $checker),* }
            }
        }

        impl fmt::Display for Promise {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => stringify!($name)),* })
            }
        }
    };
}

promises! {
    I1: acknowledged_changes_are_published::violations, "every change that was answered with success has its event in the topic";
    I2: every_event_has_a_change::violations, "no event is published for a change that was not made";
    I3: first_occurrences_are_in_order::violations, "the first occurrences of one user's events are in the order of their sequence";
    I4: mails_reach_a_terminal_state::violations, "every event that asks for a mail ends in a terminal state, and `sent` means 250";
    I5: mails_are_handed_over_once::violations, "no mail is handed over twice unless its history and policy permit it";
    I6: neighbours_are_not_delayed::violations, "a poison record or an undeliverable address does not delay others";
    I7: resources_are_bounded::violations, "memory, queues and connections are bounded, and overload is refused with Retry-After";
    I8: unprocessable_records_are_dead_letters::violations, "every record that cannot be processed is exactly one dead letter with its reason";
    I9: offsets_follow_the_ledger::violations, "everything before a committed offset is in the ledger or the dead letters";
    I10: newest_state_is_published::violations, "the last record of every user in the topic of states is the newest committed state";
    S1: secrets_stay_secret::violations, "no password, token or hash is readable anywhere";
    S2: account_existence_is_hidden::violations, "responses do not reveal whether an account exists";
    S3: attempts_are_limited::violations, "guesses and requests stay within the rate limits, and no attack holds an owner on a known network";
}

impl Promise {
    /// Returns every violation of this promise in the history, in order.
    #[must_use]
    pub fn violations(self, history: &History) -> Vec<Violation> {
        self.checker()(history)
    }
}
