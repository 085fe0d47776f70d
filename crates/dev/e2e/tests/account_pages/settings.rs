//! The pages of the account home, the profile, the email address and the password; and the strength of a new password
//! while it is typed.

use std::time::Duration;

use bson::{Document, doc};
use e2e::{
    accounts::{mark_email_verified, register, register_verified, try_login},
    administrators::grant_admin,
    rate_limits::with_limits,
    start::{start_both_services, start_user_service, start_user_service_with, start_with_limits},
    totp::enable_totp,
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{Api, ApiResponse, DEADLINE, Service, Stack, TestUser, World, remember_secret, wait_for};

use crate::Scene;

/// A schema with a member of each kind, and one that only administrators write.
const SCHEMA: &str = r#"{
    "type": "object",
    "required": ["team"],
    "properties": {
        "team": { "type": "string", "title": "Your team", "description": "As on the door.", "maxLength": 20 },
        "site": { "type": "string", "format": "uri" },
        "born": { "type": "string", "format": "date" },
        "age": { "type": "integer", "minimum": 0 },
        "colour": { "enum": ["red", "green"] },
        "letters": { "type": "boolean" },
        "tags": { "type": "array", "items": { "type": "string", "maxLength": 5 } },
        "home": { "type": "object", "title": "Home", "properties": { "city": { "type": "string" } } },
        "plan": { "enum": ["free", "pro"], "title": "Your plan", "x-admin-only": true }
    },
    "additionalProperties": false
}"#;

/// A signed-in browser without its engine: it keeps the cookie, and sends the forms that it was shown.
struct Visitor {
    api: Api,
    cookie: String,
}

impl Visitor {
    async fn sign_in(api: &Api, user: &TestUser) -> Self {
        let fields = [("identifier", user.email.as_str()), ("password", user.password.as_str())];
        let answer = from_own_page(api, "/sign-in", &fields, "").await.expect(303);
        let cookie = cookie(&answer);
        remember_secret("session cookie", &cookie);
        Self { api: api.clone(), cookie }
    }

    /// Signs in with both factors.
    async fn sign_in_with_code(api: &Api, user: &TestUser, code: &str) -> Self {
        let fields = [("identifier", user.email.as_str()), ("password", user.password.as_str())];
        let asked = from_own_page(api, "/sign-in", &fields, "").await.expect(200);
        let token = value_of(&asked.text, "mfaToken").expect("the form has the token");
        remember_secret("mfa token", &token);
        let answer = from_own_page(api, "/sign-in/code", &[("mfaToken", &token), ("code", code)], "").await.expect(303);
        let cookie = cookie(&answer);
        remember_secret("session cookie", &cookie);
        Self { api: api.clone(), cookie }
    }

    async fn open(&self, path: &str) -> ApiResponse {
        self.api.send(self.api.request(Method::GET, path).header(header::COOKIE, &self.cookie)).await
    }

    /// Sends the form of a page with these fields and its hidden ones.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> ApiResponse {
        let shown = self.open(path).await.expect(200);
        self.submit_shown(path, &shown, fields).await
    }

    async fn submit_shown(&self, path: &str, shown: &ApiResponse, fields: &[(&str, &str)]) -> ApiResponse {
        let hidden = ["csrf", "version"].map(|name| (name, value_of(&shown.text, name)));
        let hidden = hidden.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let all: Vec<(&str, &str)> = hidden.chain(fields.iter().copied()).collect();
        from_own_page(&self.api, path, &all, &self.cookie).await
    }
}

async fn from_own_page(api: &Api, path: &str, fields: &[(&str, &str)], cookie: &str) -> ApiResponse {
    let request = api.form(path, fields).header("sec-fetch-site", "same-origin");
    api.send(request.header(header::COOKIE, cookie)).await
}

/// Returns the cookie that a response sets.
fn cookie(answer: &ApiResponse) -> String {
    let set = answer.header("set-cookie");
    set.split(';').next().unwrap_or_default().to_owned()
}

/// Returns the value of a field of a page.
fn value_of(html: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("name=\"{name}\""))?;
    let (element, _) = rest.split_once('>')?;
    let (_, value) = element.split_once("value=\"")?;
    Some(value.split_once('"')?.0.to_owned())
}

