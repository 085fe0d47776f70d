//! The data of all events, grouped by subject.
//!
//! JSON members are camelCase; a member without a value is absent. The doc comments become the
//! descriptions in `schemas/`.

mod account;
mod administration;
mod email_address;
mod password;
mod sessions;
mod shared;
mod two_factor;

pub use account::{
    DeletedBy, UndoneChange, UserChangeUndone, UserDeleted, UserDisowned, UserImported, UserProfileUpdated,
    UserRegistered, UserRegistrationAttempted,
};
pub use administration::{
    RolesChangedBy, StatusChangedBy, UserDisabled, UserEnabled, UserLocked, UserRolesChanged, UserUnlocked,
};
pub use email_address::{
    UserEmailChangeRequested, UserEmailChangeUndone, UserEmailChanged, UserEmailVerificationRequested,
    UserEmailVerified,
};
pub use password::{PasswordChangeReason, UserPasswordChanged, UserPasswordResetRequested};
pub use sessions::{LoginMethod, SessionsEndedReason, UserLoggedIn, UserSessionsEnded};
pub use shared::{Recipient, TokenGrant};
pub use two_factor::{
    TotpDisabledBy, UserRecoveryCodeUsed, UserRecoveryCodesRenewed, UserTotpDisabled, UserTotpEnabled,
};
