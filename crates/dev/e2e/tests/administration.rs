//! What administrators do to the accounts of others, through both services as real processes.

use bson::{Document, Uuid, doc};
use e2e::{
    accounts::with_cheap_hashes,
    administrators::{Admin, create_admin, user_ids},
};
use futures_util::TryStreamExt as _;
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Record, Stack, Tokens, World, remember_secret, wait_for};

/// The rows of one account's log of this type, once there are so many.
async fn audit(world: &World, user: &str, event_type: &str, count: usize) -> Vec<Document> {
    let rows = world.user_database().await.collection::<Document>("audit");
    let filter = doc! { "userId": uuid(user), "type": event_type };
    wait_for(DEADLINE, &format!("{count} rows of {event_type}"), async || {
        let found = rows.find(filter.clone()).sort(doc! { "at": 1 }).await.expect("audit can be read");
        let found: Vec<Document> = found.try_collect().await.expect("audit can be read");
        (found.len() >= count).then_some(found)
    })
    .await
}

/// A text of a row; empty where there is none.
fn text<'a>(row: &'a Document, field: &str) -> &'a str {
    row.get_str(field).unwrap_or_default()
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse_str(text).expect("an id is a UUID")
}

async fn refresh(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/refresh", &json!({ "refreshToken": token })).await
}

fn roles_claim(access_token: &str) -> Value {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let claims = access_token.split('.').nth(1).expect("a JWT has three parts");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("a part of a JWT is base64url");
    serde_json::from_slice::<Value>(&claims).expect("claims are JSON")["roles"].clone()
}

#[tokio::test]
async fn the_first_administrator_is_made_by_a_command() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "grant").await;
    let spec = with_cheap_hashes(world.user_service());
    let service = spec.set("RELAY__SWEEP_MIN_AGE", "0s").set("RELAY__SWEEP_INTERVAL", "100ms").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let _ = me.get("/api/admin/users").await.expect_problem(403, "forbidden");

    let unknown = world.address("unknown");
    for (arguments, code) in [
        (&["grant-role", unknown.as_str(), "admin"][..], 1),
        (&["grant-role", &ada.email, "Admin"], 2),
        (&["grant-role", "not an address", "admin"], 2),
        (&["grant-role", &ada.email], 2),
        (&["grant-role"], 2),
        (&["grant-role", &ada.email.to_uppercase(), "admin"], 0),
        (&["grant-role", &ada.email, "admin"], 0),
        (&["grant-role", &ada.email, "read-only_7", "--json"], 0),
        (&["grant-role", &ada.email, "read-only_7", "--json"], 0),
        (&["grant-role", "--help"], 0),
    ] {
        let done = service.spec().command(arguments).await;
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {out}{err}");
        assert!(!out.contains(&ada.email) && !err.contains(&ada.email), "{out}{err}");
        if arguments.contains(&"--json") {
            let line: Value = serde_json::from_str(out.trim_end()).expect("one JSON object");
            assert_eq!(line["userId"], id);
            assert_eq!(line["roles"], json!(["admin", "read-only_7"]));
        }
    }

    // The account as it is now decides, not what the token says of roles; a new one says it.
    assert_eq!(roles_claim(&tokens.access), json!([]));
    let _ = me.get("/api/admin/users").await.expect(200);
    let refreshed = Tokens::of(&refresh(&api, &tokens.refresh).await.expect(200));
    assert_eq!(roles_claim(&refreshed.access), json!(["admin", "read-only_7"]));

    let mut topic = world.topic_reader();
    let changes = topic.read_type("user.roles_changed.v1", 2).await;
    let told: Vec<Value> = changes.iter().map(Record::json).collect();
    assert_eq!(told[0], json!({ "userId": id, "roles": ["admin"], "by": "operator" }));
    assert_eq!(told[1], json!({ "userId": id, "roles": ["admin", "read-only_7"], "by": "operator" }));
    let rows = audit(&world, &id, "user.roles_changed.v1", 2).await;
    assert_eq!(rows.len(), 2, "a role that was there is no change: {rows:?}");
    assert!(rows.iter().all(|row| text(row, "actor") == "operator" && !row.contains_key("address")), "{rows:?}");
    let admins = world.user_database().await.collection::<Document>("admins");
    let list = admins.find_one(doc! {}).await.expect("admins can be read").expect("there is a list");
    assert_eq!(list.get_array("ids").expect("ids"), &vec![bson::Bson::from(uuid(&id))]);
    assert_eq!(list.get("schemaVersion"), Some(&bson::Bson::Int32(1)));
}

