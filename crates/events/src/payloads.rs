//! The contract: all events with their data. A new event is one entry in the list and one payload.
//!
//! JSON members are camelCase; a member without a value is absent. The doc comments become the descriptions in
//! `schemas/`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{catalogue::catalogue, sealing::SealedToken};

// A `mailed` event can cause a mail, so its data has a `recipient`.
catalogue! {
    UserRegistered = "user.registered.v1", mailed;
    UserRegistrationAttempted = "user.registration_attempted.v1", mailed;
    UserDisowned = "user.disowned.v1", silent;
    UserInvited = "user.invited.v1", mailed;
    UserInvitationAccepted = "user.invitation_accepted.v1", silent;
    UserImported = "user.imported.v1", mailed;
    UserEmailVerificationRequested = "user.email_verification_requested.v1", mailed;
    UserEmailVerified = "user.email_verified.v1", silent;
    UserNewSignIn = "user.new_sign_in.v1", mailed;
    UserLoggedIn = "user.logged_in.v1", silent;
    UserProfileUpdated = "user.profile_updated.v1", silent;
    UserPasswordChanged = "user.password_changed.v1", mailed;
    UserPasswordResetRequested = "user.password_reset_requested.v1", mailed;
    UserEmailChangeRequested = "user.email_change_requested.v1", mailed;
    UserEmailChanged = "user.email_changed.v1", mailed;
    UserEmailChangeUndone = "user.email_change_undone.v1", mailed;
    UserTotpEnabled = "user.totp_enabled.v1", mailed;
    UserTotpDisabled = "user.totp_disabled.v1", mailed;
    UserRecoveryCodeUsed = "user.recovery_code_used.v1", mailed;
    UserRecoveryCodesRenewed = "user.recovery_codes_renewed.v1", mailed;
    UserChangeUndone = "user.change_undone.v1", mailed;
    UserLocked = "user.locked.v1", mailed;
    UserUnlocked = "user.unlocked.v1", silent;
    UserSessionsEnded = "user.sessions_ended.v1", silent;
    UserRolesChanged = "user.roles_changed.v1", silent;
    UserDisabled = "user.disabled.v1", silent;
    UserEnabled = "user.enabled.v1", silent;
    UserDeleted = "user.deleted.v1", mailed;
}

// Types that several payloads share.

/// The recipient of a mail, with the data at the time of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The email address as the user wrote it.
    pub email: String,
    /// The name for the salutation; absent if none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The preferred language, a BCP 47 tag; absent if none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// A one-time token for the recipient of a mail. Only the email service can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenGrant {
    /// The sealed token.
    pub sealed: SealedToken,
    /// The time when the token expires (RFC 3339). A mail that cannot be delivered before then
    /// is not sent.
    pub expires_at: Timestamp,
}

// Events of an account: it is registered, changed and deleted.

/// A user registered. Causes the welcome mail with the verification link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistered {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The username as the user wrote it.
    pub username: String,
    /// The recipient of the welcome mail.
    pub recipient: Recipient,
    /// The token that verifies the email address; sealed to that address.
    pub verification: TokenGrant,
}

/// A client tried to register with the email address of this account, while the service hides
/// which addresses have an account. Causes a mail to the owner with a reset link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistrationAttempted {
    /// The user who has the email address, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The owner of the email address.
    pub recipient: Recipient,
    /// The token that allows setting a new password; sealed to the recipient's address.
    pub reset: TokenGrant,
}

/// The owner of the mailbox reported, with the verification link, that the account is not
/// theirs. Its password is unusable, its second factors are removed, and its sessions have
/// ended. The account stays unverified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDisowned {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
}

/// An administrator invited a person, or sent the invitation again, which makes the earlier link
/// void. The account exists, and no password can sign in to it before the invitation is accepted.
/// Causes the mail with the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserInvited {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The username that was chosen for the user; absent if the user will choose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The invited person.
    pub recipient: Recipient,
    /// The display name of the administrator, as it was written; absent if there is none, or if
    /// a program invited the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inviter: Option<String>,
    /// The token that accepts the invitation; sealed to the recipient's address.
    pub invitation: TokenGrant,
}

