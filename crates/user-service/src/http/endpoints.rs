//! The list of all endpoints of the API. Routes, the OpenAPI document and `Allow` follow from it.

use actix_web::web;
use utoipa::OpenApi;

use super::{
    api::{
        account, admin_clients, admin_user_actions, admin_users, audit_log, discovery, email_change,
        email_verification, invitation, jwks, login, oauth, password_change, password_reset, personal_data_export,
        reauthentication, registration, second_factor, sessions, undo, verify,
    },
    openapi::endpoint::Endpoint,
};

/// Defines `endpoints()` from a list of handlers. Path and method come from the `#[utoipa::path]` of the handler, through
/// a document that has only this handler: the type that the attribute generates has a name that `macro_rules` cannot
/// build.
///
/// No library does this. `utoipa-actix-web` needs utoipa 5, and registers each handler as a resource of its own, so that
/// another method on its path would be 404 instead of 405. The `routes!` macro of `utoipa-axum` is for axum.
macro_rules! endpoints {
    ($($file:ident::{$($handler:ident),+},)+) => {
        /// Returns all endpoints. Those with the same path are in the order of the `Allow` header. Each is built when it
        /// is reached: their documents together take 4 MB.
        pub(super) fn endpoints() -> impl Iterator<Item = Endpoint> {
            let all: Vec<fn() -> Endpoint> = vec![$($(|| {
                #[derive(OpenApi)]
                #[openapi(paths($file::$handler))]
                struct Document;
                Endpoint::new(Document::openapi(), || web::to($file::$handler))
            },)+)+];
            all.into_iter().map(|endpoint| endpoint())
        }
    };
}

// Every endpoint: the file in `http/api` and the handlers.
endpoints! {
    registration::{register},
    account::{get_me, update_me, delete_me},
    password_change::{change_password},
    sessions::{list_sessions, end_other_sessions, end_session, refresh, logout},
    second_factor::{get_totp, start_totp, remove_totp, confirm_totp, renew_recovery_codes},
    email_change::{change_email, confirm_email_change, undo_email_change},
    personal_data_export::{export_me},
    audit_log::{get_my_audit_log, get_user_audit_log},
    login::{login, login_totp},
    reauthentication::{reauthenticate},
    verify::{verify},
    email_verification::{verify_email, resend_verification, disown_account},
    password_reset::{request_password_reset, confirm_password_reset},
    undo::{undo_change},
    invitation::{accept_invitation},
    admin_users::{list_users, create_user, get_user, update_user, delete_user},
    admin_user_actions::{disable, enable, unlock, logout, remove_second_factor, resend_invitation},
    admin_clients::{
        list_clients, create_client, get_client, rotate_secret, drop_old_secret, disable_client, enable_client
    },
    oauth::{issue_client_token, introspect_token, revoke_token},
    jwks::{get_jwks},
    discovery::{get_openid_configuration, get_authorization_server},
}