/// Returns the text of the error at a field.
fn error_at(html: &str, name: &str) -> Option<String> {
    let (before, element) = html.split_once(&format!("name=\"{name}\""))?;
    let id = before.rsplit_once("id=\"")?.1.split_once('"')?.0;
    assert!(element.split_once('>')?.0.contains("aria-invalid=\"true\"") || !html.contains(&format!("{id}-error")));
    let (_, rest) = html.split_once(&format!("id=\"{id}-error\">"))?;
    Some(rest.split_once("</p>")?.0.to_owned())
}

/// Starts a user service whose attributes have [`SCHEMA`].
async fn start_with_schema(name: &str) -> (World, Service, Api, TempDir) {
    let (directory, file) = write_schema(SCHEMA);
    let (world, service, api) = start_user_service_with(name, &[("ATTRIBUTES__SCHEMA_FILE", &file)]).await;
    (world, service, api, directory)
}

fn write_schema(schema: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory can be created");
    let file = directory.path().join("attributes.json");
    std::fs::write(&file, schema).expect("the schema can be written");
    (directory, file.display().to_string())
}

async fn register_with_team(world: &World, api: &Api, name: &str) -> (TestUser, Api) {
    let user = world.test_user(name);
    let _ = api.post("/api/users", &user.registration_with("attributes", json!({ "team": "blue" }))).await.expect(201);
    mark_email_verified(world, &user).await;
    let me = api.logged_in_as(&user).await;
    (user, me)
}

/// The fields of the profile as they are shown to a new user.
fn profile<'a>(user: &'a TestUser, changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let shown = [
        ("username", user.username.as_str()),
        ("displayName", ""),
        ("locale", ""),
        ("timezone", ""),
        ("attributes/team", "blue"),
        ("attributes/site", ""),
        ("attributes/born", ""),
        ("attributes/age", ""),
        ("attributes/colour", ""),
        ("attributes/tags", ""),
        ("attributes/home/city", ""),
    ];
    let rest = shown.into_iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    rest.chain(changed.iter().copied()).collect()
}

#[tokio::test]
async fn the_home_names_the_account_and_leads_to_every_page() {
    let (world, _service, api) = start_user_service("page-home").await;
    let ada = register(&world, &api, "ada").await;
    let visitor = Visitor::sign_in(&api, &ada).await;
    let home = visitor.open("/account").await.expect(200);
    for part in [ada.username.as_str(), ada.email.as_str(), "not confirmed yet", "Send the mail again"] {
        assert!(home.text.contains(part), "{part}: {}", home.text);
    }
    for page in ["profile", "email", "password", "second-factor", "sessions", "history", "export", "delete"] {
        assert!(home.text.contains(&format!("href=\"/account/{page}\"")), "{page}: {}", home.text);
    }
    let sent = visitor.submit("/account", &[]).await.expect(303);
    assert_eq!(sent.header("location"), "/account?done=mail-sent");
    let sent = visitor.open("/account?done=mail-sent").await.expect(200);
    assert!(sent.text.contains("A new mail is on its way."), "{}", sent.text);
    // Only words of the list are shown.
    let other = visitor.open("/account?done=You+won").await.expect(200);
    assert!(!other.text.contains("You won") && !other.text.contains("role=\"status\""), "{}", other.text);

    mark_email_verified(&world, &ada).await;
    let home = visitor.open("/account").await.expect(200);
    assert!(home.text.contains("(confirmed)") && !home.text.contains("Send the mail again"), "{}", home.text);
}

