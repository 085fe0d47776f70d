//! `examples/profile-projection`: its copy follows the users, and it serves the copy to signed-in users.

use bson::{Document, RawDocumentBuf, doc};
use e2e::{
    accounts::{delete_account, register_with_id, with_cheap_hashes},
    administrators::{Admin, create_admin},
    projection::{Projection, projection_collection},
    start::start_user_service,
    state_publisher::{StatePublisher, state_of},
};
use events::UserState;
use mongodb::Collection;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, ProxyMode, Stack, World, wait_for};
use uuid::Uuid;

/// Starts the example on the shared MongoDB. The issuer does not answer.
async fn start_without_issuer(world: &World, publisher: &StatePublisher) -> Projection {
    Projection::start(world, publisher.topic(), &[("ISSUER", "http://127.0.0.1:9")]).await
}

/// Waits until the copy of a user has this version.
async fn wait_for_copy(copy: &Collection<Document>, id: Uuid, version: u64) {
    wait_for(DEADLINE, "the copy", async || (find(copy, id).await["version"] == version).then_some(())).await;
}

/// Returns the copy of a user as JSON, or null.
async fn find(copy: &Collection<Document>, id: Uuid) -> Value {
    let copy = copy.clone_with_type::<RawDocumentBuf>();
    let user = copy.find_one(doc! { "_id": id.to_string() }).await.expect("the copy can be read");
    let user = user.map(|user| Document::try_from(user).expect("the server sends valid documents"));
    serde_json::to_value(user).expect("a document can be JSON")
}

/// Returns an id whose records are in the same partition as those of `other`.
fn id_beside(other: Uuid) -> Uuid {
    let partition = |id: Uuid| events::topic::partition_of(id.to_string().as_bytes(), 12);
    (1..).map(Uuid::from_u128).find(|id| partition(*id) == partition(other)).expect("there are 12 partitions")
}

