//! Extractors of the account pages: a visitor or a member, each with or without a form. They refuse what is not from a
//! page of this service, and send a reader without a session to the sign-in.

use std::{
    borrow::Cow,
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, LocalBoxFuture},
};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    PageSettings,
    form_problem::FormProblem,
    return_to::{HOME, MAX_BYTES, ReturnTo},
    same_origin::is_from_own_page,
    view::{AccountView, FormView, LinkView, NavView},
};
use crate::{
    http::{
        cookies::SameSite,
        errors::own_response::OwnResponse,
        extractors::requests::ClientRequest,
        pages::layout::{ACCOUNT, LocalizedPages, PagePermissions},
        percent_encoding::percent_encode,
    },
    outbox::Origin,
    problem::Problem,
    usecase::{AccountService, Caller, authenticate_page_session, change_page_session},
};

/// The name of the cookie of a page session.
const COOKIE: &str = "session";

/// A request to a page that needs no session. An extractor.
#[derive(Clone)]
pub(in crate::http) struct VisitorRequest {
    pub accounts: Arc<AccountService>,
    pub origin: Origin,
    pub pages: LocalizedPages,
    pub settings: Arc<PageSettings>,
    /// The cookie of the page session as the browser sent it, valid or not.
    pub cookie: Option<SecretString>,
    /// Path and query.
    pub address: String,
}

/// A request to a page of a signed-in user. An extractor; without a session the response leads to the sign-in.
pub(super) struct MemberRequest {
    pub visitor: VisitorRequest,
    pub caller: Caller,
    /// The token of the forms of this session.
    pub csrf: String,
}

/// A form of a page that needs no session. An extractor.
pub(super) struct VisitorForm<T> {
    pub request: VisitorRequest,
    pub form: T,
}

/// A form of a signed-in user. An extractor.
pub(super) struct MemberForm<T> {
    pub request: MemberRequest,
    pub form: T,
}

/// The cookie of a session whose rights have changed; absent if it is still the same one.
#[must_use]
pub(super) struct RenewedCookie(Option<SecretString>);

impl RenewedCookie {
    /// Returns the response with which the browser gets the cookie.
    pub(super) fn add_to(self, visitor: &VisitorRequest, mut response: HttpResponse) -> HttpResponse {
        if let Some(cookie) = &self.0 {
            visitor.set_cookie(&mut response, cookie);
        }
        response
    }
}

/// The reason why a request gets another page. A problem is not one of them.
pub(super) enum PageRefusal {
    /// The page requires a session.
    SignIn { next: String },
    /// The user must give the password, and the code where the second factor is on, again.
    ConfirmIdentity { next: String },
    /// The form does not come from a page of this session.
    ForeignForm(Box<VisitorRequest>),
}

impl From<PageRefusal> for Error {
    fn from(refusal: PageRefusal) -> Self {
        let (status, reason) = match &refusal {
            PageRefusal::SignIn { .. } => (StatusCode::SEE_OTHER, "the page requires a session"),
            PageRefusal::ConfirmIdentity { .. } => (StatusCode::SEE_OTHER, "the page requires a recent authentication"),
            PageRefusal::ForeignForm(_) => {
                (StatusCode::FORBIDDEN, "the form does not come from a page of this session")
            }
        };
        OwnResponse::new(status, reason, move || refusal.response()).into()
    }
}

impl PageRefusal {
    fn response(&self) -> HttpResponse {
        match self {
            Self::SignIn { next } => redirect(&format!("/sign-in?next={}", percent_encode(next))),
            Self::ConfirmIdentity { next } => {
                redirect(&format!("/account/confirm-identity?next={}", percent_encode(next)))
            }
            Self::ForeignForm(visitor) => {
                let texts = &visitor.pages.catalogue.texts.account_pages;
                let view = AccountView { error: Some((&*texts.foreign_form.text).into()), ..AccountView::default() };
                visitor.page(StatusCode::FORBIDDEN, &texts.foreign_form.title, view)
            }
        }
    }
}

/// Returns the response that leads a browser to another page with GET.
pub(super) fn redirect(address: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, address))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

