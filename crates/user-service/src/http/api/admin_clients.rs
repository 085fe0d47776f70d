//! `/api/admin/clients`: creates, lists and changes clients.

use actix_web::{HttpRequest, HttpResponse, http::header};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::responses::ApiResult;
use crate::{
    domain::Client,
    http::extractors::{
        json_body::JsonBody,
        paging::{PageParameters, PageRequest, page_response},
        parameters::{PathId, Query},
        requests::AdminRequest,
    },
    usecase::{ClientWithSecret, NewClient},
};

/// A new client.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewClient)]
pub(crate) struct NewClientBody {
    /// One line of at most 100 characters, which administrators read.
    #[schema(example = "billing")]
    name: String,
    /// What the client may do: `users:read`, `users:create`, `users:write`, `users:disable`, `users:invite`,
    /// `sessions:end`, `tokens:introspect`.
    #[schema(min_items = 1, max_items = 32, example = json!(["users:read"]))]
    scopes: Vec<String>,
}

/// A client.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Client)]
pub(crate) struct ClientBody {
    /// The `client_id`.
    id: Uuid,
    name: String,
    scopes: Vec<&'static str>,
    /// `active` or `disabled`.
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The valid secrets, the oldest first: one, or two during a rotation.
    secrets: Vec<ClientSecretBody>,
}

/// A valid secret of a client. The secret itself is not stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClientSecret)]
pub(crate) struct ClientSecretBody {
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A client and its new secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClientWithSecret)]
pub(crate) struct ClientWithSecretBody {
    client: ClientBody,
    /// The `client_secret`. It is shown only here.
    secret: String,
}

/// A page of clients, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClientPage)]
pub(crate) struct ClientPageBody {
    items: Vec<ClientBody>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Client> for ClientBody {
    fn from(client: Client) -> Self {
        Self {
            id: client.id.into(),
            name: client.name,
            scopes: client.scopes.names().collect(),
            status: if client.disabled { "disabled" } else { "active" },
            created_at: client.created_at,
            secrets: client.secrets.into_iter().map(|created_at| ClientSecretBody { created_at }).collect(),
        }
    }
}

impl From<ClientWithSecret> for ClientWithSecretBody {
    fn from(made: ClientWithSecret) -> Self {
        Self { client: made.client.into(), secret: made.secret.expose_secret().to_owned() }
    }
}

fn client_response(client: Client) -> HttpResponse {
    HttpResponse::Ok().json(ClientBody::from(client))
}

/// Lists clients in pages, newest first.
#[utoipa::path(get, path = "/api/admin/clients", tag = "administration", operation_id = "listClients", security(("bearer" = [])),
    params(PageParameters),
    responses((status = 200, description = "A page of clients", body = ClientPageBody, headers(("Link" = String, description = "The next page (RFC 8288)")))))]
pub(in crate::http) async fn list_clients(
    AdminRequest { accounts, .. }: AdminRequest,
    query: Query,
    request: HttpRequest,
) -> ApiResult {
    let page = PageRequest::<Uuid>::from_only(&query)?;
    let found = accounts.clients.list(page.after.map(Into::into), page.limit).await?;
    let items = found.clients.into_iter().map(ClientBody::from).collect();
    let (kept, next) = ([("limit", &*page.limit.to_string())], found.next.map(Uuid::from));
    Ok(page_response(request.path(), &kept, next.as_ref(), |next_cursor| ClientPageBody { items, next_cursor }))
}

/// Creates a client.
///
/// The response has its secret, which cannot be read again.
#[utoipa::path(post, path = "/api/admin/clients", tag = "administration", operation_id = "createClient", security(("bearer" = [])),
    request_body = NewClientBody,
    responses((status = 201, description = "The client and its secret", body = ClientWithSecretBody, headers(("Location" = String)))))]
pub(in crate::http) async fn create_client(
    request: AdminRequest,
    JsonBody(body): JsonBody<NewClientBody>,
) -> ApiResult {
    let new = NewClient { name: body.name, scopes: body.scopes };
    let made = request.accounts.clients.create(new, &request.origin).await?;
    let location = (header::LOCATION, format!("/api/admin/clients/{}", made.client.id));
    Ok(HttpResponse::Created().insert_header(location).json(ClientWithSecretBody::from(made)))
}

/// Returns a client.
#[utoipa::path(get, path = "/api/admin/clients/{id}", tag = "administration", operation_id = "getClient", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The client's id")),
    responses((status = 200, description = "The client", body = ClientBody)))]
pub(in crate::http) async fn get_client(request: AdminRequest, id: PathId) -> ApiResult {
    request.accounts.clients.find(id.uuid()?.into()).await.map(client_response)
}

/// Makes a new secret. The one before stays valid, and an older one is dropped.
///
/// The response has the new secret, which cannot be read again.
#[utoipa::path(post, path = "/api/admin/clients/{id}/rotate-secret", tag = "administration", operation_id = "rotateClientSecret", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The client's id")),
    responses((status = 200, description = "The client and its new secret", body = ClientWithSecretBody)))]
pub(in crate::http) async fn rotate_secret(request: AdminRequest, id: PathId) -> ApiResult {
    let made = request.accounts.clients.rotate_secret(id.uuid()?.into(), &request.origin).await?;
    Ok(HttpResponse::Ok().json(ClientWithSecretBody::from(made)))
}

/// Drops the older one of two secrets.
///
/// Does nothing if there is only one.
#[utoipa::path(post, path = "/api/admin/clients/{id}/drop-old-secret", tag = "administration", operation_id = "dropOldClientSecret", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The client's id")),
    responses((status = 200, description = "The client", body = ClientBody)))]
pub(in crate::http) async fn drop_old_secret(request: AdminRequest, id: PathId) -> ApiResult {
    request.accounts.clients.drop_old_secret(id.uuid()?.into(), &request.origin).await.map(client_response)
}

/// Disables a client: it gets no token, and this service no longer accepts those that it has.
///
/// Does nothing if it is already disabled.
#[utoipa::path(post, path = "/api/admin/clients/{id}/disable", tag = "administration", operation_id = "disableClient", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The client's id")),
    responses((status = 200, description = "The client", body = ClientBody)))]
pub(in crate::http) async fn disable_client(request: AdminRequest, id: PathId) -> ApiResult {
    request.accounts.clients.disable(id.uuid()?.into(), &request.origin).await.map(client_response)
}

/// Enables a client: it gets tokens again. Tokens from before it was disabled stay invalid.
///
/// Does nothing if it is active.
#[utoipa::path(post, path = "/api/admin/clients/{id}/enable", tag = "administration", operation_id = "enableClient", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The client's id")),
    responses((status = 200, description = "The client", body = ClientBody)))]
pub(in crate::http) async fn enable_client(request: AdminRequest, id: PathId) -> ApiResult {
    request.accounts.clients.enable(id.uuid()?.into(), &request.origin).await.map(client_response)
}
