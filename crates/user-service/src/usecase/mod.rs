//! The use cases, one file each. A use case parses what a client sent, decides, writes once, and offers the events to
//! the relay.

mod account_service;
mod administration;
mod background_queue;
mod background_worker;
mod clients;
mod email_address;
mod import;
mod invitation;
mod mailed_links;
mod password;
mod privacy;
mod profile;
mod rate_limit;
mod registration;
mod second_factor;
mod sessions;
mod update;
mod write_tasks;

/// The kinds of entries of the audit log that have no event, for the test of their texts.
#[cfg(test)]
pub(crate) use crate::store::AuditOnlyKind;

pub use self::account_service::{AccountService, Rules};
pub use self::administration::{
    AccountRef, ExportError, ExportSummary, GrantRoleError, GrantedRole, UserPage, create_user, delete_user,
    disable_user, enable_user, end_sessions, export_users, find_audit_log, find_user, find_users, grant_role,
    remove_second_factor, remove_second_factor_as_operator,
};
pub use self::background_queue::{BackgroundQueue, BackgroundWorker, RequestedMail};
pub use self::clients::{
    ClientCredentials, ClientManagement, ClientPage, ClientWithSecret, Introspection, IssuedClientToken, Manager,
    NewClient, OAuthError, TokenSubject, authenticate_manager, introspect_token, issue_client_token, revoke_token,
};
pub use self::email_address::{
    ChangeEmail, EmailChange, change_email, confirm_email_change, undo_email_change, verify_email,
};
pub use self::import::{
    Auth0Hashes, ExportFormat, FirebaseParameters, Import, ImportError, ImportProgress, ImportStep, Importer,
    InvalidHashConfig, InvalidHashFile, LeftBehind, LineError, MemberPath, Records, RefusedLine, RunningImport,
    begin_import, fingerprint, parse_firebase_hash_config,
};
pub use self::invitation::{Invitation, Invitations, accept_invitation, invite_user, resend_invitation};
pub use self::mailed_links::{LinkState, LinkedAccount, link_state, request_mail, resend_link, undo_change};
pub use self::password::{ChangePassword, PasswordValidation, change_password, check_new_password, reset_password};
pub use self::privacy::{
    AuditLogEntry, ExportedFactor, ExportedKey, ExportedPendingEvent, ExportedSession, ExportedToken, ExportedUsedLink,
    PersonalData, PersonalDataExport, delete_account, own_audit_log, start_export,
};
pub use self::profile::{ProfilePatch, edit_user, update_profile};
pub use self::rate_limit::{ChargedAttempt, RateLimitStatus, RateLimiter, RefundWriter, with_rate_limit_status};
pub use self::registration::{ExpiryBatch, Registered, Registration, disown_account, expire_unverified, register};
pub use self::second_factor::{GivenFactors, TotpStarted, confirm_totp, remove_totp, renew_recovery_codes, start_totp};
pub use self::sessions::{
    Caller, ListedSession, Login, Proven, SignedIn, authenticate, authenticate_page_session, authenticate_session,
    change_page_session, end_other_sessions, end_session, list_sessions, login, login_totp, logout, reauthenticate,
    refresh, sign_in, sign_in_totp, sign_out, unlock,
};
pub use self::update::AccountWriter;
pub use self::write_tasks::Writes;
