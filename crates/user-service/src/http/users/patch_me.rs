//! `PATCH /api/users/me`: changes of one's profile.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::UserBody;
use crate::{
    domain::{DisplayName, Invalid, Locale, Timezone, Username},
    http::{
        conditional::{IfMatch, etag_header},
        json_body::{MergePatchBody, double_option},
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, NotSignedIn, Throttled, TryLater},
        request_context::RequestContext,
        signed_in_caller::SignedInCaller,
        validation::Validation,
    },
    usecase::{self, Accounts, ProfileChange},
};

/// Members to change (RFC 7396); null clears one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ProfilePatch)]
pub(crate) struct Body {
    /// Cannot be cleared.
    #[schema(nullable = false)]
    pub(in crate::http) username: Option<String>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    pub(in crate::http) display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    pub(in crate::http) locale: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    pub(in crate::http) timezone: Option<Option<String>>,
    /// Merged into what is there.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<Object>)]
    pub(in crate::http) attributes: Option<Option<Map<String, Value>>>,
}

/// Changes the account of the access token.
#[utoipa::path(patch, path = "/api/users/me", tag = "account", operation_id = "updateMe", security(("bearer" = [])),
    request_body(content((Body = "application/merge-patch+json"), (Body = "application/json"))),
    params(("If-Match" = Option<String>, Header, description = "The ETag that the change was decided on")),
    responses(
        (status = 200, description = "The account as it is now", body = UserBody, headers(("ETag" = String))),
        (status = 409, description = "`username-taken`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn patch(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    if_match: IfMatch,
    context: RequestContext,
    MergePatchBody(body): MergePatchBody<Body>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let change = profile_change(body, &mut found);
    found.finish()?;
    let permits = move |version| if_match.allows(version);
    let user = usecase::update_profile(&accounts.into_inner(), caller, change, permits, context.origin()).await?;
    Ok(HttpResponse::Ok().insert_header(etag_header(user.version)).json(UserBody::from(user)))
}

/// The change that the members mean; mistakes are noted.
pub(in crate::http) fn profile_change(body: Body, found: &mut Validation) -> ProfileChange {
    ProfileChange {
        username: found.check_optional("username", body.username.as_deref().map(Username::parse)),
        display_name: found
            .check_optional("displayName", body.display_name.map(|new| parse_or_clear(new, DisplayName::parse))),
        locale: found.check_optional("locale", body.locale.map(|new| parse_or_clear(new, Locale::parse))),
        timezone: found.check_optional("timezone", body.timezone.map(|new| parse_or_clear(new, Timezone::parse))),
        attributes: body.attributes,
    }
}

fn parse_or_clear<T>(new: Option<String>, parse: impl Fn(&str) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    new.map(|text| parse(&text)).transpose()
}
