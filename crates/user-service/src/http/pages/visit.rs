//! What the pages behind mailed links share: who reads, in which language, and what becomes of a link that cannot be
//! used.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use secrecy::SecretString;
use serde::Deserialize;

use super::account_pages::{
    LinkPage, address_refused_page, dead_link_page, link_not_sent_page, link_sent_page, try_again_page, undo_page,
};
use crate::{
    domain::Email,
    http::{errors::problem::Problem, extractors::language::Language, middleware::request_context::RequestContext},
    outbox::Origin,
    usecase::{self, AccountService, LinkState, LinkedAccount},
};

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

/// A reader of one of the pages.
pub(in crate::http) struct Visit {
    pub accounts: Arc<AccountService>,
    pub origin: Origin,
    pub language: Language,
}

impl FromRequest for Visit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let language = Language::from_headers(request.headers());
        let context = RequestContext::from_request(request, payload).into_inner();
        let accounts = request.app_data::<web::Data<AccountService>>().cloned();
        ready(context.and_then(|context| {
            let accounts = accounts.ok_or_else(|| Problem::internal(anyhow::anyhow!("no accounts")))?;
            Ok(Self { accounts: accounts.into_inner(), origin: context.origin(), language })
        }))
    }
}

impl Visit {
    /// The form of `page`, if the link is valid, and what is so with it if not. Uses nothing up.
    pub(super) async fn show(
        &self,
        page: LinkPage,
        token: &str,
        form: impl FnOnce(&LinkedAccount) -> HttpResponse,
    ) -> HttpResponse {
        if let Err(failure) = self.accounts.rate_limiter.check_local_request(&self.origin) {
            return try_again_page(failure, self.language);
        }
        match usecase::link_state(&self.accounts, token, page.purposes()).await {
            Ok(LinkState::Valid(account)) => form(&account),
            Ok(state) => dead_link_page(page, &state, token, self.language),
            Err(failure) => try_again_page(failure, self.language),
        }
    }

    /// The form of a page that undoes a change, as [`show`](Self::show); `box_missing` after it was sent without the box.
    pub(super) async fn show_undo(&self, page: LinkPage, token: &str, box_missing: bool) -> HttpResponse {
        self.show(page, token, |account| undo_page(page, account.purpose, token, box_missing, self.language)).await
    }

    /// The link, or the form, is not complete.
    pub(super) fn incomplete(&self, page: LinkPage) -> HttpResponse {
        dead_link_page(page, &LinkState::Unknown, "", self.language)
    }

    /// What is so with a link whose token was refused.
    pub(super) async fn refused(&self, page: LinkPage, token: &str) -> HttpResponse {
        self.show(page, token, |_| self.incomplete(page)).await
    }

    /// Sends the link of `page` again: to the address that was typed, or to that of the token. The answer is the same
    /// whether or not there is such an account.
    pub(super) async fn send_link(self, page: LinkPage, form: &LinkForm) -> HttpResponse {
        let Some(mail) = page.mail() else { return self.incomplete(page) };
        let sent = match &form.email {
            Some(typed) => match Email::parse(typed) {
                Ok(email) => usecase::request_mail(&self.accounts, mail, &email, self.origin).await,
                Err(_) => return address_refused_page(page, typed, self.language),
            },
            None if form.token.is_empty() => return self.incomplete(page),
            None => usecase::resend_link(&self.accounts, mail, &form.token, self.origin).await,
        };
        match sent {
            Ok(()) => link_sent_page(self.language),
            Err(failure) => link_not_sent_page(failure, self.language),
        }
    }
}