#[tokio::test]
async fn a_profile_is_saved_with_attributes_of_every_kind() {
    let (world, _service, api, _schema) = start_with_schema("page-profile").await;
    let (ada, me) = register_with_team(&world, &api, "ada").await;
    let visitor = Visitor::sign_in(&api, &ada).await;
    let shown = visitor.open("/account/profile").await.expect(200);
    for part in ["Your team", "As on the door.", "Home · city", "<textarea", "type=\"date\"", "type=\"url\""] {
        assert!(shown.text.contains(part), "{part}: {}", shown.text);
    }
    assert!(!shown.text.contains("Your plan"), "it has no value, and cannot be changed");

    let renamed = format!("{}x", &ada.username[..ada.username.len() - 1]);
    let changed = [
        ("username", renamed.as_str()),
        ("displayName", "Ada <b>"),
        ("locale", "de"),
        ("timezone", "Europe/London"),
        ("attributes/site", "https://ada.example"),
        ("attributes/born", "1815-12-10"),
        ("attributes/age", "36"),
        ("attributes/colour", "green"),
        ("attributes/letters", "yes"),
        ("attributes/tags", "one\r\n\r\n two"),
        ("attributes/home/city", "London"),
    ];
    let saved = visitor.submit_shown("/account/profile", &shown, &profile(&ada, &changed)).await.expect(303);
    assert_eq!(saved.header("location"), "/account/profile?done=saved");
    let stored = me.get("/api/users/me").await.expect(200).json();
    let expected = json!({
        "team": "blue", "site": "https://ada.example", "born": "1815-12-10", "age": 36, "colour": "green", "letters": true,
        "tags": ["one", "two"], "home": { "city": "London" },
    });
    assert_eq!(stored["attributes"], expected);
    let names = ["username", "displayName", "locale", "timezone"].map(|name| stored[name].as_str().unwrap_or_default());
    assert_eq!(names, [&renamed, "Ada <b>", "de", "Europe/London"]);

    let shown = visitor.open("/account/profile?done=saved").await.expect(200);
    for part in ["Your profile is saved.", "Ada &lt;b&gt;", "one\ntwo", "<option value=\"green\" selected>"] {
        assert!(shown.text.contains(part), "{part}: {}", shown.text);
    }
    // What is emptied is removed, and so is an object without members. Nothing else changes.
    let emptied = [
        ("username", renamed.as_str()),
        ("attributes/age", "36"),
        ("attributes/colour", "green"),
        ("timezone", "Europe/London"),
    ];
    let _ = visitor.submit_shown("/account/profile", &shown, &profile(&ada, &emptied)).await.expect(303);
    let stored = me.get("/api/users/me").await.expect(200).json();
    assert_eq!(stored["attributes"], json!({ "team": "blue", "age": 36, "colour": "green", "letters": false }));
    assert_eq!((&stored["displayName"], &stored["timezone"]), (&Value::Null, &json!("Europe/London")));
}

#[tokio::test]
async fn each_problem_of_a_profile_stands_beside_its_field_and_what_was_typed_stays() {
    let (world, _service, api, _schema) = start_with_schema("page-refused").await;
    let (ada, me) = register_with_team(&world, &api, "ada").await;
    let taken = register_with_team(&world, &api, "bob").await.0;
    let visitor = Visitor::sign_in(&api, &ada).await;
    let before = me.get("/api/users/me").await.expect(200).text;
    let typed = [
        ("attributes/team", "a very long name for a team"),
        ("attributes/site", "no <uri>"),
        ("attributes/age", "old"),
        ("attributes/tags", "fine\r\ntoo long"),
    ];
    let refused = visitor.submit("/account/profile", &profile(&ada, &typed)).await.expect(422);
    for name in ["attributes/team", "attributes/site", "attributes/age", "attributes/tags"] {
        assert!(error_at(&refused.text, name).is_some(), "{name}: {}", refused.text);
    }
    assert_eq!(error_at(&refused.text, "attributes/colour"), None);
    for kept in ["a very long name for a team", "no &lt;uri&gt;", "\"old\"", "fine\r\ntoo long"] {
        assert!(refused.text.contains(kept), "{kept}: {}", refused.text);
    }
    let short = visitor.submit("/account/profile", &profile(&ada, &[("username", "a"), ("timezone", "Moon")])).await;
    let short = short.expect(422);
    assert_eq!(error_at(&short.text, "username").as_deref(), Some("It needs at least 3 characters."));
    assert!(error_at(&short.text, "timezone").is_some(), "{}", short.text);
    let same = visitor.submit("/account/profile", &profile(&ada, &[("username", &taken.username)])).await.expect(409);
    assert!(error_at(&same.text, "username").is_some_and(|text| text.contains("Another account")), "{}", same.text);
    assert_eq!(value_of(&same.text, "username").as_deref(), Some(taken.username.as_str()));
    let missing = visitor.submit("/account/profile", &profile(&ada, &[("attributes/team", "")])).await.expect(422);
    assert_eq!(error_at(&missing.text, "attributes/team").as_deref(), Some("Please fill in this field."));
    assert_eq!(me.get("/api/users/me").await.expect(200).text, before);
}

