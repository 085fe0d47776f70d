//! Administrators: appointed by the command and logged in.

use bson::{Bson, Document, Uuid, doc};
use serde_json::Value;
use test_support::{Api, Service, TestUser, Tokens, World};

use crate::commands::stdout_of;

/// An administrator who is logged in.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The user.
    pub user: TestUser,
    /// The id of the account.
    pub id: String,
    /// The tokens of a session of the administrator.
    pub tokens: Tokens,
    /// A client with the administrator's access token.
    pub api: Api,
}

/// Registers a user, gives them the role `admin` by the command, and logs them in.
///
/// # Panics
/// Panics if a step is refused.
pub async fn create_admin(world: &World, service: &Service, name: &str) -> Admin {
    let api = service.api();
    let user = world.test_user(name);
    let id = api.register(&user).await.expect(201).string("id");
    grant_admin(service, &user.email).await;
    let tokens = api.login(&user).await;
    Admin { api: api.with_token(&tokens.access), user, id, tokens }
}

/// Gives an account the role `admin` by the command.
///
/// # Panics
/// Panics if the command fails.
pub async fn grant_admin(service: &Service, email: &str) {
    let granted = service.spec().clone().without_fail_points().command(&["grant-role", email, "admin"]).await;
    let _ = stdout_of(&granted, 0);
}

impl Admin {
    /// Returns the path of an account, or of a resource below it.
    #[must_use]
    pub fn user_path(id: &str, below: &str) -> String {
        format!("/api/admin/users/{id}{below}")
    }

    /// Sets the roles of an account and returns the status of the response.
    pub async fn set_roles(&self, id: &str, roles: &[&str]) -> u16 {
        self.api.patch(&Self::user_path(id, ""), &serde_json::json!({ "roles": roles })).await.status
    }

    /// Reads every page of a list and returns the ids, page by page.
    ///
    /// # Panics
    /// Panics if a page is refused.
    pub async fn list_pages(&self, query: &str) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut path = format!("/api/admin/users?{query}");
        loop {
            let page = self.api.get(&path).await.expect(200);
            pages.push(user_ids(&page.json()));
            let next = page.json()["nextCursor"].as_str().map(str::to_owned);
            let link = page.header("link");
            assert_eq!(next.is_some(), !link.is_empty(), "{link}");
            let Some(next) = next else { return pages };
            path = link
                .trim_start_matches('<')
                .split_once(">; rel=\"next\"")
                .expect("the header links to the next page")
                .0
                .to_owned();
            assert!(path.ends_with(&format!("cursor={next}")), "{link}");
        }
    }
}

/// Returns the ids of the accounts on a page.
#[must_use]
pub fn user_ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|user| Some(user["id"].as_str()?.to_owned())).collect()
}

/// Returns the ids in the document that lists all administrators.
///
/// # Panics
/// Panics if a listed account is not an active administrator.
pub async fn listed_admins(world: &World) -> Vec<Uuid> {
    let database = world.user_database().await;
    let list = database.collection::<Document>("admins").find_one(doc! {}).await.expect("admins can be read");
    let list = list.expect("the list exists");
    let ids: Vec<Uuid> = list.get_array("ids").expect("the list has ids").iter().filter_map(uuid_of).collect();
    for id in &ids {
        let user = database.collection::<Document>("users").find_one(doc! { "_id": id }).await;
        let user = user.expect("users can be read").expect("a listed user exists");
        assert_eq!(user.get("status"), Some(&Bson::from("active")), "{user}");
        let roles = user.get_array("roles").expect("the user has roles");
        assert!(roles.contains(&Bson::from("admin")), "{id} is listed with {roles:?}");
    }
    ids
}

fn uuid_of(value: &Bson) -> Option<Uuid> {
    bson::deserialize_from_bson(value.clone()).ok()
}