#[tokio::test]
async fn administration_is_for_administrators_only() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "onlyadmins").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let (ada, eve) = (create_admin(&world, &service, "ada").await, create_admin(&world, &service, "eve").await);
    let bob = world.test_user("bob");
    let bob_id = api.register(&bob).await.expect(201).string("id");
    let bobs = api.with_token(&api.login(&bob).await.access);

    let own = Admin::user_path(&bob_id, "");
    let all: Vec<(Method, String)> = [
        (Method::GET, "/api/admin/users".to_owned()),
        (Method::GET, own.clone()),
        (Method::PATCH, own.clone()),
        (Method::DELETE, own.clone()),
        (Method::GET, format!("{own}/audit")),
    ]
    .into_iter()
    .chain(
        ["/disable", "/enable", "/unlock", "/logout", "/remove-second-factor"]
            .map(|act| (Method::POST, format!("{own}{act}"))),
    )
    .collect();
    for (method, path) in &all {
        let send = |client: &Api| {
            let request = client.request(method.clone(), path);
            let client = client.clone();
            let request = match path.rsplit('/').next() {
                Some("remove-second-factor") => request.json(&json!({ "reason": "asked for" })),
                _ if *method == Method::PATCH => request.json(&json!({ "roles": ["admin"] })),
                _ => request,
            };
            async move { client.send(request).await }
        };
        let _ = send(&api).await.expect_problem(401, "unauthorized");
        let refused = send(&bobs).await.expect_problem(403, "forbidden");
        assert_eq!(refused.header("cache-control"), "no-store", "{method} {path}");
    }
    let untouched = ada.api.get(&own).await.expect(200).json();
    assert_eq!((&untouched["roles"], &untouched["status"]), (&json!([]), &json!("active")));

    // What is no id, or nobody's, is not found; for those who may ask.
    let nobody = uuid::Uuid::from_u128(7).to_string();
    for id in [nobody.as_str(), "me", "0", "%20", &nobody.replace('-', "")] {
        let path = Admin::user_path(id, "");
        for (method, below) in [
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/disable"),
            ("POST", "/enable"),
            ("POST", "/unlock"),
            ("POST", "/logout"),
        ] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let request = ada.api.request(method.clone(), &format!("{path}{below}"));
            let request = if method == Method::PATCH { request.json(&json!({})) } else { request };
            let _ = ada.api.send(request).await.expect_problem(404, "not-found");
        }
    }
    let _ = ada.api.put(&own, &json!({})).await.expect_problem(405, "method-not-allowed");
    let _ = ada.api.get(&format!("{own}/disable")).await.expect_problem(405, "method-not-allowed");

    // Who loses the role loses the access with it, whatever the token says.
    let _ = eve.api.get(&own).await.expect(200);
    assert_eq!(ada.set_roles(&eve.id, &[]).await, 200);
    let _ = eve.api.get(&own).await.expect_problem(403, "forbidden");
    assert_eq!(roles_claim(&eve.tokens.access), json!(["admin"]));
    let refreshed = Tokens::of(&refresh(&api, &eve.tokens.refresh).await.expect(200));
    assert_eq!(roles_claim(&refreshed.access), json!([]));
    assert_eq!(ada.set_roles(&eve.id, &["admin"]).await, 200);
    let _ = eve.api.get(&own).await.expect(200);
}