#[tokio::test]
async fn attributes_as_large_as_the_api_accepts_fit_into_the_form_and_no_error_is_lost() {
    let schema = r#"{ "minProperties": 1, "properties": { "about": { "type": "string", "maxLength": 20000 } } }"#;
    let (_directory, file) = write_schema(schema);
    let (world, _service, api) = start_user_service_with("page-large", &[("ATTRIBUTES__SCHEMA_FILE", &file)]).await;
    let user = world.test_user("ada");
    let _ = api.post("/api/users", &user.registration_with("attributes", json!({ "about": "x" }))).await.expect(201);
    let visitor = Visitor::sign_in(&api, &user).await;
    let large = "ü".repeat(8100);
    let _ = visitor.submit("/account/profile", &[("attributes/about", &large)]).await.expect(303);
    let me = api.logged_in_as(&user).await.get("/api/users/me").await.expect(200).json();
    assert_eq!(me["attributes"]["about"], large.as_str());
    // The error is not about one of the fields, but about all attributes.
    let refused = visitor.submit("/account/profile", &[("attributes/about", "")]).await.expect(422);
    assert!(refused.text.contains("role=\"alert\">This did not work. Nothing was changed."), "{}", refused.text);
    let too_large = "ü".repeat(8200);
    let refused = visitor.submit("/account/profile", &[("attributes/about", &too_large)]).await.expect(422);
    assert!(refused.text.contains("role=\"alert\""), "the attributes have more than 16 KiB");
}

#[tokio::test]
async fn two_windows_do_not_overwrite_each_other() {
    let (world, _service, api, _schema) = start_with_schema("page-windows").await;
    let (ada, me) = register_with_team(&world, &api, "ada").await;
    let visitor = Visitor::sign_in(&api, &ada).await;
    let first = visitor.open("/account/profile").await.expect(200);
    let second = visitor.open("/account/profile").await.expect(200);
    let in_first =
        profile(&ada, &[("displayName", "Ada"), ("attributes/letters", "yes"), ("attributes/colour", "red")]);
    let _ = visitor.submit_shown("/account/profile", &first, &in_first).await.expect(303);

    let in_second = profile(&ada, &[("displayName", "Countess")]);
    let refused = visitor.submit_shown("/account/profile", &second, &in_second).await.expect(412);
    for part in ["changed in another window", "Saved now: Ada", "Saved now: red", "Saved now: Yes"] {
        assert!(refused.text.contains(part), "{part}: {}", refused.text);
    }
    assert!(!refused.text.contains("Saved now: blue"), "the team was not changed: {}", refused.text);
    assert_eq!(value_of(&refused.text, "displayName").as_deref(), Some("Countess"));
    assert_eq!(me.get("/api/users/me").await.expect(200).string("displayName"), "Ada");
    // The form is now for the account as it is.
    let decided =
        profile(&ada, &[("displayName", "Countess"), ("attributes/letters", "yes"), ("attributes/colour", "red")]);
    let _ = visitor.submit_shown("/account/profile", &refused, &decided).await.expect(303);
    let stored = me.get("/api/users/me").await.expect(200).json();
    assert_eq!(stored["displayName"], "Countess");
    assert_eq!(stored["attributes"], json!({ "team": "blue", "letters": true, "colour": "red" }));
    // A form without its version saves nothing.
    let no_version = visitor.open("/account").await.expect(200);
    let _ = visitor.submit_shown("/account/profile", &no_version, &decided).await.expect(412);
}

#[tokio::test]
async fn what_only_administrators_may_write_is_shown_and_stays() {
    let (world, service, api, _schema) = start_with_schema("page-admin-only").await;
    let (ada, me) = register_with_team(&world, &api, "ada").await;
    let admin = register_with_team(&world, &api, "admin").await.0;
    grant_admin(&service, &admin.email).await;
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let plan = json!({ "attributes": { "plan": "pro" } });
    let _ = api.logged_in_as(&admin).await.patch(&format!("/api/admin/users/{id}"), &plan).await.expect(200);
    let visitor = Visitor::sign_in(&api, &ada).await;
    let shown = visitor.open("/account/profile").await.expect(200);
    assert!(shown.text.contains("Your plan") && shown.text.contains("<bdi>pro</bdi>"), "{}", shown.text);
    let hacked = profile(&ada, &[("attributes/plan", "free"), ("attributes/team", "red")]);
    let _ = visitor.submit_shown("/account/profile", &shown, &hacked).await.expect(303);
    let stored = me.get("/api/users/me").await.expect(200).json();
    assert_eq!(stored["attributes"], json!({ "plan": "pro", "team": "red" }));
}

