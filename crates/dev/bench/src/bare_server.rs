//! The lower bound for a response from the database: a handler, one read by `_id`, and its JSON. It does no
//! authentication, logging or metrics.

use std::{io::Write as _, net::TcpListener, num::NonZero, thread::available_parallelism, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    error::{ErrorInternalServerError, ErrorNotFound},
    web,
};
use anyhow::{Context as _, Result};
use bson::{DateTime, Uuid, doc};
use mongodb::{Client, Collection};
use serde::{Deserialize, Serialize};
use service_kit::{config::MongoConfig, mongo};
use tokio::process::Child;

use crate::helper_process::{self, HelperProcess};

const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects the driver with the services' settings: pool, write concern, read concern.
pub(crate) async fn driver(uri: &str) -> Result<Client> {
    let config = MongoConfig { uri: uri.into(), database: String::new(), operation_timeout: OPERATION_TIMEOUT };
    Ok(mongo::client(&config, "bench").await?)
}

/// The bare server in its own process; `GET /{id}` returns a user.
pub(crate) struct BareServer {
    child: Child,
    port: u16,
}

impl BareServer {
    /// Starts a server for the users of this database.
    pub(crate) async fn start(uri: &str, database: &str) -> Result<Self> {
        let HelperProcess { child, port, .. } =
            helper_process::start(&["bare-server", "--uri", uri, "--database", database]).await?;
        Ok(Self { child, port })
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("the bare server has ended")
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Serves until the process is killed. The first line of its output is the port.
pub(crate) async fn serve(uri: &str, database: &str) -> Result<()> {
    let users: Collection<UserDocument> = driver(uri).await?.database(database).collection("users");
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let users = web::Data::new(users);
    HttpServer::new(move || App::new().app_data(users.clone()).route("/{id}", web::get().to(get_user)))
        // The same number as the service has.
        .workers(available_parallelism().map_or(1, NonZero::get))
        .disable_signals()
        .listen(listener)?
        .run()
        .await?;
    Ok(())
}

async fn get_user(
    users: web::Data<Collection<UserDocument>>,
    id: web::Path<String>,
) -> actix_web::Result<HttpResponse> {
    let key = Uuid::parse_str(&*id).map_err(ErrorNotFound)?;
    let found = users.find_one(doc! { "_id": key }).await.map_err(ErrorInternalServerError)?;
    let user = found.ok_or_else(|| ErrorNotFound("no such user"))?;
    Ok(HttpResponse::Ok().json(user.to_response(&id)?))
}

/// The fields of a user's document that the response contains.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserDocument {
    username: String,
    email: String,
    email_verified: bool,
    display_name: Option<String>,
    locale: Option<String>,
    timezone: Option<String>,
    attributes: Option<String>,
    roles: Vec<String>,
    status: String,
    created_at: DateTime,
    updated_at: DateTime,
    last_login_at: Option<DateTime>,
    version: i64,
}

/// A response with the same members as the service's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserResponse<'a> {
    id: &'a str,
    username: &'a str,
    email: &'a str,
    email_verified: bool,
    display_name: Option<&'a str>,
    locale: Option<&'a str>,
    timezone: Option<&'a str>,
    attributes: Option<&'a str>,
    roles: &'a [String],
    status: &'a str,
    created_at: String,
    updated_at: String,
    last_login_at: Option<String>,
    version: i64,
}

impl UserDocument {
    fn to_response<'a>(&'a self, id: &'a str) -> actix_web::Result<UserResponse<'a>> {
        let text = |at: DateTime| at.try_to_rfc3339_string().map_err(ErrorInternalServerError);
        Ok(UserResponse {
            id,
            username: &self.username,
            email: &self.email,
            email_verified: self.email_verified,
            display_name: self.display_name.as_deref(),
            locale: self.locale.as_deref(),
            timezone: self.timezone.as_deref(),
            attributes: self.attributes.as_deref(),
            roles: &self.roles,
            status: &self.status,
            created_at: text(self.created_at)?,
            updated_at: text(self.updated_at)?,
            last_login_at: self.last_login_at.map(text).transpose()?,
            version: self.version,
        })
    }
}
