//! Domain types and rules: values in, values out, without a clock and without I/O.
//!
//! The constructor of a type validates. A value that exists is therefore valid, and no other layer checks it again.

pub mod admin_reason;
mod allowed_characters;
pub mod attribute_rules;
pub mod attributes;
pub mod client;
pub mod context_words;
pub mod cursor;
pub mod device_name;
pub mod display_name;
pub mod email;
pub mod email_history;
pub mod expected_version;
pub mod idempotency_key;
pub mod invalid_value;
pub mod ip_prefix;
pub(crate) mod json_numbers;
mod json_pointer;
pub mod key_schedule;
pub mod lifetimes;
pub mod locale;
pub mod login_identifier;
pub mod one_time_token;
pub mod password;
pub mod password_policy;
mod password_strength;
#[cfg(test)]
mod property_tests;
pub mod recovery_code;
pub(crate) mod redacted;
pub mod role;
pub mod schema_violation;
pub mod second_factor_code;
pub mod sign_in_places;
mod single_line;
pub(crate) mod strict_json;
pub mod timezone;
mod token_claims;
pub mod token_format;
pub mod totp;
pub mod undo_links;
pub mod user;
pub mod user_search;
pub mod username;
pub mod username_history;

pub use self::admin_reason::AdminReason;
pub use self::attribute_rules::{
    AttributeChoice, AttributeField, AttributeInput, AttributeRules, LineFormat, Writer, attribute_patch,
};
pub use self::attributes::Attributes;
pub use self::client::{Client, ClientId, ClientName, ClientSecret, Scope, Scopes};
pub use self::context_words::ContextWords;
pub use self::cursor::{Cursor, Page};
pub use self::device_name::device_name;
pub use self::display_name::DisplayName;
pub use self::email::Email;
pub use self::email_history::{EmailHistory, KeyReservation, MAX_RESERVED_EMAILS};
pub use self::expected_version::ExpectedVersion;
pub use self::idempotency_key::IdempotencyKey;
pub use self::invalid_value::Invalid;
pub use self::ip_prefix::IpPrefix;
pub use self::json_pointer::json_pointer;
pub use self::key_schedule::KeySchedule;
pub use self::lifetimes::{Lifetimes, MailedLink, SessionTimes, expires_at};
pub use self::locale::Locale;
pub use self::login_identifier::LoginIdentifier;
pub use self::one_time_token::OneTimeToken;
pub use self::password::Password;
pub use self::password_policy::PasswordPolicy;
pub use self::recovery_code::RecoveryCode;
pub use self::role::{Role, Roles};
pub use self::schema_violation::SchemaViolation;
pub use self::second_factor_code::SecondFactorCode;
pub use self::sign_in_places::SignInPlace;
pub use self::timezone::Timezone;
pub use self::token_claims::{InvalidClaim, TokenClaims};
pub use self::token_format::{SigningAlgorithm, TokenType};
pub use self::totp::TotpSecret;
pub use self::undo_links::{SecondFactorTimes, SecondFactorUndo, UndoLink, UndoPlan};
pub use self::user::{User, UserStatus};
pub use self::user_search::{SearchText, UserCursor, UserSearch, UserSelection};
pub use self::username::Username;
pub use self::username_history::UsernameHistory;