#[tokio::test]
async fn a_new_email_address_is_confirmed_by_its_link() {
    let (world, _users, _mails, api) = start_both_services("page-email").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let visitor = Visitor::sign_in(&api, &ada).await;
    let shown = visitor.open("/account/email").await.expect(200);
    assert!(shown.text.contains(&ada.email), "{}", shown.text);
    let wrong = visitor.submit_shown("/account/email", &shown, &[("email", "not <an> address")]).await.expect(422);
    assert_eq!(error_at(&wrong.text, "email").as_deref(), Some("This is not an email address."));
    assert_eq!(value_of(&wrong.text, "email").as_deref(), Some("not &lt;an&gt; address"));
    let same = visitor.submit_shown("/account/email", &shown, &[("email", &ada.email)]).await.expect(422);
    assert_eq!(error_at(&same.text, "email").as_deref(), Some("This is already the email address of your account."));

    let new = world.address("countess");
    let sent = visitor.submit_shown("/account/email", &shown, &[("email", &new)]).await.expect(303);
    assert_eq!(sent.header("location"), "/account?done=link-sent");
    let home = visitor.open("/account?done=link-sent").await.expect(200);
    assert!(home.text.contains("We sent a link to the new address."), "{}", home.text);
    assert_eq!(me.get("/api/users/me").await.expect(200).string("email"), ada.email);
    let token = world.mailbox(&new).wait_for_token("/confirm-email", 1).await;
    let _ = api.submit("/confirm-email", &[("token", &token)]).await.expect(200);
    assert_eq!(me.get("/api/users/me").await.expect(200).string("email"), new);
    // Another spelling of the same mailbox is saved at once.
    let spelled = new.replacen("countess", "Countess", 1);
    let saved = visitor.submit("/account/email", &[("email", &spelled)]).await.expect(303);
    assert_eq!(saved.header("location"), "/account?done=email-saved");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_gives_this_one_another_cookie() {
    let (world, _service, api) = start_user_service("page-password").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let mut visitor = Visitor::sign_in(&api, &ada).await;
    let other = Visitor::sign_in(&api, &ada).await;
    let shown = visitor.open("/account/password").await.expect(200);
    assert_eq!(value_of(&shown.text, "username").as_deref(), Some(ada.username.as_str()));
    let wrong = [("currentPassword", "wrong"), ("newPassword", "purple analytical engines")];
    let wrong = visitor.submit_shown("/account/password", &shown, &wrong).await.expect(403);
    assert_eq!(error_at(&wrong.text, "currentPassword").as_deref(), Some("This is not your current password."));
    assert!(!wrong.text.contains("purple analytical"), "no password is ever shown again");
    let weak = [("currentPassword", ada.password.as_str()), ("newPassword", "password")];
    let weak = visitor.submit_shown("/account/password", &shown, &weak).await.expect(422);
    assert!(error_at(&weak.text, "newPassword").is_some_and(|text| text.contains("among the first")), "{}", weak.text);
    assert!(!weak.text.contains(&ada.password), "no password is ever shown again");

    let right = [("currentPassword", ada.password.as_str()), ("newPassword", "purple analytical engines")];
    let changed = visitor.submit_shown("/account/password", &shown, &right).await.expect(303);
    assert_eq!(changed.header("location"), "/account?done=password-changed");
    let former = visitor.cookie.clone();
    visitor.cookie = cookie(&changed);
    assert!(visitor.cookie.len() > 20 && visitor.cookie != former, "{changed:?}");
    let home = visitor.open("/account?done=password-changed").await.expect(200);
    assert!(home.text.contains("Your password is changed"), "{}", home.text);
    for ended in [Visitor { api: api.clone(), cookie: former }, other] {
        let refused = ended.open("/account").await.expect(303);
        assert_eq!(refused.header("location"), "/sign-in?next=%2Faccount");
    }
    let _ = me.get("/api/users/me").await.expect(401);
}

/// Lets all sessions be older than a recent authentication.
async fn age_sessions(world: &World) {
    let older = doc! { "$set": { "createdAt": { "$subtract": ["$createdAt", 11 * 60_000] } } };
    let sessions = world.user_collection("sessions").await;
    let updated = sessions.update_many(doc! {}, vec![older]).await.expect("sessions can be written");
    assert!(updated.matched_count > 0, "there is no session");
}

#[tokio::test]
async fn an_old_session_leads_to_the_confirmation_before_a_form_is_filled_in() {
    let (world, _service, api) = start_user_service("page-guard").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let visitor = Visitor::sign_in(&api, &ada).await;
    let shown = visitor.open("/account/email").await.expect(200);
    age_sessions(&world).await;
    let refused = visitor.open("/account/email").await.expect(303);
    assert_eq!(refused.header("location"), "/account/confirm-identity?next=%2Faccount%2Femail");
    let new = world.address("countess");
    let refused = visitor.submit_shown("/account/email", &shown, &[("email", &new)]).await.expect(303);
    assert_eq!(refused.header("location"), "/account/confirm-identity?next=%2Faccount%2Femail");
    // The form of the password asks for the current one.
    let _ = visitor.open("/account/password").await.expect(200);

    let (authenticator, _) = enable_totp(&api.logged_in_as(&ada).await, &ada).await;
    let visitor = Visitor::sign_in_with_code(&api, &ada, &authenticator.code_at(1)).await;
    let shown = visitor.open("/account/password").await.expect(200);
    age_sessions(&world).await;
    let refused = visitor.open("/account/password").await.expect(303);
    assert_eq!(refused.header("location"), "/account/confirm-identity?next=%2Faccount%2Fpassword");
    let right = [("currentPassword", ada.password.as_str()), ("newPassword", "purple analytical engines")];
    let refused = visitor.submit_shown("/account/password", &shown, &right).await.expect(303);
    assert_eq!(refused.header("location"), "/account/confirm-identity?next=%2Faccount%2Fpassword");
    assert_eq!(me.get("/api/users/me").await.expect(200).string("email"), ada.email);
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "mfa-required");
}

