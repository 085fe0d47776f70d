//! What the pages behind mailed links read: the query of the link, and the forms that the pages post.

use secrecy::SecretString;
use serde::Deserialize;

/// The query of a link.
#[derive(Deserialize)]
pub(crate) struct Link {
    pub token: String,
}

/// A form of any of the pages.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkForm {
    #[serde(default)]
    pub token: String,
    /// What else than the page's own purpose the form is for.
    pub action: Option<Action>,
    confirmed: Option<String>,
    /// Of the form that asks for an address.
    pub email: Option<String>,
    pub new_password: Option<SecretString>,
}

/// What a second form on a page does.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// Sends a new link.
    Resend,
    /// Says that the account is not the reader's.
    Disown,
}

impl LinkForm {
    /// Whether a person ticked the box.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed.as_deref() == Some("yes")
    }
}