/// The invited person chose a password: from now on the user can sign in. An event
/// `user.email_verified.v1` precedes it, because the link proves the address. It has no mail,
/// and there is no `user.password_changed.v1`, because the account had no password before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserInvitationAccepted {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The username from now on.
    pub username: String,
}

/// The change that an undo link reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UndoneChange {
    /// A password change: the current password is unusable, and a reset was started.
    Password,
    /// TOTP was turned on: it is off again.
    Totp,
    /// New recovery codes were created: they are void.
    RecoveryCodes,
    /// A sign-in from a new place was not the user's: the current password is unusable, and a
    /// reset was started.
    SignIn,
}

/// The owner of the mailbox undid a change, or disowned a sign-in, with the link in its notice.
/// All sessions have ended. Causes a notice. If a change of the email address was undone, the event is
/// `user.email_change_undone.v1` instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserChangeUndone {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The change that was undone.
    pub change: UndoneChange,
    /// The recipient of the notice.
    pub recipient: Recipient,
}

/// An account was imported from another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserImported {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The username.
    pub username: String,
    /// Whether the user gets a welcome mail.
    pub welcome: bool,
    /// The recipient of the welcome mail, if `welcome` is true.
    pub recipient: Recipient,
}

/// The user or an administrator changed the profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserProfileUpdated {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The names of the changed members, such as `displayName`, without their values. The set
    /// is open: expect unknown names.
    pub changed: Vec<String>,
}

/// The actor who deleted an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeletedBy {
    /// The user.
    #[serde(rename = "self")]
    SelfService,
    /// An administrator.
    Admin,
}

/// The account was deleted, and its email address and username are available again. This
/// is the last event of the user. Causes the goodbye mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDeleted {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The actor who deleted the account.
    pub by: DeletedBy,
    /// The recipient of the goodbye mail: the last email address.
    pub recipient: Recipient,
}

// Events of the password: it is changed and reset.

/// The reason of a password change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordChangeReason {
    /// The user changed it with the old password. All other sessions have ended.
    Change,
    /// The user set a new one with a reset link. All sessions have ended.
    Reset,
}

/// The password changed. Causes a notice, with an undo link if `undo` is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPasswordChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The reason of the change.
    pub reason: PasswordChangeReason,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The token that makes the new password unusable and starts a reset; sealed to the
    /// recipient's address. Absent after a reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// A password reset was requested. Causes the mail with the reset link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPasswordResetRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the link.
    pub recipient: Recipient,
    /// The token that allows setting a new password; sealed to the recipient's address.
    pub reset: TokenGrant,
}

// Events of the email address: it is verified and changed.

/// The verification link was requested again. Causes the verification mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailVerificationRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the link.
    pub recipient: Recipient,
    /// The token that verifies the email address; sealed to that address.
    pub verification: TokenGrant,
}

/// The user proved that the email address is theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailVerified {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The verified email address.
    pub email: String,
}

/// A change of the email address was requested and has to be confirmed. Causes two mails:
/// the confirmation link to `newEmail`, and a notice to the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChangeRequested {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The new email address, which gets the confirmation link.
    pub new_email: String,
    /// The current email address, which gets the notice.
    pub recipient: Recipient,
    /// The token that confirms the change; sealed to `newEmail`.
    pub confirmation: TokenGrant,
    /// The username of the account, which the confirmation mail mentions. Absent in events of
    /// earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The email address changed. Causes a notice with the undo link to the old address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The old email address.
    pub old_email: String,
    /// The new email address.
    pub new_email: String,
    /// The old email address, which gets the notice.
    pub recipient: Recipient,
    /// The token that undoes the change; sealed to `oldEmail`.
    pub undo: TokenGrant,
}

