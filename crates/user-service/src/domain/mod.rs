//! The values the service speaks of: each is made by its `parse`, and by nothing else.
//!
//! Values in, values out: no clock, no I/O. A value that exists is valid, so no code
//! behind this module checks one again.

pub mod addresses;
pub mod attribute_rules;
pub mod attributes;
mod characters;
pub mod device;
pub mod display_name;
pub mod email;
mod guesses;
pub mod idempotency_key;
pub mod invalid;
pub(crate) mod json_numbers;
pub mod key_schedule;
pub mod locale;
pub mod login_identifier;
pub mod misfit;
pub mod network;
pub mod one_time_token;
pub mod own_words;
pub mod password;
pub mod password_policy;
pub mod place;
mod pointer;
#[cfg(test)]
mod properties;
pub mod reason;
pub mod recovery_code;
pub mod role;
pub mod second_factor_code;
pub(crate) mod strict_json;
pub mod timezone;
pub mod totp;
pub mod undo;
pub mod user;
pub mod user_search;
pub mod username;
pub mod usernames;

pub use addresses::{Addresses, MAX_RESERVED, Reservation};
pub use attribute_rules::{AttributeRules, Writer};
pub use attributes::Attributes;
pub use device::device;
pub use display_name::DisplayName;
pub use email::Email;
pub use idempotency_key::IdempotencyKey;
pub use invalid::Invalid;
pub use key_schedule::KeySchedule;
pub use locale::Locale;
pub use login_identifier::LoginIdentifier;
pub use misfit::Misfit;
pub use network::Network;
pub use one_time_token::OneTimeToken;
pub use own_words::OwnWords;
pub use password::Password;
pub use password_policy::PasswordPolicy;
pub use place::Place;
pub use pointer::pointer;
pub use reason::Reason;
pub use recovery_code::RecoveryCode;
pub use role::{Role, Roles};
pub use second_factor_code::SecondFactorCode;
pub use timezone::Timezone;
pub use totp::{TotpCode, TotpSecret};
pub use undo::{FactorTimes, FactorUndo, Undo, UndoLink};
pub use user::{User, UserStatus};
pub use user_search::{SearchText, UserPlace, UserSearch};
pub use username::Username;
pub use usernames::{MAX_RESERVED_USERNAMES, Usernames};
