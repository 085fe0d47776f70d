//! Each format on records as the systems write them; the tests of `e2e` read whole exports.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::{
    domain::UserStatus,
    store::UserRecord,
    usecase::import::{
        Import,
        line_to_account::{Access, AccountReader, ReadRecord, ReadUser},
        records::tests::trickle,
    },
};

const ADA: &str = "ada@example.org";
/// The example of Firebase's documentation, with a low cost.
const SALT: &str = "c2FsdHNhbHQ=";
const HASH: &str = "kSRbTSB3GDOR5ZgEvFSwS7oibMwypHmHyKkRQH1lZGFMLHwAGCz6NwaeMaNxtGmUT2pSLCagy7U1zIbF/RhIrQ==";
const BCRYPT: &str = "$2b$04$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y";

fn firebase() -> ExportFormat {
    let signer_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";
    ExportFormat::Firebase(Some(FirebaseParameters {
        signer_key: SecretString::from(signer_key.to_owned()),
        salt_separator: "Bw==".to_owned(),
        rounds: 8,
        memory_cost: 4,
    }))
}

fn reader(format: ExportFormat) -> AccountReader {
    let import = Import::new("0123456789abcdef0123456789abcdef".to_owned(), format);
    AccountReader { import, ..AccountReader::for_test(false) }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn read_with(reader: &AccountReader, content: Content) -> Result<ReadUser, Vec<LineError>> {
    match reader.read(&Record { number: 1, content }, now())? {
        ReadRecord::User(user) => Ok(*user),
        ReadRecord::Skipped(because) => panic!("the record is skipped: {because:?}"),
    }
}

fn read(format: ExportFormat, record: &Value) -> ReadUser {
    let read = read_with(&reader(format), Content::Json(record.to_string().into_bytes()));
    read.unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(format: ExportFormat, record: &Value) -> Vec<(String, &'static str)> {
    let read = read_with(&reader(format), Content::Json(record.to_string().into_bytes()));
    let mut found: Vec<_> =
        read.err().unwrap_or_default().into_iter().map(|error| (error.pointer, error.code)).collect();
    found.sort();
    found
}

fn skipped(format: ExportFormat, record: &Value) -> Option<LeftBehind> {
    let record = Record { number: 1, content: Content::Json(record.to_string().into_bytes()) };
    match reader(format).read(&record, now()) {
        Ok(ReadRecord::Skipped(because)) => Some(because),
        _ => None,
    }
}

fn left(user: &ReadUser) -> Vec<&'static str> {
    user.left.kinds().map(|kind| LeftBehind::names(kind).0).collect()
}

fn created(account: &UserRecord) -> String {
    account.created_at.to_jiff().to_string()
}

fn open(format: &ExportFormat, text: &[u8]) -> Result<Records, String> {
    format.open(trickle(text)).expect("reading from memory does not fail")
}

#[test]
fn a_user_of_firebase_is_read() {
    let record = json!({
        "localId": "bWkqJvFo1SM4OMSDLzGdnjf1Jrj2", "email": "Ada.Lovelace@example.org", "emailVerified": true, "passwordHash": HASH,
        "salt": SALT, "displayName": "Ada Lovelace", "photoUrl": "https://example.org/ada.png",
        "createdAt": "1583243049000", "lastSignedInAt": "1583243050123", "phoneNumber": "+15555550100",
        "disabled": true, "customAttributes": "{\"admin\":true}",
        "providerUserInfo": [{ "providerId": "google.com", "rawId": "1" }],
    });
    let user = read(firebase(), &record);
    let account = &user.account;
    assert_eq!((account.username.as_str(), account.email.as_str()), ("Ada.Lovelace", "Ada.Lovelace@example.org"));
    assert!(user.derived.is_some() && account.email_verified && account.status == UserStatus::Disabled);
    assert_eq!(account.display_name.as_deref(), Some("Ada Lovelace"));
    assert!(account.password_hash.starts_with("$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw,"), "{}", account.password_hash);
    assert_eq!(created(account), "2020-03-03T13:44:09Z");
    assert_eq!(account.last_login_at.unwrap().to_jiff().to_string(), "2020-03-03T13:44:10.123Z");
    assert_eq!((account.attributes.as_ref(), account.roles.len()), (None, 0));
    assert_eq!(left(&user), ["socialIdentities", "phoneNumbers", "avatars", "appMetadata"]);
    // No version writes an id of another form.
    assert_ne!(account.id.to_string(), "bWkqJvFo1SM4OMSDLzGdnjf1Jrj2");
}

#[test]
fn a_hash_of_firebase_needs_its_parameters_and_its_salt() {
    let record = json!({ "localId": "a", "email": ADA, "passwordHash": HASH, "salt": SALT });
    assert_eq!(errors(ExportFormat::Firebase(None), &record), [("#/passwordHash".to_owned(), "no-parameters")]);
    let without_salt = json!({ "localId": "a", "email": ADA, "passwordHash": HASH });
    assert_eq!(errors(firebase(), &without_salt), [("#/salt".to_owned(), "missing")]);
    let malformed = json!({ "localId": "a", "email": ADA, "passwordHash": "$,", "salt": SALT });
    assert_eq!(errors(firebase(), &malformed), [("#/passwordHash".to_owned(), "not-a-hash")]);
    let without_hash = json!({ "localId": "a", "email": ADA });
    assert_eq!(read(ExportFormat::Firebase(None), &without_hash).access, Access::None);
}

#[test]
fn errors_name_the_members_of_the_export() {
    let record = json!({
        "localId": "a", "email": "nowhere", "emailVerified": "yes", "displayName": "a\nb", "createdAt": "yesterday",
        "lastSignedInAt": "99999999999999", "disabled": 7, "customAttributes": "{",
    });
    let expected = [
        ("#/createdAt", "not-a-time"),
        ("#/customAttributes", "not-json"),
        ("#/disabled", "wrong-type"),
        ("#/displayName", "invalid-character"),
        ("#/email", "not-an-address"),
        ("#/emailVerified", "wrong-type"),
        ("#/lastSignedInAt", "in-the-future"),
    ];
    assert_eq!(errors(firebase(), &record), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    let record = json!({ "user_login": "a", "user_email": "", "user_pass": "plain", "user_registered": "2016-06-03", "roles": "A B" });
    let expected = [
        ("#/roles", "invalid-character"),
        ("#/user_email", "missing"),
        ("#/user_login", "too-short"),
        ("#/user_pass", "not-a-hash"),
        ("#/user_registered", "not-a-time"),
    ];
    assert_eq!(errors(ExportFormat::Wordpress, &record), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
}

#[test]
fn a_user_of_firebase_without_an_address_is_anonymous_or_refused() {
    let anonymous = json!({ "localId": "a", "createdAt": "1583243049000", "providerUserInfo": [] });
    assert_eq!(skipped(firebase(), &anonymous), Some(LeftBehind::ANONYMOUS_USER));
    let by_phone = json!({ "localId": "a", "phoneNumber": "+15555550100" });
    assert_eq!(errors(firebase(), &by_phone), [("#/email".to_owned(), "missing")]);
}

#[test]
fn the_csv_file_of_firebase_has_no_header_and_may_end_its_lines_with_a_comma() {
    let full = format!(
        "id1,{ADA},true,{HASH},{SALT},\"Lovelace, Ada\",,g1,g@example.org,,,,,,,,,,,,,,,1583243049000,1583243050123,,false,\"{{\"\"a\"\":1}}\",\n"
    );
    let old = "id2,bob@example.org,false,,,Bob \"the\" Builder,,,,,,,,,,,,,,,,,,1583243049000,,+15555550100,true\n";
    let mut records = open(&firebase(), format!("{full}{old}").as_bytes()).unwrap();
    let reader = reader(firebase());
    let first = records.peek().unwrap().unwrap().content.clone();
    let ada = read_with(&reader, first).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(ada.account.display_name.as_deref(), Some("Lovelace, Ada"));
    assert!(ada.account.email_verified && ada.account.password_hash.starts_with("$fbscrypt$"));
    assert_eq!(left(&ada), ["socialIdentities", "appMetadata"]);
    let mut records = open(&firebase(), old.as_bytes()).unwrap();
    let second = records.peek().unwrap().unwrap().content.clone();
    let bob = read_with(&reader, second).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(bob.account.display_name.as_deref(), Some("Bob \"the\" Builder"));
    assert_eq!((bob.account.status, left(&bob)), (UserStatus::Disabled, vec!["phoneNumbers"]));
}

#[test]
fn a_user_of_auth0_is_read() {
    let record = json!({
        "user_id": "auth0|5dea9f9c82dd7c0e76e4ec93", "email": ADA, "email_verified": true, "username": "ada_l", "name": ADA,
        "nickname": "ada", "picture": "https://s.gravatar.com/avatar/1", "created_at": "2019-12-06T18:36:12.412Z",
        "last_login": "2020-01-02T03:04:05.006Z", "blocked": true, "multifactor": ["guardian"],
        "identities": [{ "provider": "auth0", "isSocial": false }, { "provider": "google-oauth2", "isSocial": true }],
        "user_metadata": { "colour": "red" }, "app_metadata": { "plan": "pro" },
    });
    let user = read(ExportFormat::Auth0(None), &record);
    let account = &user.account;
    assert_eq!((account.username.as_str(), user.derived.is_none()), ("ada_l", true));
    assert_eq!((account.display_name.as_ref(), account.status), (None, UserStatus::Disabled));
    assert_eq!(created(account), "2019-12-06T18:36:12.412Z");
    assert_eq!(account.attributes.as_deref(), Some(r#"{"colour":"red"}"#));
    assert_eq!((left(&user), user.access), (vec!["secondFactors", "socialIdentities", "appMetadata"], Access::None));
}

#[test]
fn the_export_of_hashes_of_auth0_is_read_on_its_own() {
    let record = json!({
        "_id": { "$oid": "5dea9f9c82dd7c0e76e4ec93" }, "email_verified": true, "passwordHash": BCRYPT, "tenant": "example",
        "password_set_date": { "$date": "2019-12-06T18:36:12.412Z" }, "connection": "Username-Password-Authentication",
        "_tmp_is_unique": true, "identifiers": [{ "type": "email", "value": ADA, "verified": false }, { "type": "username", "value": "ada_l" }],
    });
    let user = read(ExportFormat::Auth0(None), &record);
    assert_eq!((user.account.email.as_str(), user.account.username.as_str()), (ADA, "ada_l"));
    // The flag beside the address belongs to it.
    assert!(!user.account.email_verified);
    assert_eq!((user.account.password_hash.as_str(), user.access), (BCRYPT, Access::Password));
}

#[test]
fn a_user_of_keycloak_is_read() {
    let secret = json!({ "value": "/yFakMlDl2xIXcbIvCmwQ3f5b+vB2Ui5t7qa6qg93Z6NvAdTkzlGNgvVQDGF+H9HWKVKWQEKRd6jq7U5b+vBag==", "salt": "MDEyMzQ1Njc4OWFiY2RlZg==" });
    let record = json!({
        "id": "d0a1a1f4-3b1f-4f6c-9f0b-7d3b6b7b7f10", "username": "ada", "firstName": "Ada", "lastName": "Lovelace", "email": ADA,
        "emailVerified": true, "createdTimestamp": 1_588_070_236_163_i64, "enabled": true, "totp": true,
        "attributes": { "locale": ["de"], "team": ["engines"], "langs": ["en", "fr"] },
        "credentials": [
            { "id": "1", "type": "otp", "secretData": "{}", "credentialData": "{}" },
            { "id": "2", "type": "password", "secretData": secret.to_string(), "credentialData": "{\"hashIterations\":100,\"algorithm\":\"pbkdf2-sha512\"}" },
            { "id": "3", "type": "password-history", "secretData": "{}", "credentialData": "{}" },
        ],
        "realmRoles": ["default-roles-acme", "offline_access", "editor"], "clientRoles": { "account": ["view-profile"] },
        "groups": ["/engines"], "requiredActions": [], "federatedIdentities": [], "notBefore": 0, "disableableCredentialTypes": [],
    });
    let user = read(ExportFormat::Keycloak, &record);
    let account = &user.account;
    assert_eq!(account.id.to_string(), "d0a1a1f4-3b1f-4f6c-9f0b-7d3b6b7b7f10");
    assert_eq!((account.username.as_str(), user.derived.is_none()), ("ada", true));
    assert_eq!(account.display_name.as_deref(), Some("Ada Lovelace"));
    assert_eq!((account.locale.as_deref(), account.roles.as_slice()), (Some("de"), &["editor".to_owned()][..]));
    assert_eq!(account.attributes.as_deref(), Some(r#"{"langs":["en","fr"],"team":"engines"}"#));
    assert!(account.password_hash.starts_with("$pbkdf2-sha512$"));
    assert_eq!(created(account), "2020-04-28T10:37:16.163Z");
    assert_eq!(left(&user), ["secondFactors", "groups", "clientRoles"]);
}

#[test]
fn a_service_account_of_keycloak_is_skipped_and_the_address_is_no_username() {
    let account = json!({ "id": "d0a1a1f4-3b1f-4f6c-9f0b-7d3b6b7b7f10", "username": "service-account-app", "serviceAccountClientId": "app" });
    assert_eq!(skipped(ExportFormat::Keycloak, &account), Some(LeftBehind::SERVICE_ACCOUNT));
    let user = read(ExportFormat::Keycloak, &json!({ "username": ADA, "email": "Ada@example.org", "enabled": false }));
    assert_eq!((user.account.username.as_str(), user.derived.is_some()), ("Ada", true));
    assert_eq!(user.account.status, UserStatus::Disabled);
    let expected = [("#/credentials/0", "not-a-hash"), ("#/realmRoles", "not-allowed")];
    let record =
        json!({ "username": "ada", "email": ADA, "realmRoles": ["admin"], "credentials": [{ "type": "password" }] });
    assert_eq!(errors(ExportFormat::Keycloak, &record), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
}

#[test]
fn a_row_of_supabase_is_read_from_json_and_from_csv() {
    let id = "018f2f3e-7c4b-4f5a-8d3e-000000000001";
    let user_data = json!({ "sub": id, "email": ADA, "email_verified": true, "full_name": "Ada Lovelace", "name": "Ada Lovelace", "avatar_url": "https://example.org/a.png", "team": 7 });
    let app_data = json!({ "provider": "email", "providers": ["email", "github"], "plan": "pro" });
    let record = json!({
        "instance_id": "00000000-0000-0000-0000-000000000000", "id": id, "aud": "authenticated", "role": "authenticated", "email": ADA,
        "encrypted_password": BCRYPT, "email_confirmed_at": "2023-04-05T06:07:08.123456+00:00", "last_sign_in_at": null,
        "raw_app_meta_data": app_data, "raw_user_meta_data": user_data, "created_at": "2023-04-05T06:07:08.1+00:00",
        "phone": null, "banned_until": "2099-01-01T00:00:00+00:00", "is_sso_user": false, "deleted_at": null, "is_anonymous": false,
    });
    let csv = format!(
        "id,email,encrypted_password,email_confirmed_at,last_sign_in_at,raw_app_meta_data,raw_user_meta_data,created_at,phone,banned_until,is_sso_user,deleted_at,is_anonymous\n\
         {id},{ADA},{BCRYPT},2023-04-05 06:07:08.123456+00,,\"{}\",\"{}\",2023-04-05 08:07:08.1+02,,2099-01-01 00:00:00+00,f,,f\n",
        app_data.to_string().replace('"', "\"\""),
        user_data.to_string().replace('"', "\"\""),
    );
    let mut records = open(&ExportFormat::Supabase, csv.as_bytes()).unwrap();
    let from_csv = records.peek().unwrap().unwrap().content.clone();
    for content in [Content::Json(record.to_string().into_bytes()), from_csv] {
        let user = read_with(&reader(ExportFormat::Supabase), content).unwrap_or_else(|errors| panic!("{errors:?}"));
        let account = &user.account;
        assert_eq!(account.id.to_string(), id);
        assert_eq!((account.username.as_str(), account.password_hash.as_str()), ("ada", BCRYPT));
        assert!(account.email_verified && account.status == UserStatus::Disabled);
        assert_eq!(created(account), "2023-04-05T06:07:08.1Z");
        assert_eq!(account.display_name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(account.attributes.as_deref(), Some(r#"{"team":7}"#));
        assert_eq!(left(&user), ["socialIdentities", "avatars", "appMetadata"]);
    }
}

#[test]
fn deleted_and_anonymous_rows_of_supabase_are_skipped_and_an_expired_ban_is_none() {
    let row = |member: &str, value: Value| {
        let mut row = json!({ "id": "018f2f3e-7c4b-4f5a-8d3e-000000000001", "email": ADA, "encrypted_password": "" });
        row[member] = value;
        row
    };
    let supabase = || ExportFormat::Supabase;
    assert_eq!(
        skipped(supabase(), &row("deleted_at", json!("2023-04-05 06:07:08+00"))),
        Some(LeftBehind::DELETED_USER)
    );
    assert_eq!(skipped(supabase(), &row("is_anonymous", json!(true))), Some(LeftBehind::ANONYMOUS_USER));
    let user = read(supabase(), &row("banned_until", json!("2023-04-05 06:07:08+00")));
    assert_eq!((user.account.status, user.access), (UserStatus::Active, Access::None));
    assert_eq!(read(supabase(), &row("banned_until", json!("infinity"))).account.status, UserStatus::Disabled);
    let without_offset = [("#/created_at".to_owned(), "no-offset")];
    assert_eq!(errors(supabase(), &row("created_at", json!("2023-04-05 06:07:08"))), without_offset);
}

#[test]
fn a_user_of_wordpress_is_read_from_json_and_from_csv() {
    let record = json!({
        "ID": 7, "user_login": "ada", "user_pass": BCRYPT, "display_name": "Ada L.", "user_email": ADA,
        "user_url": "https://example.org", "user_registered": "2016-06-03 04:37:00", "roles": "editor,shop_manager",
    });
    let csv = format!(
        "ID,user_login,user_pass,display_name,user_email,user_url,user_registered,roles\n7,ada,{BCRYPT},\"Ada L.\",{ADA},https://example.org,\"2016-06-03 04:37:00\",\"editor,shop_manager\"\n"
    );
    let mut records = open(&ExportFormat::Wordpress, csv.as_bytes()).unwrap();
    let from_csv = records.peek().unwrap().unwrap().content.clone();
    for content in [Content::Json(record.to_string().into_bytes()), from_csv] {
        let user = read_with(&reader(ExportFormat::Wordpress), content).unwrap_or_else(|errors| panic!("{errors:?}"));
        let account = &user.account;
        assert_eq!((account.username.as_str(), account.email_verified), ("ada", false));
        assert_eq!(
            (account.display_name.as_deref(), created(account)),
            (Some("Ada L."), "2016-06-03T04:37:00Z".to_owned())
        );
        assert_eq!((account.roles.join(" "), left(&user)), ("editor shop_manager".to_owned(), vec!["websites"]));
    }
    let never = json!({ "user_login": "ada", "user_email": ADA, "user_pass": BCRYPT, "user_registered": "0000-00-00 00:00:00" });
    let user = read(ExportFormat::Wordpress, &never);
    assert_eq!(user.account.created_at.to_jiff(), reader(ExportFormat::Wordpress).started_at);
}

#[test]
fn a_csv_record_that_does_not_fit_its_header_is_refused() {
    let text = "user_login,user_email,user_pass\nada,ada@example.org\n";
    let mut records = open(&ExportFormat::Wordpress, text.as_bytes()).unwrap();
    let content = records.peek().unwrap().unwrap().content.clone();
    let errors = read_with(&reader(ExportFormat::Wordpress), content).err().unwrap();
    assert_eq!(errors[0].detail, "The record has 2 fields, and the header has 3.");
    let errors = read_with(&reader(ExportFormat::Wordpress), Content::MisplacedQuote).err().unwrap();
    assert_eq!((errors[0].code, errors[0].pointer.as_str()), ("malformed-line", "#"));
}

#[test]
fn only_the_metadata_of_the_application_sets_what_only_administrators_write() {
    let schema = r#"{"properties":{"plan":{"type":"string","x-admin-only":true},"colour":{"type":"string"}},"additionalProperties":false}"#;
    let rules = AttributeRules::parse(schema).unwrap();
    let reader = AccountReader { attributes: std::sync::Arc::new(rules), ..reader(ExportFormat::Auth0(None)) };
    let with = |users: Value, applications: Value| {
        let record = json!({ "user_id": "a", "email": ADA, "user_metadata": users, "app_metadata": applications });
        read_with(&reader, Content::Json(record.to_string().into_bytes()))
    };
    let user =
        with(json!({ "plan": "pro", "colour": "red" }), json!({ "internal": 1 })).unwrap_or_else(|it| panic!("{it:?}"));
    assert_eq!(user.account.attributes.as_deref(), Some(r#"{"colour":"red"}"#));
    assert_eq!(left(&user), ["appMetadata", "adminOnlyMetadata"]);
    let user = with(json!({}), json!({ "plan": "pro" })).unwrap_or_else(|it| panic!("{it:?}"));
    assert_eq!(user.account.attributes.as_deref(), Some(r#"{"plan":"pro"}"#));
    let errors = with(json!({ "colour": 1, "x": 1 }), json!({ "plan": 1 })).err().unwrap();
    let mut pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["#/app_metadata/plan", "#/user_metadata/colour", "#/user_metadata/x"]);
}

#[test]
fn the_operator_may_choose_the_member_with_the_username() {
    let with = |format: ExportFormat, path: &str, record: &Value| {
        let mut reader = reader(format);
        reader.import.username = Some(MemberPath::parse(path));
        read_with(&reader, Content::Json(record.to_string().into_bytes()))
    };
    let record = json!({ "user_id": "a", "email": ADA, "nickname": "countess", "user_metadata": { "a/b": ["first", "second"] } });
    for (path, name) in [
        ("nickname", "countess"),
        ("/user_metadata/a~1b/1", "second"),
        ("/user_metadata/none", "ada"),
        ("missing", "ada"),
    ] {
        let user = with(ExportFormat::Auth0(None), path, &record).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!((user.account.username.as_str(), user.derived.is_some()), (name, name == "ada"), "{path}");
    }
    let errors = with(ExportFormat::Auth0(None), "/user_metadata/a~1b", &record).err().unwrap();
    assert_eq!((errors[0].pointer.as_str(), errors[0].code), ("#/user_metadata/a~1b", "wrong-type"));
    let csv = "id,email,encrypted_password,raw_user_meta_data\n018f2f3e-7c4b-4f5a-8d3e-000000000001,ada@example.org,,\"{\"\"user_name\"\":\"\"countess\"\"}\"\n";
    let mut records = open(&ExportFormat::Supabase, csv.as_bytes()).unwrap();
    let content = records.peek().unwrap().unwrap().content.clone();
    let mut reader = reader(ExportFormat::Supabase);
    reader.import.username = Some(MemberPath::parse("/raw_user_meta_data/user_name"));
    let user = read_with(&reader, content).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(user.account.username, "countess");
    // A line of our own format may have one more member, and does not need `username`.
    let own = json!({ "email": ADA, "nick": "countess" });
    let user = with(ExportFormat::Ndjson, "nick", &own).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!((user.account.username.as_str(), user.derived.is_some()), ("countess", false));
    let errors = with(ExportFormat::Ndjson, "email", &own).err().unwrap();
    assert_eq!((errors[0].pointer.as_str(), errors[0].code), ("#/nick", "unknown"));
    // The address is no name of its own.
    let user =
        with(ExportFormat::Ndjson, "email", &json!({ "email": ADA })).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!((user.account.username.as_str(), user.derived.is_some()), ("ada", true));
}

#[test]
fn the_export_of_another_system_is_refused_at_once() {
    let firebase_json = br#"{"users": [{"localId": "a", "email": "ada@example.org"}]}"#.as_slice();
    let keycloak_json = br#"{"realm": "acme", "users": [{"id": "1", "username": "ada", "enabled": true}]}"#;
    let ours = b"{\"username\":\"ada\",\"email\":\"ada@example.org\"}\n";
    for (format, text, reason) in [
        (
            firebase(),
            b"id,email\n1,ada@example.org\n".as_slice(),
            "the file is not an export of Firebase: it is neither JSON nor a CSV file with the columns of Firebase",
        ),
        (
            firebase(),
            keycloak_json,
            "the file is not an export of Firebase: its first record has no member `localId`; try --format keycloak",
        ),
        (firebase(), ours, "the file is not an export of Firebase: the document has no array `users`"),
        (firebase(), b"[]", "the file is not an export of Firebase: a JSON export is an object with the array `users`"),
        (
            ExportFormat::Keycloak,
            firebase_json,
            "the file is not an export of Keycloak: its first record has no member `username`; try --format firebase",
        ),
        (
            ExportFormat::Keycloak,
            b"[{}]",
            "the file is not an export of Keycloak: it has several realms; export one with --realm",
        ),
        (ExportFormat::Keycloak, b"username\n", "the file is not an export of Keycloak: it does not begin with {"),
        (
            ExportFormat::Auth0(None),
            ours,
            "the file is not an export of Auth0: its first record has no member `user_id` or `_id`",
        ),
        (
            ExportFormat::Auth0(None),
            b"'user_id'\n",
            "the file is not an export of Auth0: it has no JSON object on its first line; choose the format json for the export",
        ),
        (
            ExportFormat::Auth0(None),
            b"\x1f\x8b\x08",
            "the file is not an export of Auth0: it is compressed with gzip; unpack it first",
        ),
        (
            ExportFormat::Supabase,
            b"id,email\n",
            "the file is not an export of Supabase: its header has no column `encrypted_password`",
        ),
        (
            ExportFormat::Supabase,
            b"user_login,user_email,user_pass\n",
            "the file is not an export of Supabase: its header has no column `id`; try --format wordpress",
        ),
        (
            ExportFormat::Wordpress,
            b"ID,user_login,user_email\n1,a,b\n",
            "the file is not an export of WordPress: its header has no column `user_pass`",
        ),
        (
            ExportFormat::Wordpress,
            b"user_login,user_login\n",
            "the file is not an export of WordPress: column 2 of its header has the name of an earlier one",
        ),
        (
            ExportFormat::Wordpress,
            b"[1]",
            "the file is not an export of WordPress: its first record is not a JSON object",
        ),
        (ExportFormat::Wordpress, b" \n", "the file is not an export of WordPress: it is empty"),
        (
            ExportFormat::Wordpress,
            b"\xff\xfeI\x00D\x00",
            "the file is not an export of WordPress: it is in UTF-16; convert it to UTF-8",
        ),
    ] {
        assert_eq!(open(&format, text).err().as_deref(), Some(reason), "{}", String::from_utf8_lossy(text));
    }
    for (format, text) in
        [(firebase(), br#"{"users": []}"#.as_slice()), (ExportFormat::Wordpress, b"[]"), (ExportFormat::Ndjson, b"")]
    {
        assert!(open(&format, text).is_ok(), "{}", format.name());
    }
}

#[test]
fn an_import_is_one_of_a_file_in_a_format() {
    let id = |format: &ExportFormat, username: Option<&str>| {
        format.import_id("0".repeat(32), username.map(MemberPath::parse).as_ref())
    };
    assert_eq!(id(&ExportFormat::Ndjson, None), "0".repeat(32));
    let mut ids = vec![id(&ExportFormat::Ndjson, None), id(&ExportFormat::Ndjson, Some("nick"))];
    ids.extend([ExportFormat::Keycloak, ExportFormat::Supabase].map(|format| id(&format, None)));
    ids.extend(["a", "/a/b", "/a~1b"].map(|path| id(&ExportFormat::Keycloak, Some(path))));
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7);
}