/// A change of the email address was undone: the account has the old address again. Causes
/// a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEmailChangeUndone {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The email address that the account has again.
    pub recipient: Recipient,
}

// Events of sessions: they begin and end.

/// A proof of identity in a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// The password.
    Password,
    /// A code of an authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

/// A session is about to begin from a place, a device and a network, that the account was not
/// signed in from in the last 30 days. Precedes `user.logged_in.v1` of the same session. Causes
/// a notice, with a link that ends all sessions if `undo` is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserNewSignIn {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The new session.
    pub session_id: Uuid,
    /// The browser and the system, guessed from the user agent, such as "Firefox on Linux";
    /// absent if they are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The network of the client in CIDR notation: an IPv4 /24 or an IPv6 /56; absent if it is
    /// unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The token that ends all sessions, makes the password unusable and starts a reset; sealed
    /// to the recipient's address. Absent if the account has the maximum number of such links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// A session began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserLoggedIn {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The new session.
    pub session_id: Uuid,
    /// The proofs that the user gave, in that order.
    pub methods: Vec<LoginMethod>,
}

/// The reason why sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionsEndedReason {
    /// The user ended all their other sessions.
    User,
    /// An administrator ended all sessions.
    Admin,
    /// A change of the email address was undone, which ends all sessions.
    EmailChangeUndone,
    /// An old refresh token was used again, which ends its session.
    Reuse,
}

/// Sessions ended without a logout. The events of a changed password, a disabled account
/// and a deleted account imply the end of sessions; they are not accompanied by this event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserSessionsEnded {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The reason why they ended.
    pub reason: SessionsEndedReason,
}

// Events of the second factor: TOTP and recovery codes.

/// The user turned on TOTP. Causes a notice, with an undo link if `undo` is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTotpEnabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The token that turns TOTP off again; sealed to the recipient's address. Absent if the
    /// account had a second factor shortly before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// The actor who turned off TOTP, if it was not the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TotpDisabledBy {
    /// An administrator, through the API.
    Admin,
    /// The operator of the service, on its command line.
    Operator,
    /// The owner of the mailbox, who verified the address for the first time or undid the change.
    Mailbox,
}

/// TOTP was turned off. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTotpDisabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The actor who turned off TOTP; absent if it was the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<TotpDisabledBy>,
}

/// The user got a new set of recovery codes; all earlier codes are void. Causes a notice,
/// with an undo link if `undo` is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRecoveryCodesRenewed {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The recipient of the notice.
    pub recipient: Recipient,
    /// The token that voids the new codes; sealed to the recipient's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TokenGrant>,
}

/// A recovery code was used instead of TOTP. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRecoveryCodeUsed {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The number of remaining codes.
    pub remaining: u32,
    /// The recipient of the notice.
    pub recipient: Recipient,
}

// Events of administration: an account is locked, disabled, and given roles.

/// After too many failed logins the account refuses logins for a time. Causes a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserLocked {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The time when logins are accepted again (RFC 3339).
    pub until: Timestamp,
    /// The recipient of the notice.
    pub recipient: Recipient,
}

/// The account was unlocked before the lock expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserUnlocked {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
}

/// The actor who changed the roles of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolesChangedBy {
    /// An administrator, through the API.
    Admin,
    /// The operator of the service, on its command line.
    Operator,
}

/// The roles of the user changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserRolesChanged {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// All roles of the user after the change. The set is open: expect unknown names.
    pub roles: Vec<String>,
    /// The actor who changed the roles.
    pub by: RolesChangedBy,
}

/// The actor who disabled or enabled an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusChangedBy {
    /// An administrator.
    Admin,
}

/// The account was disabled: it refuses logins, and all its sessions have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDisabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The actor who disabled the account.
    pub by: StatusChangedBy,
}

/// The account was enabled: it accepts logins again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEnabled {
    /// The user, as in `ce_subject` and the key.
    pub user_id: Uuid,
    /// The actor who enabled the account.
    pub by: StatusChangedBy,
}
