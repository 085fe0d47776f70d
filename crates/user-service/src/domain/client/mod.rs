//! Clients (RFC 6749): programs that act for themselves, and not for a user.

mod client_id;
mod client_name;
mod client_secret;
mod scope;

use jiff::Timestamp;

pub use self::{
    client_id::ClientId,
    client_name::ClientName,
    client_secret::ClientSecret,
    scope::{Scope, Scopes},
};

/// Maximum number of secrets of a client that are valid at the same time: the current one, and the one before during a
/// rotation.
pub const MAX_SECRETS: i32 = 2;

/// A client, without its secrets.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: ClientId,
    pub name: String,
    pub scopes: Scopes,
    pub disabled: bool,
    pub created_at: Timestamp,
    /// The times at which the valid secrets were made, the oldest first.
    pub secrets: Vec<Timestamp>,
}
