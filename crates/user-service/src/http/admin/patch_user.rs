//! `PATCH /api/admin/users/{id}`: changes of somebody's profile and roles.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    domain::Roles,
    http::{
        conditional::{IfMatch, etag_header},
        json_body::{MergePatchBody, double_option},
        path_id::PathId,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, Forbidden, NoSuchUser, NotSignedIn, TryLater},
        request_context::RequestContext,
        signed_in_admin::SignedInAdmin,
        users::{UserBody, patch_me},
        validation::Validation,
    },
    usecase::{self, Accounts},
};

/// The name of a role; `admin` administrates, others are the applications'.
#[derive(Deserialize, ToSchema)]
#[schema(as = Role, min_length = 1, max_length = 32, pattern = "^[a-z0-9_-]+$")]
pub(crate) struct RoleName(String);

/// Members to change (RFC 7396); null clears one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UserPatch)]
pub(crate) struct Body {
    /// Cannot be cleared.
    #[schema(nullable = false)]
    username: Option<String>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    locale: Option<Option<String>>,
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<String>)]
    timezone: Option<Option<String>>,
    /// Merged into what is there.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<Object>)]
    attributes: Option<Option<Map<String, Value>>>,
    /// All roles from now on.
    #[serde(default, deserialize_with = "double_option")]
    #[schema(value_type = Option<Vec<RoleName>>, max_items = 32)]
    roles: Option<Option<Vec<RoleName>>>,
}

/// Changes the account: profile and roles in one write.
#[utoipa::path(patch, path = "/api/admin/users/{id}", tag = "administration", operation_id = "updateUser", security(("bearer" = [])),
    request_body(content((Body = "application/merge-patch+json"), (Body = "application/json"))),
    params(
        ("id" = uuid::Uuid, Path, description = "The account's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the change was decided on"),
    ),
    responses(
        (status = 200, description = "The account as it is now", body = UserBody, headers(("ETag" = String))),
        (status = 409, description = "`username-taken`; `conflict`: the last administrator", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn patch(
    accounts: web::Data<Accounts>,
    admin: SignedInAdmin,
    id: PathId,
    if_match: IfMatch,
    context: RequestContext,
    MergePatchBody(body): MergePatchBody<Body>,
) -> Result<HttpResponse, Problem> {
    let Body { username, display_name, locale, timezone, attributes, roles } = body;
    let mut found = Validation::default();
    let profile = patch_me::Body { username, display_name, locale, timezone, attributes };
    let change = patch_me::profile_change(profile, &mut found);
    let names = |roles: Option<Vec<RoleName>>| Roles::parse(roles.unwrap_or_default().into_iter().map(|role| role.0));
    let roles = found.check_optional("roles", roles.map(names));
    found.finish()?;
    let permits = move |version| if_match.allows(version);
    let origin = context.origin().by_admin(admin.id);
    let user = usecase::edit_user(&accounts.into_inner(), id.uuid()?, change, roles, permits, origin).await?;
    Ok(HttpResponse::Ok().insert_header(etag_header(user.version)).json(UserBody::from(user)))
}