#[tokio::test]
async fn accounts_are_listed_and_searched() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "search").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let root = create_admin(&world, &service, "root").await;
    let mut people = Vec::new();
    for (username, local) in
        [("grace.h", "grace"), ("Grace_Two", "second"), ("alan", "graceland"), ("modern", "m.odern"), ("zoë77", "zoe")]
    {
        let mut person = world.test_user(local);
        username.clone_into(&mut person.username);
        people.push(api.register(&person).await.expect(201).string("id"));
    }
    let found = async |query: &str| {
        let pages = root.list_pages(query).await;
        pages.concat()
    };
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let &[grace, two, alan, modern, zoe] = &people[..] else { panic!("five people") };
    let own = root.id.as_str();

    // The newest first; every member of a user.
    assert_eq!(found("").await, [zoe, modern, alan, two, grace, own]);
    let page = root.api.get("/api/admin/users?limit=2").await.expect(200);
    assert_eq!(user_ids(&page.json()), [zoe, modern]);
    assert_eq!(page.json()["items"][0].as_object().expect("a user").len(), 14);
    assert_eq!(page.json()["items"][0]["username"], "zoë77");
    assert!(page.header("link").starts_with("</api/admin/users?limit=2&cursor="), "{}", page.header("link"));
    let last = root.api.get("/api/admin/users?limit=6").await.expect(200);
    assert_eq!((last.json()["nextCursor"].clone(), last.header("link")), (Value::Null, String::new()));

    // By the beginning of user name or address, each account once, whatever the case.
    for limit in [1, 2, 20] {
        for query in ["grace", "GRACE", "Gr%41ce", "%20grace%20"] {
            let pages = root.list_pages(&format!("query={query}&limit={limit}")).await;
            assert_eq!(pages.concat(), [grace, two, alan], "{query}");
            assert!(pages.iter().all(|page| page.len() <= limit), "{pages:?}");
        }
    }
    let address = world.address("grace").replace('@', "%40");
    assert_eq!(found(&format!("query={address}")).await, [grace]);
    assert_eq!(found(&format!("query={}", address.to_uppercase())).await, [grace]);
    let begun = address.split_once("%40").expect("an address").0;
    assert_eq!(found(&format!("query={begun}%40exam")).await, [grace]);
    // A name is found by letters that look like its own, as it is taken by them.
    assert_eq!(found("query=modern").await, [modern]);
    assert_eq!(found("query=rnod").await, [modern]);
    assert_eq!(found("query=zo%C3%AB").await, [zoe]);
    for nobody in ["query=nobody", "query=.*", "query=%5Egrace", "query=race", "query=%40example.org", "query=%00"] {
        assert_eq!(found(nobody).await, Vec::<String>::new(), "{nobody}");
    }
    assert_eq!(found("query=").await.len(), 6);

    // By status, with and without a text; a deleted account is nowhere at once.
    let _ = root.api.post(&Admin::user_path(two, "/disable"), &json!({})).await.expect(204);
    assert_eq!(found("status=disabled").await, [two]);
    assert_eq!(found("status=active&limit=2").await, [zoe, modern, alan, grace, own]);
    assert_eq!(found("query=grace&status=active").await, [grace, alan]);
    assert_eq!(found("query=grace&status=disabled").await, [two]);
    let _ = root.api.delete(&Admin::user_path(two, ""), None).await.expect(204);
    assert_eq!(found("query=grace").await, [grace, alan]);
    assert_eq!(found("status=disabled").await, Vec::<String>::new());

    let cursor = page.string("nextCursor");
    let too_long = format!("query={}", "x".repeat(255));
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("status=deleted", "status"),
        ("status=", "status"),
        ("cursor=x", "cursor"),
        (&format!("query=grace&cursor={cursor}"), "cursor"),
        (&too_long, "query"),
        // What begins every key because it folds to nothing finds nobody, and not everybody.
        ("query=%E2%80%AE", "query"),
        ("query=%20", "query"),
        ("query=%C2%AD%E2%80%8B&status=active", "query"),
        ("page=2", "page"),
        ("query=a&query=b", "query"),
    ] {
        let refused = root.api.get(&format!("/api/admin/users?{query}")).await;
        let refused = refused.expect_problem(422, "validation-failed");
        assert_eq!(refused.json()["errors"][0]["parameter"], parameter, "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn blanks_around_a_text_are_dropped_at_every_door() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "blanks").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let root = create_admin(&world, &service, "root").await;
    let mut body = world.test_user("ada").registration();
    let password = body["password"].clone();
    for (member, text) in [("username", " ada-one\t"), ("locale", " de-CH\n"), ("displayName", " Ada ")] {
        body[member] = json!(text);
    }
    let user = api.post("/api/users", &body).await.expect(201).json();
    assert_eq!(
        (&user["username"], &user["locale"], &user["displayName"]),
        (&json!("ada-one"), &json!("de-CH"), &json!("Ada"))
    );
    body["email"] = json!(world.address("other"));
    let _ = api.post("/api/users", &body).await.expect_problem(409, "username-taken");

    let login = json!({ "identifier": "\u{3000}ADA-one ", "password": password });
    let me = api.with_token(&api.post("/api/auth/login", &login).await.expect(200).string("accessToken"));
    let patch = json!({ "username": "ada-two ", "locale": "\tfr", "timezone": " Europe/Berlin " });
    let user = me.patch("/api/users/me", &patch).await.expect(200).json();
    assert_eq!(
        (&user["username"], &user["locale"], &user["timezone"]),
        (&json!("ada-two"), &json!("fr"), &json!("Europe/Berlin"))
    );
    let id = user["id"].as_str().expect("an id");
    let patch = json!({ "username": "\nada-three", "timezone": "utc " });
    let user = root.api.patch(&Admin::user_path(id, ""), &patch).await.expect(200).json();
    assert_eq!((&user["username"], &user["timezone"]), (&json!("ada-three"), &json!("UTC")));
    let too_short = me.patch("/api/users/me", &json!({ "username": "  a  " })).await;
    assert_eq!(too_short.expect_problem(422, "validation-failed").json()["errors"][0]["code"], "too-short");
    let big = r#"{"attributes":{"n":18446744073709551616}}"#;
    let request = root.api.request(Method::PATCH, &Admin::user_path(id, "")).header("content-type", "application/json");
    let refused = root.api.send(request.body(big)).await.expect_problem(422, "validation-failed").json();
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]),
        (&json!("#/attributes/n"), &json!("out-of-range"))
    );
}

