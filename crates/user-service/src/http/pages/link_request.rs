//! What the handlers of the pages behind mailed links share: the extractor with language and origin, the forms, and the
//! response to a link that cannot be used.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use secrecy::SecretString;
use serde::Deserialize;

use super::link_pages::{
    LinkPage, address_refused_page, link_not_sent_page, link_sent_page, try_again_page, undo_page, unusable_link_page,
};
use crate::{
    http::{extractors::language::Language, middleware::request_context::RequestContext},
    outbox::Origin,
    problem::Problem,
    usecase::{self, AccountService, LinkState, LinkedAccount},
};

/// The query of a mailed link.
#[derive(Deserialize)]
pub(crate) struct LinkQuery {
    pub token: String,
}

/// The fields of the forms of all pages.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkForm {
    #[serde(default)]
    pub token: String,
    /// The action of the form, if it is not the main action of the page.
    pub action: Option<FormAction>,
    confirmed: Option<String>,
    /// The address from the form that sends a new link to an entered address.
    pub email: Option<String>,
    pub new_password: Option<SecretString>,
}

/// The action of a second form on a page.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FormAction {
    /// Sends a new link.
    Resend,
    /// Reports that the reader did not create the account.
    Disown,
}

impl LinkForm {
    /// Returns whether the box was ticked.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed.as_deref() == Some("yes")
    }
}

/// A request to a page behind a mailed link. An extractor.
pub(in crate::http) struct LinkRequest {
    pub accounts: Arc<AccountService>,
    pub origin: Origin,
    pub language: Language,
}

impl FromRequest for LinkRequest {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let language = Language::from_headers(request.headers());
        let context = RequestContext::from_request(request, payload).into_inner();
        let accounts = request.app_data::<web::Data<AccountService>>().cloned();
        ready(context.and_then(|context| {
            let accounts = accounts
                .ok_or_else(|| Problem::internal(anyhow::anyhow!("no AccountService in the application's data")))?;
            Ok(Self { accounts: accounts.into_inner(), origin: context.origin(), language })
        }))
    }
}

impl LinkRequest {
    /// Returns the form of `page` if the link is valid, else the page that explains the state of the link. Does not use
    /// the token.
    pub(super) async fn show_form(
        &self,
        page: LinkPage,
        token: &str,
        form: impl FnOnce(&LinkedAccount) -> HttpResponse,
    ) -> HttpResponse {
        if let Err(failure) = self.accounts.rate_limiter.check_local_request(&self.origin) {
            return try_again_page(&failure, self.language);
        }
        match usecase::link_state(&self.accounts, token, page.purposes()).await {
            Ok(LinkState::Valid(account)) => form(&account),
            Ok(state) => unusable_link_page(page, &state, token, self.language),
            Err(failure) => try_again_page(&failure, self.language),
        }
    }

    /// Returns the form of a page that undoes a change, like [`show_form`](Self::show_form). `box_not_ticked`: the form was
    /// sent without the box.
    pub(super) async fn show_undo_form(&self, page: LinkPage, token: &str, box_not_ticked: bool) -> HttpResponse {
        self.show_form(page, token, |account| undo_page(page, account.purpose, token, box_not_ticked, self.language))
            .await
    }

    /// Returns the page for an incomplete link or form.
    pub(super) fn incomplete_page(&self, page: LinkPage) -> HttpResponse {
        unusable_link_page(page, &LinkState::Unknown, "", self.language)
    }

    /// Returns the page that explains the state of a link whose token was refused.
    pub(super) async fn refused_token_page(&self, page: LinkPage, token: &str) -> HttpResponse {
        self.show_form(page, token, |_| self.incomplete_page(page)).await
    }

    /// Sends a new link of `page` to the entered address, or to that of the token. The response is the same whether or
    /// not there is such an account.
    pub(super) async fn send_link(self, page: LinkPage, form: &LinkForm) -> HttpResponse {
        let Some(mail) = page.mail() else { return self.incomplete_page(page) };
        let sent = match &form.email {
            Some(typed) => match usecase::request_mail(&self.accounts, mail, typed, self.origin).await {
                Err(Problem::ValidationFailed(_)) => return address_refused_page(page, typed, self.language),
                sent => sent,
            },
            None if form.token.is_empty() => return self.incomplete_page(page),
            None => usecase::resend_link(&self.accounts, mail, &form.token, self.origin).await,
        };
        match sent {
            Ok(()) => link_sent_page(self.language),
            Err(failure) => link_not_sent_page(&failure, self.language),
        }
    }
}