impl FromRequest for VisitorRequest {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let client = ClientRequest::from_request(request, payload).into_inner();
        let pages = LocalizedPages::from_request(request, payload).into_inner();
        let settings = request.app_data::<web::Data<PageSettings>>().cloned().map(web::Data::into_inner);
        let settings = settings.ok_or_else(|| Problem::internal(anyhow::anyhow!("no PageSettings")));
        let visitor = client.and_then(|ClientRequest { accounts, origin }| {
            let settings = settings?;
            let cookie = settings.cookies.read(request.headers(), COOKIE);
            let address = request.uri().path_and_query().map_or(HOME, |it| it.as_str()).to_owned();
            Ok(Self { accounts, origin, pages: pages?, settings, cookie, address })
        });
        ready(
            visitor.and_then(|visitor| if visitor.settings.is_enabled { Ok(visitor) } else { Err(Problem::NotFound) }),
        )
    }
}

impl FromRequest for MemberRequest {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visitor = VisitorRequest::from_request(request, payload).into_inner();
        let is_get = request.method().is_safe();
        async move {
            let visitor = visitor?;
            // A form that was sent without a session is lost: its reader goes on at the page of the form. A query that is
            // too long to be kept is not repeated in the header.
            let is_kept = is_get && visitor.address.len() <= MAX_BYTES;
            let next = if is_kept { visitor.address.clone() } else { path_of(&visitor.address).to_owned() };
            match visitor.caller().await? {
                Some(caller) => {
                    let csrf = visitor.settings.csrf.issue(caller.session);
                    Ok(Self { visitor, caller, csrf })
                }
                None => Err(PageRefusal::SignIn { next }.into()),
            }
        }
        .boxed_local()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for VisitorForm<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visitor = VisitorRequest::from_request(request, payload).into_inner();
        let is_own = is_from_own_page(request);
        let form = web::Form::<T>::from_request(request, payload);
        async move {
            let request = visitor?;
            if !is_own {
                return Err(PageRefusal::ForeignForm(Box::new(request)).into());
            }
            Ok(Self { request, form: form.await?.into_inner() })
        }
        .boxed_local()
    }
}

/// A form with the token that binds it to a session.
#[derive(Deserialize)]
struct BoundForm<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    fields: T,
}

impl<T: DeserializeOwned + 'static> FromRequest for MemberForm<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = VisitorForm::<BoundForm<T>>::from_request(request, payload);
        let member = MemberRequest::from_request(request, &mut Payload::None);
        async move {
            let VisitorForm { request: visitor, form } = form.await?;
            let request = member.await?;
            if !visitor.settings.csrf.is_valid(&form.csrf, request.caller.session) {
                return Err(PageRefusal::ForeignForm(Box::new(visitor)).into());
            }
            Ok(Self { request, form: form.fields })
        }
        .boxed_local()
    }
}