/// Asks how strong a password is, as the script of a page does.
async fn strength(api: &Api, password: &str, context: &str, language: &str) -> ApiResponse {
    let request = api.form("/pages/password-strength", &[("newPassword", password), ("context", context)]);
    let request = request.header("sec-fetch-site", "same-origin").header(header::ACCEPT_LANGUAGE, language);
    api.send(request).await
}

#[tokio::test]
async fn the_strength_of_a_password_follows_the_rules_of_the_service_in_the_language_of_the_reader() {
    let (_world, service, api) = start_user_service_with("page-strength", &[("PAGES__ENABLED", "false")]).await;
    let fine = "purple-analytical-engines-77";
    let accepted = strength(&api, fine, "ada", "en").await.expect(200);
    assert_eq!(accepted.json(), json!({ "isAccepted": true, "texts": ["This password can be used."] }));
    assert_eq!(accepted.header("cache-control"), "no-store");
    for (password, context, language, expected) in [
        ("a", "", "en", "at least"),
        ("password", "", "de", "zu den ersten"),
        ("lovelace-ada-1980", "ada\nada.lovelace@example.org", "en", "little more than your name"),
    ] {
        let refused = strength(&api, password, context, language).await.expect(200).json();
        assert_eq!(refused["isAccepted"], false, "{password}");
        assert!(refused["texts"].to_string().contains(expected), "{password}: {refused}");
    }
    // The words are those that a form can have; what is longer is not considered.
    let _ = strength(&api, fine, &"ü".repeat(1100), "en").await.expect(200);
    let script = api.get("/pages/password-strength.js").await.expect(200);
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let again = api.request(Method::GET, "/pages/password-strength.js").header("if-none-match", script.header("etag"));
    let _ = api.send(again).await.expect(304);

    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://a.example")]
    {
        let foreign = api.form("/pages/password-strength", &[("newPassword", fine)]).header(name, value);
        let _ = api.send(foreign).await.expect_problem(403, "forbidden");
    }
    let bare = api.submit("/pages/password-strength", &[("newPassword", fine)]).await;
    let _ = bare.expect_problem(403, "forbidden");
    assert!(!service.log().contains(fine), "no password is logged");
}

