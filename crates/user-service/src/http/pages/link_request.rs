//! What the handlers of the pages behind mailed links share: the extractor with language and origin, the forms, and the
//! response to a link that cannot be used.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    account::same_origin::is_from_foreign_page,
    layout::LocalizedPages,
    link_page::{FormAction, LinkPage},
    link_views::{FormError, LinkForm},
};
use crate::{
    http::extractors::requests::ClientRequest,
    outbox::Origin,
    problem::Problem,
    usecase::{self, AccountService, LinkState, RequestedMail},
};

/// The query of a mailed link.
#[derive(Deserialize)]
pub(crate) struct LinkQuery {
    pub token: String,
}

/// The fields of the forms of all pages.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SentForm {
    #[serde(default)]
    pub token: String,
    /// The action of the form, if it is not the main action of the page.
    pub action: Option<FormAction>,
    confirmed: Option<String>,
    /// The address from the form that sends a new link to an entered address.
    pub email: Option<String>,
    pub new_password: Option<SecretString>,
    /// The username that the reader of an invitation chooses. The field `username` is for password managers.
    pub chosen_username: Option<String>,
}

impl SentForm {
    /// Returns whether the box was ticked.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed.as_deref() == Some("yes")
    }
}

/// A request to a page behind a mailed link. An extractor.
pub(in crate::http) struct LinkRequest {
    pub accounts: Arc<AccountService>,
    pub origin: Origin,
    pub pages: LocalizedPages,
    /// Whether a page of another site has sent the request.
    pub is_foreign: bool,
}

impl FromRequest for LinkRequest {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let pages = LocalizedPages::from_request(request, payload).into_inner();
        let client = ClientRequest::from_request(request, payload).into_inner();
        let is_foreign = is_from_foreign_page(request.headers());
        let link = |ClientRequest { accounts, origin }| Ok(Self { accounts, origin, pages: pages?, is_foreign });
        ready(client.and_then(link))
    }
}

impl LinkRequest {
    /// Returns the form of `page` if the link is valid, else the page that explains the state of the link. Does not use
    /// the token.
    pub(super) async fn show_form(&self, page: LinkPage, token: &str, error: FormError<'_>) -> HttpResponse {
        match self.link_state(page, token).await {
            Ok(LinkState::Valid(account)) => {
                let min_length = self.accounts.passwords.min_length();
                self.pages.form_page(page, &LinkForm { account: &account, token, min_length, error })
            }
            Ok(state) => self.pages.unusable_link_page(page, &state, token),
            Err(problem) => self.pages.try_again_page(&problem),
        }
    }

    /// Returns the page for an incomplete link or form.
    pub(super) fn incomplete_page(&self, page: LinkPage) -> HttpResponse {
        self.pages.unusable_link_page(page, &LinkState::Unknown, "")
    }

    /// Returns the page that explains the state of a link whose token was refused.
    pub(super) async fn refused_token_page(&self, page: LinkPage, token: &str) -> HttpResponse {
        match self.link_state(page, token).await {
            Ok(LinkState::Valid(_)) => self.incomplete_page(page),
            Ok(state) => self.pages.unusable_link_page(page, &state, token),
            Err(problem) => self.pages.try_again_page(&problem),
        }
    }

    async fn link_state(&self, page: LinkPage, token: &str) -> Result<LinkState, Problem> {
        self.accounts.rate_limiter.check_local_request(&self.origin)?;
        usecase::link_state(&self.accounts, token, page.purposes()).await
    }

    /// Sends `mail` with a new link of `page` to the entered address, or to that of the token. The response is the same
    /// whether or not there is such an account.
    pub(super) async fn send_link(&self, page: LinkPage, mail: RequestedMail, form: &SentForm) -> HttpResponse {
        let origin = self.origin.clone();
        let sent = match &form.email {
            Some(typed) => match usecase::request_mail(&self.accounts, mail, typed, origin).await {
                Err(Problem::ValidationFailed(_)) => return self.pages.address_refused_page(page, typed),
                sent => sent,
            },
            None if form.token.is_empty() => return self.incomplete_page(page),
            None => usecase::resend_link(&self.accounts, mail, &form.token, origin).await,
        };
        match sent {
            Ok(()) => self.pages.link_sent_page(),
            Err(problem) => self.pages.link_not_sent_page(&problem),
        }
    }
}
