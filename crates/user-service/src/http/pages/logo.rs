//! `GET /branding/logo`: the logo of the brand, for the pages.

use super::{
    layout::{LOGO_PATH, PageLogo},
    served::ServedPages,
};
use crate::{
    http::{
        extractors::{
            conditional::{IfNoneMatch, etag},
            parameters::Query,
        },
        resource::Resource,
    },
    problem::Problem,
};
use actix_web::{
    HttpResponse,
    http::{Method, header},
    web,
};

/// Registers the logo.
pub(in crate::http) fn configure(config: &mut web::ServiceConfig) {
    config.service(Resource::at(LOGO_PATH).on(Method::GET, web::to(logo)));
}

async fn logo(
    pages: web::Data<ServedPages>,
    query: Query,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    let pages = pages.current();
    let PageLogo { digest, media_type, bytes, .. } = pages.logo().ok_or(Problem::NotFound)?;
    // While replicas read a changed brand, a page of one may ask another for a logo that it does not have. Its answer must
    // not be kept under that address.
    let is_other = query.get("v").is_some_and(|asked| asked != digest);
    let caching = if is_other { "no-store" } else { "public, max-age=86400" };
    let is_known = if_none_match.matches(digest);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, etag(digest)))
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.insert_header((header::CONTENT_TYPE, *media_type)).body(bytes.clone()))
}