#[tokio::test]
async fn a_flood_of_strength_requests_is_refused() {
    let world = World::new(&Stack::from_env(), "page-flood").await;
    let service = with_limits(&world, &[("REQUESTS_PER_NETWORK", "5")]).start().await;
    let api = service.api();
    let mut refused = 0;
    for _ in 0..40 {
        refused += usize::from(strength(&api, "a", "", "en").await.status == 429);
    }
    assert!((5..=15).contains(&refused), "five times the quota of the network is allowed: {refused}");
    // It is a quota of its own: the pages of mailed links are there all the time.
    let _ = api.get("/reset-password?token=unknown").await.expect(400);
}

/// Returns what the page says about the password that is being typed.
const STRENGTH: &str = "document.querySelector('input[data-strength] + [role=status]')?.textContent ?? ''";

#[tokio::test]
async fn without_scripts_a_member_changes_the_profile_the_address_and_the_password() {
    let (_directory, file) = write_schema(&SCHEMA.replace("\"required\": [\"team\"],", ""));
    let test = "without_scripts_a_member_changes_the_profile_the_address_and_the_password";
    let settings = [("ATTRIBUTES__SCHEMA_FILE", file.as_str())];
    let Some(mut scene) = Scene::start_with(test, "settings", &settings).await else { return };
    scene.browser.disable_scripts().await;
    let ada = scene.new_member("ada").await;

    scene.browser.follow("Profile").await;
    assert_eq!(scene.browser.path().await, "/account/profile");
    scene.browser.fill("displayName", "Ada").await;
    scene.browser.choose("timezone", "Europe/London").await;
    scene.browser.fill("attributes/team", "a name that is too long").await;
    scene.browser.toggle("attributes/letters").await;
    scene.browser.submit("/account/profile").await;
    assert_eq!(scene.browser.response_status().await, 422);
    assert!(scene.browser.field_error("attributes/team").await.is_some());
    assert_eq!(scene.browser.field_value("displayName").await, "Ada");
    scene.browser.fill("attributes/team", "blue").await;
    scene.browser.submit("/account/profile").await;
    assert_eq!(scene.browser.path().await, "/account/profile?done=saved");
    assert_eq!(scene.browser.status().await.as_deref(), Some("Your profile is saved."));
    let me = scene.api.logged_in_as(&ada).await.get("/api/users/me").await.expect(200).json();
    assert_eq!(me["attributes"], json!({ "team": "blue", "letters": true }));
    assert_eq!((&me["displayName"], &me["timezone"]), (&json!("Ada"), &json!("Europe/London")));

    scene.open("/account/email").await;
    let new = scene.world.address("countess");
    scene.browser.fill("email", &new).await;
    scene.browser.submit("/account/email").await;
    assert_eq!(scene.browser.path().await, "/account?done=link-sent");
    let token = scene.world.mailbox(&new).wait_for_token("/confirm-email", 1).await;
    scene.open(&format!("/confirm-email?token={token}")).await;
    scene.browser.submit("/confirm-email").await;
    scene.open("/account").await;
    assert!(scene.browser.page_text().await.contains(&new));

    scene.browser.follow("Password").await;
    scene.browser.fill("currentPassword", "not the password").await;
    scene.browser.fill("newPassword", "purple analytical engines").await;
    scene.browser.submit("/account/password").await;
    assert!(scene.browser.field_error("currentPassword").await.is_some());
    assert_eq!(scene.browser.field_value("newPassword").await, "");
    scene.browser.fill("currentPassword", &ada.password).await;
    scene.browser.fill("newPassword", "purple analytical engines").await;
    scene.browser.submit("/account/password").await;
    assert_eq!(scene.browser.path().await, "/account?done=password-changed");
    // The browser has the new cookie.
    scene.open("/account").await;
    assert_eq!(scene.browser.path().await, "/account");
}

