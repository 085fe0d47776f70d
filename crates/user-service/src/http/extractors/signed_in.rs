//! Extractors for the account whose access token a request has: any account, or one with the role `admin`.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use super::bearer_token::bearer_token;
use crate::{
    domain::role,
    problem::Problem,
    usecase::{AccountService, Caller, authenticate},
};

/// The caller of a request with a valid access token.
pub(in crate::http) struct SignedInCaller(pub Caller);

impl FromRequest for SignedInCaller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = bearer_token(request.headers()).map(str::to_owned);
        let accounts = request.app_data::<web::Data<AccountService>>().cloned();
        Box::pin(async move {
            let accounts = accounts
                .ok_or_else(|| Problem::internal(anyhow::anyhow!("no AccountService in the application's data")))?;
            Ok(Self(authenticate(&accounts, &token?).await?))
        })
    }
}

/// The caller of a request with a valid access token whose account currently has the role `admin`. The roles in the
/// token do not count.
pub(in crate::http) struct SignedInAdmin {
    pub(in crate::http) id: Uuid,
}

impl FromRequest for SignedInAdmin {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = SignedInCaller::from_request(request, payload);
        Box::pin(async move {
            let SignedInCaller(caller) = caller.await?;
            if role::has_admin(&caller.user.roles) {
                Ok(Self { id: caller.user.id.into() })
            } else {
                Err(Problem::Forbidden)
            }
        })
    }
}
