//! Extractors for what a handler passes to a use case: the account service, the origin of the request, and the caller.
//! There is one for each kind of caller: any client, a signed-in user, an administrator, and an administrator or a program
//! that has a scope. `oauth_request.rs` has that of a program that sends its secret.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};
use futures_util::{FutureExt, future::LocalBoxFuture};
use uuid::Uuid;

use super::bearer_token::bearer_token;
use crate::{
    domain::{Scope, role},
    http::middleware::request_context::RequestContext,
    outbox::Origin,
    problem::Problem,
    usecase::{AccountService, Caller, Manager, authenticate, authenticate_manager},
};

/// A request of any client, with or without an access token.
pub(in crate::http) struct ClientRequest {
    pub accounts: Arc<AccountService>,
    pub origin: Origin,
}

impl FromRequest for ClientRequest {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let origin = request.extensions().get().map(RequestContext::origin);
        let accounts = request.app_data::<web::Data<AccountService>>().cloned();
        ready(match (origin, accounts) {
            (Some(origin), Some(accounts)) => Ok(Self { accounts: accounts.into_inner(), origin }),
            _ => Err(Problem::internal(anyhow::anyhow!("no request context, or no AccountService"))),
        })
    }
}

/// A request with a valid access token. It has to be the first parameter of a handler: actix polls the parameters in
/// their order, so a missing or forged token is 401 before any other parameter is looked at.
pub(in crate::http) struct UserRequest {
    pub accounts: Arc<AccountService>,
    pub caller: Caller,
    pub origin: Origin,
}

impl FromRequest for UserRequest {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let client = ClientRequest::from_request(request, payload).into_inner();
        let token = bearer_token(request.headers()).map(str::to_owned);
        async move {
            let ClientRequest { accounts, origin } = client?;
            let caller = authenticate(&accounts, &token?).await?;
            Ok(Self { accounts, caller, origin })
        }
        .boxed_local()
    }
}

/// A request with a valid access token whose account currently has the role `admin`. The roles in the token do not
/// count. Like [`UserRequest`], it has to be the first parameter of a handler.
pub(in crate::http) struct AdminRequest {
    pub accounts: Arc<AccountService>,
    /// The id of the administrator.
    pub admin: Uuid,
    /// The origin, with the administrator as the actor.
    pub origin: Origin,
}

impl FromRequest for AdminRequest {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let user = UserRequest::from_request(request, payload);
        async move {
            let UserRequest { accounts, caller, origin } = user.await?;
            if !role::has_admin(&caller.user.roles) {
                return Err(Problem::Forbidden);
            }
            let admin = caller.user.id.into();
            Ok(Self { accounts, admin, origin: origin.by_admin(admin) })
        }
        .boxed_local()
    }
}

/// What a [`ManagerRequest`] requires of a client.
pub(in crate::http) trait RequiredScopes: 'static {
    /// The token has at least one of these scopes.
    const ANY_OF: &'static [Scope];
}

/// Defines a type for each set of scopes that an endpoint requires.
macro_rules! required_scopes {
    ($($name:ident: [$($scope:ident),+],)+) => {$(
        pub(in crate::http) struct $name;

        impl RequiredScopes for $name {
            const ANY_OF: &'static [Scope] = &[$(Scope::$scope),+];
        }
    )+};
}

required_scopes! {
    ToReadUsers: [UsersRead],
    ToCreateOrInviteUsers: [UsersCreate, UsersInvite],
    ToInviteUsers: [UsersInvite],
    ToWriteUsers: [UsersWrite],
    ToDisableUsers: [UsersDisable],
    ToEndSessions: [SessionsEnd],
}

/// A request of an administrator, as in [`AdminRequest`], or of a client with one of the scopes `S`. Like
/// [`UserRequest`], it has to be the first parameter of a handler.
pub(in crate::http) struct ManagerRequest<S> {
    pub accounts: Arc<AccountService>,
    /// The origin, with the administrator or the client as the actor, and what a client may do.
    pub manager: Manager,
    scopes: PhantomData<S>,
}

impl<S: RequiredScopes> FromRequest for ManagerRequest<S> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let client = ClientRequest::from_request(request, payload).into_inner();
        let token = bearer_token(request.headers()).map(str::to_owned);
        async move {
            let ClientRequest { accounts, origin } = client?;
            let manager = authenticate_manager(&accounts, &token?, origin).await?;
            manager.require(S::ANY_OF)?;
            Ok(Self { accounts, manager, scopes: PhantomData })
        }
        .boxed_local()
    }
}