#[tokio::test]
async fn with_scripts_the_strength_of_a_new_password_is_shown_while_it_is_typed() {
    let test = "with_scripts_the_strength_of_a_new_password_is_shown_while_it_is_typed";
    let Some(mut scene) = Scene::start(test, "strength").await else { return };
    scene.browser.record_policy_violations().await;
    let ada = scene.new_member("ada").await;
    let reset = json!({ "email": ada.email });
    let _ = scene.api.post("/api/auth/password-reset", &reset).await.expect(202);
    let token = scene.world.mailbox(&ada.email).wait_for_token("/reset-password", 1).await;
    for page in ["/account/password".to_owned(), format!("/reset-password?token={token}")] {
        scene.open(&page).await;
        scene.browser.tab_to("newPassword").await;
        for (typed, expected) in
            [("pass", "at least"), ("word", "among the first"), (" of purple engines", "can be used")]
        {
            scene.browser.enter(typed).await;
            scene.browser.wait_until(&format!("({STRENGTH}).includes({expected:?})")).await;
        }
        // Nothing is left to say about an empty field.
        scene.browser.fill("newPassword", "").await;
        scene.browser.wait_until(&format!("({STRENGTH}) === ''")).await;
        assert_eq!(scene.browser.evaluate("policyViolations").await, json!([]), "{page}");
    }
    // The words of the user count, as they do for the form.
    scene.open("/account/password").await;
    scene.browser.tab_to("newPassword").await;
    scene.browser.enter(&format!("{}1", ada.username)).await;
    scene.browser.wait_until(&format!("({STRENGTH}).includes('little more than your name')")).await;
}

/// Returns the row of the only session.
async fn only_session(world: &World) -> Document {
    let sessions = world.user_collection("sessions").await;
    sessions.find_one(doc! {}).await.expect("sessions can be read").expect("there is a session")
}

#[tokio::test]
async fn a_session_that_gets_more_rights_gets_another_cookie_even_if_its_browser_has_gone() {
    let (world, _service, api) = start_user_service("page-gone").await;
    let (ada, _) = register_verified(&world, &api, "ada").await;
    let sessions = world.user_collection("sessions").await;
    let mut abandoned = 0;
    // The browser goes at another moment of the request each time.
    for attempt in 0..600 {
        let _ = sessions.delete_many(doc! {}).await.expect("sessions can be written");
        let visitor = Visitor::sign_in(&api, &ada).await;
        let shown = visitor.open("/account").await.expect(200);
        let csrf = value_of(&shown.text, "csrf").expect("the page has a token");
        let former = only_session(&world).await;
        let fields = [("csrf", csrf.as_str()), ("password", ada.password.as_str())];
        let request = api.form("/account/confirm-identity", &fields).header("sec-fetch-site", "same-origin");
        let patience = Duration::from_micros(2_000 + attempt % 40 * 500);
        let is_gone = request.header(header::COOKIE, &visitor.cookie).timeout(patience).send().await.is_err();
        // A request that has not arrived, or not yet changed the session, does not count.
        if is_gone && only_session(&world).await.contains_key("authenticatedAt") {
            wait_for(DEADLINE, "another cookie, because the old one would have the new rights", async || {
                (only_session(&world).await.get("cookieHash") != former.get("cookieHash")).then_some(())
            })
            .await;
            abandoned += 1;
            if abandoned == 10 {
                return;
            }
        }
    }
    panic!("no browser has gone at the right moment: {abandoned}");
}

#[tokio::test]
async fn a_sign_in_ends_the_session_of_the_browser_even_if_its_network_may_open_no_page_now() {
    let (world, _service, api) = start_with_limits("page-former", &[("REQUESTS_PER_NETWORK", "4")]).await;
    let ada = register(&world, &api, "ada").await;
    let visitor = Visitor::sign_in(&api, &ada).await;
    let mut opened = 0;
    while visitor.open("/account").await.status == 200 {
        opened += 1;
        assert!(opened <= 100, "there is no limit");
    }
    let fields = [("identifier", ada.email.as_str()), ("password", ada.password.as_str())];
    let answer = from_own_page(&api, "/sign-in", &fields, &visitor.cookie).await.expect(303);
    remember_secret("session cookie", &cookie(&answer));
    let sessions = world.user_collection("sessions").await.count_documents(doc! {}).await;
    assert_eq!(sessions.expect("sessions can be read"), 1);
}
