//! Clients: programs with an access of their own (OAuth 2.0 client credentials, RFC 6749 section 4.4). Administrators and
//! operators create them, and they get tokens with scopes.

mod authenticate_client;
mod client_management;
mod introspect_token;
mod issue_token;
mod manager;
mod oauth_error;
mod revoke_token;

pub use self::{
    authenticate_client::ClientCredentials,
    client_management::{ClientManagement, ClientPage, ClientWithSecret, NewClient},
    introspect_token::{Introspection, TokenSubject, introspect_token},
    issue_token::{IssuedClientToken, issue_client_token},
    manager::{Manager, authenticate_manager},
    oauth_error::OAuthError,
    revoke_token::revoke_token,
};
