//! The extractor behind every authenticated endpoint: the caller, or 401.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::LocalBoxFuture;

use super::bearer_token::bearer_token;
use crate::{
    http::errors::problem::Problem,
    usecase::{Accounts, Caller, caller},
};

/// Who asks, with a valid access token.
pub(in crate::http) struct SignedInCaller(pub Caller);

impl FromRequest for SignedInCaller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = bearer_token(request.headers()).map(str::to_owned);
        let accounts = request.app_data::<web::Data<Accounts>>().cloned();
        Box::pin(async move {
            let accounts =
                accounts.ok_or_else(|| Problem::internal(anyhow::anyhow!("no accounts in the app's data")))?;
            Ok(Self(caller(&accounts, &token?).await?))
        })
    }
}
