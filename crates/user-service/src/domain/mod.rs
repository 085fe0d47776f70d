//! The values the service speaks of: each is made by its `parse`, and by nothing else.
//!
//! Values in, values out: no clock, no I/O. A value that exists is valid, so no code
//! behind this module checks one again.

pub mod admin_reason;
mod allowed_characters;
pub mod attribute_rules;
pub mod attributes;
pub mod context_words;
pub mod cursor;
pub mod device_name;
pub mod display_name;
pub mod email;
pub mod email_history;
pub mod expiry;
pub mod idempotency_key;
pub mod invalid;
pub mod ip_prefix;
pub(crate) mod json_numbers;
mod json_pointer;
pub mod key_schedule;
pub mod locale;
pub mod login_identifier;
pub mod one_time_token;
pub mod password;
pub mod password_policy;
mod password_strength;
#[cfg(test)]
mod properties;
pub mod recovery_code;
pub mod role;
pub mod schema_violation;
pub mod second_factor_code;
pub(crate) mod strict_json;
pub mod timezone;
pub mod totp;
pub mod undo_links;
pub mod user;
pub mod user_search;
pub mod username;
pub mod username_history;

pub use admin_reason::AdminReason;
pub use attribute_rules::{AttributeRules, Writer};
pub use attributes::Attributes;
pub use context_words::ContextWords;
pub use cursor::Cursor;
pub use device_name::device_name;
pub use display_name::DisplayName;
pub use email::Email;
pub use email_history::{EmailHistory, KeyReservation, MAX_RESERVED_EMAILS};
pub use idempotency_key::IdempotencyKey;
pub use invalid::Invalid;
pub use ip_prefix::IpPrefix;
pub use json_pointer::json_pointer;
pub use key_schedule::KeySchedule;
pub use locale::Locale;
pub use login_identifier::LoginIdentifier;
pub use one_time_token::OneTimeToken;
pub use password::Password;
pub use password_policy::PasswordPolicy;
pub use recovery_code::RecoveryCode;
pub use role::{Role, Roles};
pub use schema_violation::SchemaViolation;
pub use second_factor_code::SecondFactorCode;
pub use timezone::Timezone;
pub use totp::{TotpCode, TotpSecret};
pub use undo_links::{SecondFactorTimes, SecondFactorUndo, UndoLink, UndoPlan};
pub use user::{User, UserStatus};
pub use user_search::{SearchText, UserCursor, UserSearch};
pub use username::Username;
pub use username_history::{MAX_RESERVED_USERNAMES, UsernameHistory};
