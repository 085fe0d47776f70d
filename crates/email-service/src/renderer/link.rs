//! The links in mails: a page of the user service, with the one-time token as its query.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::RenderError;
use crate::plan::Template;

/// The base URL of the pages: scheme, host, and optionally a path.
pub(super) struct LinkBase(Url);

impl LinkBase {
    pub(super) fn new(base: Url) -> Result<LinkBase, RenderError> {
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(RenderError::LinkBase("it must begin with http:// or https://"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(RenderError::LinkBase("it must have no query and no fragment"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(RenderError::LinkBase("it must have no user and no password"));
        }
        Ok(LinkBase(base))
    }

    /// Returns `<base>/<page>?token=<token>`, which is as secret as the token.
    pub(super) fn to(&self, page: &str, token: &SecretString) -> String {
        let mut url = self.0.clone();
        url.path_segments_mut().expect("a URL with http or https has path segments").pop_if_empty().push(page);
        url.query_pairs_mut().append_pair("token", token.expose_secret());
        url.into()
    }
}

/// Whether a kind of mail has a button, and the path of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkTarget {
    Nothing,
    /// Left out without a token: an imported user's address is confirmed already, and not every
    /// change can be undone.
    PageIfToken(&'static str),
    Page(&'static str),
}

pub(super) fn link_target(template: Template) -> LinkTarget {
    match template {
        Template::Welcome => LinkTarget::PageIfToken("verify-email"),
        Template::VerifyEmail => LinkTarget::Page("verify-email"),
        Template::PasswordReset | Template::RegistrationAttempted => LinkTarget::Page("reset-password"),
        Template::Invitation => LinkTarget::Page("accept-invitation"),
        Template::EmailChangeConfirm => LinkTarget::Page("confirm-email"),
        Template::EmailChanged => LinkTarget::Page("undo-email-change"),
        Template::NewSignIn | Template::PasswordChanged | Template::TotpEnabled | Template::RecoveryCodesRenewed => {
            LinkTarget::PageIfToken("undo-change")
        }
        Template::EmailChangeNotice
        | Template::EmailChangeUndone
        | Template::TotpDisabled
        | Template::RecoveryCodeUsed
        | Template::ChangeUndone
        | Template::AccountLocked
        | Template::Goodbye => LinkTarget::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(base: &str, token: &str) -> String {
        let base = LinkBase::new(base.parse().unwrap()).unwrap();
        base.to("verify-email", &SecretString::from(token))
    }

    #[test]
    fn pages_are_below_the_base_with_or_without_a_slash() {
        for (base, expected) in [
            ("http://localhost:3000", "http://localhost:3000/verify-email?token=t0-k_n"),
            ("http://localhost:3000/", "http://localhost:3000/verify-email?token=t0-k_n"),
            ("https://acme.example/id", "https://acme.example/id/verify-email?token=t0-k_n"),
            ("https://acme.example/id/", "https://acme.example/id/verify-email?token=t0-k_n"),
        ] {
            assert_eq!(link(base, "t0-k_n"), expected);
        }
    }

    #[test]
    fn a_token_cannot_extend_the_query() {
        assert_eq!(
            link("http://a.example", "x&y=\"><b>#"),
            "http://a.example/verify-email?token=x%26y%3D%22%3E%3Cb%3E%23"
        );
    }

    #[test]
    fn an_unusable_link_base_is_refused() {
        for base in [
            "ftp://a.example",
            "mailto:a@a.example",
            "https://a.example/?q",
            "https://a.example/#f",
            "https://user:password@a.example/",
            "javascript:alert(1)",
        ] {
            assert!(LinkBase::new(base.parse().unwrap()).is_err(), "{base}");
        }
    }
}
