//! `/pages/password-strength.js` and `POST /pages/password-strength`: say whether a new password can be used, while it is
//! typed. Without scripts, the form says it. The pages of mailed links have new passwords, too, so both are there even if
//! the account pages are off. Neither the password nor the result is stored or logged.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, ContentType},
    },
    web::{self, ServiceConfig},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::same_origin::is_from_own_page;
use crate::{
    http::{
        extractors::{
            conditional::{IfNoneMatch, etag},
            requests::ClientRequest,
        },
        pages::layout::LocalizedPages,
        resource::Resource,
    },
    problem::Problem,
    usecase,
};

const SCRIPT: &str = include_str!("../../../../assets/password-strength.js");

static SCRIPT_DIGEST: LazyLock<String> = LazyLock::new(|| hex::encode(Sha256::digest(SCRIPT)));

/// A new password, and the words of the user that it must not consist of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewPassword {
    new_password: SecretString,
    #[serde(default)]
    context: String,
}

/// The answer to the script.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Strength {
    is_accepted: bool,
    /// The reasons against the password; or a text that says that it can be used.
    texts: Vec<String>,
}

/// Registers the script and its request.
pub(in crate::http) fn configure(config: &mut ServiceConfig) {
    config
        .service(Resource::at("/pages/password-strength.js").on(Method::GET, web::to(script)))
        .service(Resource::at("/pages/password-strength").on(Method::POST, web::to(strength)));
}

async fn script(if_none_match: IfNoneMatch) -> HttpResponse {
    let is_known = if_none_match.matches(&*SCRIPT_DIGEST);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, etag(&*SCRIPT_DIGEST)))
        // A page always has the script of the same version.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if is_known {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, "text/javascript; charset=utf-8")).body(SCRIPT)
}

async fn strength(
    request: HttpRequest,
    client: ClientRequest,
    pages: LocalizedPages,
    form: web::Form<NewPassword>,
) -> Result<HttpResponse, Problem> {
    if !is_from_own_page(&request) {
        return Err(Problem::Forbidden);
    }
    let ClientRequest { accounts, origin } = client;
    let checked = usecase::check_new_password(&accounts, &form.new_password, &form.context, &origin).await;
    let (texts, language) = (&pages.catalogue.texts, &pages.catalogue.language);
    let strength = match checked {
        Ok(()) => Strength { is_accepted: true, texts: vec![texts.settings.strength.accepted.to_string()] },
        Err(Problem::ValidationFailed(errors)) => {
            let min_length = accounts.passwords.min_length();
            let reason = |code| texts.reset.reason(code, language, min_length);
            let texts = errors.into_iter().map(|error| reason(error.code).unwrap_or(error.detail)).collect();
            Strength { is_accepted: false, texts }
        }
        Err(problem) => return Err(problem),
    };
    Ok(HttpResponse::Ok()
        .insert_header(ContentType::json())
        .insert_header((header::CONTENT_LANGUAGE, pages.tag()))
        .insert_header((header::VARY, "Accept-Language"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .json(strength))
}
