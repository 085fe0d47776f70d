//! The pages behind mailed links, and what each may be used for.

use events::sealing::Purpose;
use serde::Deserialize;

use crate::usecase::RequestedMail;

/// The action of a second form on a page.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FormAction {
    /// Sends a new link.
    Resend,
    /// Reports that the reader did not create the account.
    Disown,
}

/// The page behind one kind of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkPage {
    VerifyEmail,
    ResetPassword,
    ConfirmEmail,
    UndoEmailChange,
    UndoChange,
    AcceptInvitation,
}

impl LinkPage {
    pub(super) const ALL: [Self; 6] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ConfirmEmail,
        Self::UndoEmailChange,
        Self::UndoChange,
        Self::AcceptInvitation,
    ];

    /// Returns the path, the purposes of the links to this page, and the mail that it can send again.
    const fn row(self) -> (&'static str, &'static [Purpose], Option<RequestedMail>) {
        match self {
            Self::VerifyEmail => ("/verify-email", &[Purpose::EmailVerification], Some(RequestedMail::Verification)),
            Self::ResetPassword => ("/reset-password", &[Purpose::PasswordReset], Some(RequestedMail::Reset)),
            Self::ConfirmEmail => ("/confirm-email", &[Purpose::EmailChange], None),
            Self::AcceptInvitation => ("/accept-invitation", &[Purpose::Invitation], None),
            Self::UndoEmailChange => ("/undo-email-change", &[Purpose::EmailChangeUndo], None),
            Self::UndoChange => (
                "/undo-change",
                &[Purpose::PasswordChangeUndo, Purpose::TotpUndo, Purpose::RecoveryCodesUndo, Purpose::SignInUndo],
                None,
            ),
        }
    }

    pub(super) const fn path(self) -> &'static str {
        self.row().0
    }

    /// Returns the purposes of the links to this page.
    pub(super) const fn purposes(self) -> &'static [Purpose] {
        self.row().1
    }

    /// Returns the mail that this page can send again.
    pub(super) const fn mail(self) -> Option<RequestedMail> {
        self.row().2
    }

    /// Returns whether a person must tick a box before this action, because it is destructive.
    pub(super) fn needs_checkbox(self, action: Option<FormAction>) -> bool {
        match self {
            Self::VerifyEmail => action == Some(FormAction::Disown),
            Self::ResetPassword | Self::ConfirmEmail | Self::AcceptInvitation => false,
            Self::UndoEmailChange | Self::UndoChange => true,
        }
    }
}
