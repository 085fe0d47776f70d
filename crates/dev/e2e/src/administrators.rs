//! Administrators as a journey needs them: made by the command, signed in.

use bson::{Bson, Document, Uuid, doc};
use serde_json::Value;
use test_support::{Api, Service, TestUser, Tokens, World};

/// Somebody who may administrate, signed in.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Who it is.
    pub user: TestUser,
    /// The account's id.
    pub id: String,
    /// A session of theirs.
    pub tokens: Tokens,
    /// A client with their access token.
    pub api: Api,
}

/// Registers somebody, gives them the role by the command, and signs them in.
///
/// # Panics
/// When one of the steps is refused.
pub async fn create_admin(world: &World, service: &Service, name: &str) -> Admin {
    let api = service.api();
    let user = world.test_user(name);
    let id = api.register(&user).await.expect(201).string("id");
    let granted = service.spec().clone().without_fail_points().command(&["grant-role", &user.email, "admin"]).await;
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    let tokens = api.login(&user).await;
    Admin { api: api.with_token(&tokens.access), user, id, tokens }
}

impl Admin {
    /// The path of an account, or of something below it.
    #[must_use]
    pub fn user_path(id: &str, below: &str) -> String {
        format!("/api/admin/users/{id}{below}")
    }

    /// The account's roles from now on, in the answer's status.
    pub async fn set_roles(&self, id: &str, roles: &[&str]) -> u16 {
        self.api.patch(&Self::user_path(id, ""), &serde_json::json!({ "roles": roles })).await.status
    }

    /// The ids of every page of a list, page by page.
    ///
    /// # Panics
    /// When a page is refused.
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
            path = link.trim_start_matches('<').split_once(">; rel=\"next\"").expect("a link to the next").0.to_owned();
            assert!(path.ends_with(&format!("cursor={next}")), "{link}");
        }
    }
}

/// The ids of a page's accounts.
#[must_use]
pub fn user_ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|user| Some(user["id"].as_str()?.to_owned())).collect()
}

/// The ids in the one document that counts administrators, who never are none.
///
/// # Panics
/// When one of them is no active administrator.
pub async fn listed_admins(world: &World) -> Vec<Uuid> {
    let database = world.user_database().await;
    let list = database.collection::<Document>("admins").find_one(doc! {}).await.expect("admins can be read");
    let list = list.expect("there is a list");
    let ids: Vec<Uuid> = list.get_array("ids").expect("ids").iter().filter_map(uuid_of).collect();
    for id in &ids {
        let user = database.collection::<Document>("users").find_one(doc! { "_id": id }).await;
        let user = user.expect("users can be read").expect("who is listed is there");
        assert_eq!(user.get("status"), Some(&Bson::from("active")), "{user}");
        let roles = user.get_array("roles").expect("roles");
        assert!(roles.contains(&Bson::from("admin")), "{id} is listed with {roles:?}");
    }
    ids
}

fn uuid_of(value: &Bson) -> Option<Uuid> {
    bson::deserialize_from_bson(value.clone()).ok()
}