#[tokio::test]
async fn a_walk_over_all_pages_misses_and_doubles_nobody_while_people_register() {
    const BEFORE: usize = 60;
    let stack = Stack::from_env();
    let world = World::new(&stack, "paging").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let root = create_admin(&world, &service, "root").await;
    let register = async |prefix: &str, n: usize| {
        let person = world.test_user(&format!("{prefix}{n:03}"));
        api.register(&person).await.expect(201).string("id")
    };
    let mut there = vec![root.id.clone()];
    for n in 0..BEFORE {
        there.push(register("walker", n).await);
    }
    // Between two pages somebody comes and somebody new goes: by id, and by key at both ends.
    for (query, expected) in
        [("limit=7", &there[..]), ("limit=7&query=walker", &there[1..]), ("limit=7&status=active", &there[..])]
    {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for n in 0.. {
            let at = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
            let page = root.api.get(&format!("/api/admin/users?{query}{at}")).await.expect(200);
            let found = user_ids(&page.json());
            assert!(found.len() <= 7);
            seen.extend(found);
            let tag = query.len();
            for name in [format!("walkeq{tag}x"), format!("walker0{tag}x"), format!("walkerz{tag}x")] {
                let id = register(&name, n).await;
                if n % 2 == 0 {
                    let _ = root.api.delete(&Admin::user_path(&id, ""), None).await.expect(204);
                }
            }
            cursor = page.string("nextCursor");
            if cursor.is_empty() {
                break;
            }
            assert!(n < 60, "the list does not end");
        }
        for id in expected {
            assert_eq!(seen.iter().filter(|it| *it == id).count(), 1, "{query}: {id} of {seen:?}");
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{query}");
    }
}

#[tokio::test]
async fn an_administrator_changes_disables_signs_out_and_deletes_an_account() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "acts").await;
    let (service, _emails, api) = world.start_both().await;
    let root = create_admin(&world, &service, "root").await;
    let bob = world.test_user("bob");
    let id = api.register(&bob).await.expect(201).string("id");
    let mailbox = world.mailbox(&bob.email);
    let welcome = mailbox.wait_for_mails(1).await.remove(0);
    let mut topic = world.topic_reader();
    let path = |below: &str| Admin::user_path(&id, below);

    the_account_is_changed_under_its_etag(&root, &id).await;
    let update = topic.read_type("user.profile_updated.v1", 1).await.remove(0);
    assert_eq!(update.json()["changed"], json!(["username", "displayName", "locale", "timezone", "attributes"]));
    let roles = topic.read_type("user.roles_changed.v1", 2).await;
    let roles = roles.iter().find(|record| record.key_text() == id).expect("the other one is root's");
    assert_eq!(roles.json(), json!({ "userId": id, "roles": ["editor", "writer"], "by": "admin" }));
    assert_eq!((roles.sequence(), roles.key_text()), (update.sequence() + 1, id.clone()), "one write");

    // Signed out everywhere, access tokens at once; the password is as it was.
    let tokens = api.login(&bob).await;
    let _ = root.api.post(&path("/logout"), &json!({})).await.expect(204);
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = refresh(&api, &tokens.refresh).await.expect_problem(401, "unauthorized");
    let ended = topic.read_type("user.sessions_ended.v1", 1).await.remove(0);
    assert_eq!(ended.json(), json!({ "userId": id, "reason": "admin" }));

    // Disabled: nobody signs in, no link works; a second time changes nothing.
    let tokens = api.login(&bob).await;
    let _ = root.api.send(root.api.request(Method::POST, &path("/disable"))).await.expect(204);
    let disabled = root.api.get(&path("")).await.expect(200);
    assert_eq!(disabled.json()["status"], "disabled");
    let _ = root.api.post(&path("/disable"), &json!({})).await.expect(204);
    assert_eq!(root.api.get(&path("")).await.header("etag"), disabled.header("etag"));
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = refresh(&api, &tokens.refresh).await.expect_problem(401, "unauthorized");
    let credentials = json!({ "identifier": bob.email, "password": bob.password });
    let _ = api.post("/api/auth/login", &credentials).await.expect_problem(403, "account-disabled");
    let wrong = json!({ "identifier": bob.email, "password": "not the password" });
    let _ = api.post("/api/auth/login", &wrong).await.expect_problem(401, "invalid-credentials");
    let token = json!({ "token": welcome.token("/verify-email") });
    let _ = api.post("/api/auth/email-verification", &token).await.expect_problem(400, "token-invalid");

    let _ = root.api.post(&path("/enable"), &json!({})).await.expect(204);
    let enabled = root.api.get(&path("")).await.expect(200);
    let _ = root.api.post(&path("/enable"), &json!({})).await.expect(204);
    assert_eq!(root.api.get(&path("")).await.header("etag"), enabled.header("etag"));
    let tokens = api.login(&bob).await;
    let _ = api.post("/api/auth/email-verification", &token).await.expect_problem(400, "token-invalid");
    for kind in ["user.disabled.v1", "user.enabled.v1"] {
        let told = topic.read_type(kind, 1).await;
        assert_eq!(told.iter().map(Record::json).collect::<Vec<_>>(), [json!({ "userId": id, "by": "admin" })]);
    }

    // Both logs say it. Of the admin the person's has the id only.
    for kind in ["user.profile_updated.v1", "user.sessions_ended.v1", "user.disabled.v1", "user.enabled.v1"] {
        let row = audit(&world, &id, kind, 1).await.remove(0);
        assert_eq!(text(&row, "actor"), root.id.as_str(), "{row}");
        assert!(!row.contains_key("address") && !row.contains_key("client"), "{row}");
        let row = audit(&world, &root.id, kind, 1).await.remove(0);
        assert_eq!((text(&row, "actor"), row.get("target")), ("self", Some(&uuid(&id).into())), "{row}");
        assert_eq!(text(&row, "address"), "127.0.0.1", "{row}");
    }

    both_logs_are_read(&root, &api.with_token(&tokens.access), &id).await;

    let stale = root.api.request(Method::DELETE, &path("")).header(header::IF_MATCH, "\"1\"");
    let _ = root.api.send(stale).await.expect_problem(412, "precondition-failed");
    let etag = root.api.get(&path("")).await.header("etag");
    let fresh = root.api.request(Method::DELETE, &path("")).header(header::IF_MATCH, etag);
    let _ = root.api.send(fresh).await.expect(204);
    let _ = root.api.get(&path("")).await.expect_problem(404, "not-found");
    let _ = root.api.delete(&path(""), None).await.expect_problem(404, "not-found");
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let goodbye = topic.read_type("user.deleted.v1", 1).await.remove(0);
    assert_eq!(goodbye.json()["by"], "admin");
    assert_eq!(mailbox.wait_for_mails(2).await[1].subject, "Ihr Konto wurde gelöscht");

    // Nothing is left of the person but what the admin did, with an id.
    let database = world.user_database().await;
    wait_for(DEADLINE, "the tombstone to go", async || {
        let users = database.collection::<Document>("users");
        (users.count_documents(doc! { "_id": uuid(&id) }).await.expect("users can be counted") == 0).then_some(())
    })
    .await;
    let rows = database.collection::<Document>("audit");
    assert_eq!(rows.count_documents(doc! { "userId": uuid(&id) }).await.expect("audit can be counted"), 0);
    let acts = rows.count_documents(doc! { "userId": uuid(&root.id), "target": uuid(&id) }).await;
    assert_eq!(acts.expect("audit can be counted"), 6, "profile, roles, sessions, disabled, enabled, deleted");
    let deleted = audit(&world, &root.id, "user.deleted.v1", 1).await.remove(0);
    assert_eq!(deleted.get("target"), Some(&uuid(&id).into()), "{deleted}");
}