async fn wait_for_response(api: &Api, path: &str, expected: impl Fn(u16, &Value) -> bool) -> Value {
    wait_for(DEADLINE, path, async || {
        let response = api.get(path).await;
        let body = response.json();
        expected(response.status, &body).then_some(body)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projection_follows_a_user_from_the_registration_to_the_deletion() {
    let world = World::without_topic(&Stack::from_env(), "projection").with_states();
    world.create_topic().await;
    let spec = with_cheap_hashes(world.user_service());
    let issuer = spec.base_url();
    let service = spec.set("AUTH__ISSUER", &issuer).start().await;
    let topic = world.state_topic().expect("the world has states");
    let projection = Projection::start(&world, topic, &[("ISSUER", &issuer)]).await;
    let (user, id) = register_with_id(&world, &service.api(), "ada").await;
    let token = service.api().login(&user).await.access;
    let (me, copied) = (service.api().with_token(&token), projection.api().with_token(&token));
    let profile = format!("/profiles/{id}");

    let own = wait_for_response(&copied, "/me", |status, _| status == 200).await;
    let account = me.get("/api/users/me").await.expect(200).json();
    for member in ["id", "username", "email", "emailVerified", "roles", "status", "createdAt", "updatedAt"] {
        assert_eq!(own[member], account[member], "{member}");
    }
    assert_eq!(copied.get(&profile).await.expect(200).json(), json!({ "id": id, "username": user.username }));

    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada", "locale": "en-GB" })).await.expect(200);
    let changed = json!({ "id": id, "username": user.username, "displayName": "Ada", "locale": "en-GB" });
    wait_for_response(&copied, &profile, |_, body| *body == changed).await;

    // The token of a disabled user is valid until it expires.
    let root = create_admin(&world, &service, "root").await;
    let admin = |action: &str| root.api.request(Method::POST, &Admin::user_path(&id, action));
    let _ = root.api.send(admin("/disable")).await.expect(204);
    wait_for_response(&copied, &profile, |status, _| status == 404).await;
    assert_eq!(copied.get("/me").await.expect(200).string("status"), "disabled");

    let _ = root.api.send(admin("/enable")).await.expect(204);
    delete_account(&service.api().logged_in_as(&user).await, &user).await;
    wait_for_response(&copied, "/me", |status, _| status == 404).await;
    let left = find(&projection_collection(&world, "profiles").await, id.parse().expect("an id is a UUID")).await;
    let members: Vec<&String> = left.as_object().expect("the version is kept").keys().collect();
    assert_eq!(members, ["_id", "deleted", "deletedAt", "version"]);
    assert_eq!(projection.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_record_with_a_lower_version_changes_nothing() {
    let world = World::new(&Stack::from_env(), "projection-late").await;
    let publisher = StatePublisher::new(&world).await;
    let projection = start_without_issuer(&world, &publisher).await;
    let copy = projection_collection(&world, "profiles").await;
    let (deleted, changed) = (Uuid::from_u128(1 << 64), Uuid::from_u128(2 << 64));

    publisher.publish(state_of(deleted, 3, "ada")).await;
    publisher.publish_tombstone(deleted, 5).await;
    publisher.publish(state_of(deleted, 4, "ada")).await;
    publisher.publish(state_of(changed, 7, "new")).await;
    publisher.publish(state_of(changed, 6, "old")).await;
    // The same version may come with more attributes, after a change of the schema.
    let attributes = json!({ "tenant": "acme", "$nested.name": { "$oid": "1" } });
    publisher.publish(UserState { attributes: attributes.as_object().cloned(), ..state_of(changed, 7, "new") }).await;
    // When a later record of the same partition is there, all of these were read.
    for other in [deleted, changed].map(id_beside) {
        publisher.publish(state_of(other, 1, "last")).await;
        wait_for_copy(&copy, other, 1).await;
    }
    let gone = find(&copy, deleted).await;
    assert_eq!((&gone["version"], &gone["deleted"], &gone["username"]), (&json!(5), &json!(true), &Value::Null));
    let kept = find(&copy, changed).await;
    assert_eq!((&kept["version"], &kept["username"]), (&json!(7), &json!("new")));
    assert_eq!(kept["attributes"], attributes);
    assert_eq!(projection.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_valid_token_get_401_and_unknown_users_404() {
    let (world, service, api) = start_user_service("projection-401").await;
    let publisher = StatePublisher::new(&world).await;
    let issuer = "http://localhost:3000";
    let keys = format!("{}/.well-known/jwks.json", service.base_url());
    let projection = Projection::start(&world, publisher.topic(), &[("ISSUER", issuer), ("JWKS_URL", &keys)]).await;
    let (user, id) = register_with_id(&world, &api, "ada").await;
    let token = api.login(&user).await.access;
    let anonymous = projection.api();
    let signed_in = anonymous.with_token(&token);
    let changed = format!("{}x", &token[..token.len() - 1]);
    for path in ["/me".to_owned(), format!("/profiles/{id}")] {
        for api in [anonymous.clone(), anonymous.with_token("not.a.token"), anonymous.with_token(&changed)] {
            assert_problem(&api.get(&path).await, 401, "Unauthorized");
        }
        // The topic has no state of this user.
        assert_problem(&signed_in.get(&path).await, 404, "Not Found");
    }
    let attributes = json!({ "$nested.name": { "$oid": "1" } });
    let state = state_of(id.parse().expect("an id is a UUID"), 1, "copied");
    publisher.publish(UserState { attributes: attributes.as_object().cloned(), ..state }).await;
    let own = wait_for_response(&signed_in, "/me", |status, _| status == 200).await;
    assert_eq!((&own["username"], &own["attributes"]), (&json!("copied"), &attributes));
    assert_problem(&signed_in.get("/profiles/..%2F..%2Fme").await, 404, "Not Found");
    assert_eq!(anonymous.get("/me").await.expect(401).header("www-authenticate"), "Bearer");
}

fn assert_problem(response: &ApiResponse, status: u16, title: &str) {
    let body = json!({ "type": "about:blank", "title": title, "status": status });
    assert_eq!((response.status, response.json()), (status, body));
    assert_eq!(response.header("content-type"), "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projection_catches_up_after_an_outage_of_mongodb_and_keeps_poison_as_a_dead_letter() {
    let stack = Stack::from_env();
    let (proxy, uri) = stack.mongodb_proxy().await;
    let world = World::new(&stack, "projection-outage").await;
    let publisher = StatePublisher::new(&world).await;
    let projection = Projection::start(&world, publisher.topic(), &[("MONGODB_URI", &uri)]).await;
    let copy = projection_collection(&world, "profiles").await;
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    publisher.publish(state_of(first, 1, "before")).await;
    wait_for_copy(&copy, first, 1).await;
    wait_for_response(&projection.api(), "/readyz", |_, body| body["status"] == "ready").await;

    proxy.set_mode(ProxyMode::Refuse);
    let down = wait_for_response(&projection.api(), "/readyz", |status, _| status == 503).await;
    assert_eq!(down["checks"], json!({ "kafka": "ok", "mongodb": "down" }));
    publisher.publish(state_of(first, 2, "during")).await;
    let (partition, offset) = publisher.publish_value(&state_of(second, 1, "poison"), "{").await;
    publisher.publish(state_of(second, 2, "during")).await;
    proxy.set_mode(ProxyMode::Pass);
    wait_for_copy(&copy, first, 2).await;
    wait_for_copy(&copy, second, 2).await;
    let letters = projection_collection(&world, "profiles_dead_letters").await;
    let letter = letters.find_one(doc! {}).await.expect("it can be read").expect("the undecodable record is there");
    let letter = serde_json::to_value(letter).expect("a document can be JSON");
    assert_eq!(letter["_id"], format!("{}/{partition}/{offset}", publisher.topic()));
    assert_eq!((&letter["reason"], &letter["user"]), (&json!("not-json"), &json!(second.to_string())));
    wait_for_response(&projection.api(), "/readyz", |_, body| body["status"] == "ready").await;
    assert_eq!(projection.terminate().await, Some(0));
}