impl VisitorRequest {
    /// Returns the user of the page session, if the browser has a valid one.
    ///
    /// # Errors
    /// Returns an error if the store is unavailable, or the network floods this process.
    pub(super) async fn caller(&self) -> Result<Option<Caller>, Problem> {
        let Some(cookie) = &self.cookie else { return Ok(None) };
        match authenticate_page_session(&self.accounts, cookie, &self.origin).await {
            Ok(caller) => Ok(Some(caller)),
            Err(Problem::Unauthorized) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Returns a place to which the reader may be sent, from what the address or a form has.
    pub(super) fn return_to(&self, text: Option<&str>) -> Option<ReturnTo> {
        ReturnTo::parse(text?, &self.settings.origins)
    }

    /// Returns an account page.
    #[expect(clippy::needless_pass_by_value, reason = "a view is made for one page")]
    pub(super) fn page(&self, status: StatusCode, title: &str, view: AccountView<'_>) -> HttpResponse {
        let permissions = PagePermissions {
            form_targets: &self.settings.form_targets,
            scripts: view.has_new_password(),
            // With `no-referrer`, browsers send `Origin: null` with a form.
            referrer_policy: "same-origin",
        };
        self.pages.response_with(permissions, status, ACCOUNT, title, &view)
    }

    /// Returns why a form is shown again.
    pub(super) fn problem(&self, problem: Problem) -> FormProblem {
        FormProblem::new(problem, self.pages.clone(), self.accounts.passwords.min_length())
    }

    /// Returns the page of a form that was refused; `view` has the problem in it.
    pub(super) fn refused(&self, problem: &FormProblem, title: &str, view: AccountView<'_>) -> HttpResponse {
        problem.respond(|status| self.page(status, title, view))
    }

    /// Lets the browser keep the cookie of a page session.
    pub(super) fn set_cookie(&self, response: &mut HttpResponse, cookie: &SecretString) {
        let lifetime = self.accounts.lifetimes.sessions.max;
        self.settings.cookies.set(response, COOKIE, cookie, SameSite::Lax, lifetime);
    }

    /// Lets the browser forget the cookie.
    pub(super) fn clear_cookie(&self, response: &mut HttpResponse) {
        self.settings.cookies.clear(response, COOKIE, SameSite::Lax);
    }
}

impl MemberRequest {
    /// Returns an account page with the links of a signed-in user.
    pub(super) fn page<'a>(&'a self, status: StatusCode, title: &str, view: AccountView<'a>) -> HttpResponse {
        let view = AccountView { nav: Some(self.nav()), ..view };
        self.visitor.page(status, title, view)
    }

    /// Returns why a form is shown again.
    ///
    /// # Errors
    /// Returns the page to which the reader must go instead: to sign in, or to confirm who they are.
    pub(super) fn problem(&self, problem: Problem) -> Result<FormProblem, PageRefusal> {
        let next = || path_of(&self.visitor.address).to_owned();
        match problem {
            Problem::Unauthorized => Err(PageRefusal::SignIn { next: next() }),
            Problem::ReauthenticationRequired(_) => Err(PageRefusal::ConfirmIdentity { next: next() }),
            problem => Ok(self.visitor.problem(problem)),
        }
    }

    /// Leads to the page that asks for the password, and for the code where the second factor is on, unless the user has
    /// given them recently. For the GET of a guarded page, so that no user fills in its form in vain.
    ///
    /// # Errors
    /// Returns a [`PageRefusal`], or a problem if the store is unavailable.
    pub(super) async fn require_recent_authentication(&self) -> Result<(), Error> {
        let Self { visitor, caller, .. } = self;
        match visitor.accounts.require_recent_authentication(caller, None, &visitor.origin).await {
            Ok(_) => Ok(()),
            Err(problem @ (Problem::Unauthorized | Problem::ReauthenticationRequired(_))) => {
                self.problem(problem).map(drop).map_err(Error::from)
            }
            Err(problem) => Err(problem.into()),
        }
    }

    /// Changes the rights of the session by a use case, which gives the session another cookie. The future of a use case is
    /// large, so it is boxed before it is moved.
    pub(super) async fn change_rights<T: Send + 'static>(
        &self,
        change: BoxFuture<'static, Result<T, Problem>>,
    ) -> (Result<T, Problem>, RenewedCookie) {
        let (changed, cookie) = change_page_session(&self.visitor.accounts, self.caller.session, change).await;
        (changed, RenewedCookie(cookie))
    }

    /// Returns the page of a form that was refused; `view` has the problem in it.
    pub(super) fn refused<'a>(&'a self, problem: &FormProblem, title: &str, view: AccountView<'a>) -> HttpResponse {
        problem.respond(|status| self.page(status, title, view))
    }

    fn nav(&self) -> NavView<'_> {
        let texts = &self.visitor.pages.catalogue.texts.account_pages;
        let is_home = path_of(&self.visitor.address) == HOME;
        NavView {
            username: &self.caller.user.username,
            home: (!is_home).then(|| LinkView { path: HOME.into(), text: &texts.home, value: None }),
            sign_out: self.form("/sign-out", &texts.sign_out),
        }
    }

    /// Returns a form of this session without fields.
    pub(super) fn form<'a>(&'a self, path: impl Into<Cow<'a, str>>, button: &'a str) -> FormView<'a> {
        FormView { path: path.into(), csrf: Some(&self.csrf), button, ..FormView::default() }
    }
}

/// Returns the path of an address without its query.
fn path_of(address: &str) -> &str {
    address.split('?').next().unwrap_or_default()
}