/// By an administrator: the account's log and their own; by the person: theirs. Page by page it is the same.
async fn both_logs_are_read(root: &Admin, person: &Api, id: &str) {
    let path = Admin::user_path(id, "/audit");
    let of_account = root.api.get(&format!("{path}?limit=100")).await.expect(200).json()["items"].clone();
    let disabled = entry(&of_account, "user.disabled.v1");
    assert_eq!((&disabled["actor"], &disabled["actorId"]), (&json!("admin"), &json!(root.id)));
    assert_eq!((&disabled["address"], &disabled["targetId"]), (&Value::Null, &Value::Null));
    assert_eq!(entry(&of_account, "user.registered.v1")["actor"], "self");
    let by_person = person.get("/api/users/me/audit?limit=100").await.expect(200).json()["items"].clone();
    assert_eq!(by_person, of_account);

    let own = root.api.get("/api/users/me/audit?limit=100").await.expect(200).json()["items"].clone();
    let act = entry(&own, "user.disabled.v1");
    assert_eq!((&act["actor"], &act["targetId"], &act["address"]), (&json!("self"), &json!(id), &json!("127.0.0.1")));
    assert_eq!(act["at"], disabled["at"]);

    let mut paged = Vec::new();
    let mut next = format!("{path}?limit=3");
    while !next.is_empty() {
        let page = root.api.get(&next).await.expect(200);
        paged.extend(page.json()["items"].as_array().expect("items").clone());
        let link = page.header("link");
        next = link.trim_start_matches('<').split_once('>').map(|(path, _)| path.to_owned()).unwrap_or_default();
    }
    assert_eq!(Value::Array(paged), of_account);
    for query in ["limit=0", "cursor=x", "query=x"] {
        let _ = root.api.get(&format!("{path}?{query}")).await.expect_problem(422, "validation-failed");
    }
}

fn entry(items: &Value, kind: &str) -> Value {
    let found = items.as_array().into_iter().flatten().find(|item| item["type"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {items:#}")).clone()
}

async fn the_account_is_changed_under_its_etag(root: &Admin, id: &str) {
    let path = Admin::user_path(id, "");
    let seen = root.api.get(&path).await.expect(200);
    let etag = seen.header("etag");
    let known = root.api.request(Method::GET, &path).header(header::IF_NONE_MATCH, &etag);
    let _ = root.api.send(known).await.expect(304);
    let patch = |etag: &str, body: &Value| {
        let request = root.api.request(Method::PATCH, &path).header(header::IF_MATCH, etag);
        root.api.send(request.header(header::CONTENT_TYPE, "application/merge-patch+json").body(body.to_string()))
    };
    let change = json!({
        "username": "robert", "displayName": "Bob", "locale": "de", "timezone": "Europe/Berlin",
        "attributes": { "plan": "pro" }, "roles": ["writer", "editor", "writer"],
    });
    let changed = patch(&etag, &change).await.expect(200);
    assert_eq!(changed.json()["roles"], json!(["editor", "writer"]));
    for member in ["username", "displayName", "locale", "timezone", "attributes"] {
        assert_eq!(changed.json()[member], change[member]);
    }
    let _ = patch(&etag, &json!({ "displayName": "Rob" })).await.expect_problem(412, "precondition-failed");
    // The same again is no change.
    let again = patch("*", &change).await.expect(200);
    assert_eq!(again.header("etag"), changed.header("etag"));
    let taken = json!({ "username": root.user.username, "roles": [] });
    let _ = patch("*", &taken).await.expect_problem(409, "username-taken");

    let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
    for (body, pointer) in [
        (json!({ "roles": ["ok", "Not Ok"] }), "#/roles/1"),
        (json!({ "roles": [""] }), "#/roles/0"),
        (json!({ "roles": many }), "#/roles"),
        (json!({ "roles": "admin" }), "#/roles"),
        (json!({ "username": null }), "#/username"),
        (json!({ "email": "new@example.org" }), "#/email"),
        (json!({ "status": "disabled" }), "#/status"),
        (json!({ "locale": "not a locale", "roles": ["x"] }), "#/locale"),
    ] {
        let refused = patch("*", &body).await.expect_problem(422, "validation-failed");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{}", refused.text);
    }
    assert_eq!(root.api.get(&path).await.header("etag"), changed.header("etag"), "a refusal changes nothing");
}

#[tokio::test]
async fn roles_are_cleared_by_null_and_an_act_on_oneself_is_in_ones_own_log_once() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "selfact").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let (ada, eve) = (create_admin(&world, &service, "ada").await, create_admin(&world, &service, "eve").await);
    let patch =
        async |by: &Admin, id: &str, body: Value| by.api.patch(&Admin::user_path(id, ""), &body).await.expect(200);
    let changed = patch(&ada, &ada.id, json!({ "roles": ["admin", "x"], "displayName": "Ada" })).await;
    assert_eq!(changed.json()["roles"], json!(["admin", "x"]));
    let rows = audit(&world, &ada.id, "user.profile_updated.v1", 1).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(text(&rows[0], "actor"), ada.id.as_str());
    assert_eq!(text(&rows[0], "address"), "127.0.0.1", "one's own");
    assert!(!rows[0].contains_key("target"), "{}", rows[0]);
    let cleared = patch(&eve, &ada.id, json!({ "roles": null })).await;
    assert_eq!(cleared.json()["roles"], json!([]));
    let _ = ada.api.get("/api/admin/users").await.expect_problem(403, "forbidden");
    // Signing oneself out is an act like any other.
    let _ = eve.api.post(&Admin::user_path(&eve.id, "/logout"), &json!({})).await.expect(204);
    let _ = eve.api.get("/api/admin/users").await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn an_admins_act_is_possible_however_many_events_wait_for_kafka() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "adminfull").await;
    // No broker: nothing leaves the pending lists.
    let spec = with_cheap_hashes(world.user_service()).set("KAFKA__BROKERS", "127.0.0.1:9");
    let service = spec.set("RELAY__MAX_PENDING_PER_USER", "4").start().await;
    let api = service.api();
    let root = create_admin(&world, &service, "root").await;
    let bob = world.test_user("bob");
    let id = api.register(&bob).await.expect(201).string("id");
    let path = |below: &str| Admin::user_path(&id, below);
    let mut refused = None;
    for n in 0..5 {
        let answer = root.api.patch(&path(""), &json!({ "displayName": format!("Bob {n}") })).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let _ = refused.expect("the list is full").expect_problem(503, "unavailable");
    let _ = root.api.post(&path("/logout"), &json!({})).await.expect(204);
    let _ = root.api.post(&path("/disable"), &json!({})).await.expect(204);
    let _ = root.api.post(&path("/enable"), &json!({})).await.expect_problem(503, "unavailable");
    let _ = root.api.delete(&path(""), None).await.expect(204);
    let _ = root.api.get(&path("")).await.expect_problem(404, "not-found");
    // A tombstone that waits for Kafka is in no list.
    assert_eq!(root.list_pages("").await.concat(), [root.id.as_str()]);
    remember_secret("password", &bob.password);
}

#[tokio::test]
async fn an_administrator_unlocks_an_account_that_is_under_attack() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "unlock").await;
    let spec = with_cheap_hashes(world.user_service()).set("LIMITS__ENABLED", "true");
    let spec = spec.set("LIMITS__LOGIN_FIRST_WAIT", "10m").set("LIMITS__LOGIN_MAX_WAIT", "1h");
    let service = spec.set("HTTP__TRUSTED_PROXIES", "127.0.0.1").start().await;
    let api = service.api();
    let root = create_admin(&world, &service, "root").await;
    let ada = world.test_user("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let login = async |network: usize, password: &str| {
        let request = api.request(Method::POST, "/api/auth/login");
        let request = request.header("x-forwarded-for", format!("198.51.{network}.1"));
        api.send(request.json(&json!({ "identifier": ada.email, "password": password }))).await
    };
    let unlock = async || {
        let _ = root.api.send(root.api.request(Method::POST, &Admin::user_path(&id, "/unlock"))).await.expect(204);
    };
    // Nothing is held: nothing happens.
    unlock().await;
    let mut tries = 0;
    while login(tries, "a guess of a password").await.status != 429 {
        tries += 1;
        assert!(tries < 200, "the account is never held");
    }
    let _ = login(250, &ada.password).await.expect_problem(429, "rate-limited");
    let mut topic = world.topic_reader();
    topic.read_type("user.locked.v1", 1).await;
    unlock().await;
    unlock().await;
    let _ = login(251, &ada.password).await.expect(200);
    let unlocked = topic.read_type("user.unlocked.v1", 1).await;
    assert_eq!(unlocked.iter().map(Record::json).collect::<Vec<_>>(), [json!({ "userId": id })]);
    let row = audit(&world, &id, "user.unlocked.v1", 1).await.remove(0);
    assert_eq!(text(&row, "actor"), root.id);
    assert_eq!(audit(&world, &root.id, "user.unlocked.v1", 1).await.len(), 1, "what changes nothing is no act");
}
