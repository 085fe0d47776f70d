//! Converts a record of an import to an account, by the rules that hold for every account.

use std::sync::Arc;

use bson::DateTime;
use events::UserImported;
use jiff::Timestamp;
use serde_json::Value;
use service_kit::Ids;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    Import,
    derived_username::DerivedUsername,
    formats::{ExportFormat, LeftBehind, Translated},
    json_members::{LineError, Members, Sources},
    records::Record,
    times,
};
use crate::{
    domain::{AttributeRules, DisplayName, Email, Invalid, Locale, Roles, Timezone, UserStatus, Username, Writer},
    hashing::{HashImporter, PasswordHash, UnusableHash},
    outbox::{Origin, event},
    store::{ImportedFrom, NewEvent, UserRecord},
    usecase::invitation::Invitations,
};

/// A record of the file.
pub(super) enum ReadRecord {
    User(Box<ReadUser>),
    /// The record becomes no account, for this reason.
    Skipped(LeftBehind),
}

/// A user as the record says, without events.
pub(super) struct ReadUser {
    pub(super) number: u64,
    pub(super) account: UserRecord,
    pub(super) username: Username,
    /// Set if the username was made from the address.
    pub(super) derived: Option<DerivedUsername>,
    pub(super) access: Access,
    pub(super) left: LeftBehind,
    pub(super) sources: Sources,
}

/// How an imported user gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Password,
    /// By the link of an invitation.
    Invitation,
    /// Not before a password reset.
    None,
}

impl ReadUser {
    /// Sets another username, of which the events do not know yet.
    pub(super) fn set_username(&mut self, username: Username) {
        self.account.username = username.as_str().to_owned();
        self.account.username_key = username.key().to_owned();
        self.account.username_keys = vec![username.key().to_owned()];
        self.username = username;
    }
}

/// Reads the records of one import.
pub(super) struct AccountReader {
    pub(super) hashes: HashImporter,
    pub(super) attributes: Arc<AttributeRules>,
    pub(super) ids: Ids,
    /// Needed if [`Import::invite`] is set.
    pub(super) invitations: Option<Invitations>,
    pub(super) import: Import,
    /// When the import began. It is the creation time of accounts whose line has none.
    pub(super) started_at: Timestamp,
}

impl AccountReader {
    /// Creates the reader of an import without administrators that began when [`Clock::manual`](service_kit::Clock)
    /// starts.
    #[cfg(test)]
    pub(super) fn for_test(welcome: bool) -> Self {
        let settings = crate::hashing::HashingSettings::for_test();
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        Self {
            hashes: HashImporter::new(&settings).expect("the settings are valid"),
            attributes: Arc::default(),
            ids: Ids::sequence(1),
            invitations: None,
            import: Import { welcome, ..Import::new(id, ExportFormat::Ndjson) },
            started_at: service_kit::Clock::manual().now(),
        }
    }

    /// Does what the import does with a record whose username is free.
    #[cfg(test)]
    pub(super) fn read_account(&self, record: &Record, now: Timestamp) -> Result<UserRecord, Vec<LineError>> {
        match self.read(record, now)? {
            ReadRecord::User(mut user) => {
                self.add_events(&mut user, now);
                Ok(user.account)
            }
            ReadRecord::Skipped(because) => panic!("the record is skipped: {because:?}"),
        }
    }

    /// Converts a record to an account that can be inserted once its username is final. The id is the same each time the
    /// file is read.
    ///
    /// # Errors
    /// Returns all errors of the record.
    pub(super) fn read(&self, record: &Record, now: Timestamp) -> Result<ReadRecord, Vec<LineError>> {
        let username = self.import.username.as_ref();
        let Translated { mut members, left, is_skipped } =
            self.import.format.translate(record, username, &self.attributes, now)?;
        if is_skipped {
            return Ok(ReadRecord::Skipped(left));
        }
        let id = members.parsed("id", parse_id);
        let derives = self.import.derives_usernames() && members.get("username").is_none();
        let username = match derives {
            true => None,
            false => members.required("username", Username::parse),
        };
        let email = members.required("email", Email::parse);
        let mut derived = email.as_ref().filter(|_| derives).map(DerivedUsername::new);
        let username = derived.as_mut().map(DerivedUsername::first).or(username);
        if derives {
            members.take("username");
        }
        let email_verified = members.flag("emailVerified").unwrap_or(false);
        let display_name = members.parsed("displayName", DisplayName::parse);
        let locale = members.parsed("locale", Locale::parse);
        let timezone = members.parsed("timezone", Timezone::parse);
        let attributes = self.attributes.validate_new(members.take("attributes"), Writer::Admin);
        let attributes = members.check_schema("attributes", attributes).flatten();
        let roles = self.roles(&mut members);
        let status = members.parsed("status", parse_status).unwrap_or(UserStatus::Active);
        let mut time = |name| {
            let value = members.take(name)?;
            members.check(name, times::parse_own(&value, now)).flatten()
        };
        let (created_at, last_login_at) = (time("createdAt").unwrap_or(self.started_at), time("lastLoginAt"));
        let (hash, access) = self.password_hash(&mut members, status);
        let (errors, sources) = members.into_errors();
        let (Some(username), Some(email), Some(hash), []) = (username, email, hash, errors.as_slice()) else {
            return Err(errors);
        };
        let id = id.unwrap_or_else(|| self.derived_id(record.number, created_at));
        let account = UserRecord {
            // The acceptance of an invitation proves control of the mailbox.
            email_verified: email_verified && access != Access::Invitation,
            display_name: display_name.map(|name| name.as_str().to_owned()),
            locale: locale.map(|locale| locale.as_str().to_owned()),
            timezone: timezone.map(|timezone| timezone.as_str().to_owned()),
            attributes: attributes.map(|attributes| attributes.to_json()),
            roles,
            status,
            imported: Some(ImportedFrom {
                import: self.import.id.clone(),
                line: i64::try_from(record.number).unwrap_or(i64::MAX),
                at: now.into(),
            }),
            created_at: created_at.into(),
            last_login_at: last_login_at.map(DateTime::from),
            ..UserRecord::new(id, &username, &email, &hash, now)
        };
        Ok(ReadRecord::User(Box::new(ReadUser {
            number: record.number,
            account,
            username,
            derived,
            access,
            left,
            sources,
        })))
    }

    /// Adds the events to an account whose username is final, and its invitation.
    pub(super) fn add_events(&self, user: &mut ReadUser, now: Timestamp) {
        let (account, operator) = (&mut user.account, Origin::operator());
        let shown = account.user();
        let (user_id, recipient) = (shown.id, shown.recipient());
        let welcome = self.import.welcome && user.access != Access::Invitation;
        let payload = UserImported { user_id, username: shown.username, welcome, recipient };
        let imported = event(&self.ids, now, &operator, payload);
        account.pending_events = vec![imported.to_pending_event(1)];
        if let (Access::Invitation, Some(invitations)) = (user.access, &self.invitations) {
            let (event, invitation) = invitations.invite(account, None, None, now, &operator);
            account.invitation = Some(invitation);
            // The relay of a running service publishes the event; this process has none.
            account.pending_events.push(NewEvent { replica: None, ..event }.to_pending_event(2));
            account.version = 2;
        }
    }

    /// Returns whether the account with this origin was imported from this line.
    pub(super) fn is_source_of(&self, line: u64, origin: &ImportedFrom) -> bool {
        origin.import == self.import.id && u64::try_from(origin.line) == Ok(line)
    }

    /// Returns a UUIDv7 of the creation time whose random part is a digest of the file and the line number. Without the
    /// file it cannot be guessed.
    pub(super) fn derived_id(&self, line: u64, created_at: Timestamp) -> Uuid {
        let digest = Sha256::new().chain_update(&self.import.id).chain_update(line.to_be_bytes()).finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(created_at.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Returns the hash, or a hash that no password matches, and how the user gets in.
    fn password_hash(&self, members: &mut Members, status: UserStatus) -> (Option<PasswordHash>, Access) {
        let without = match self.import.invite && status == UserStatus::Active {
            true => Access::Invitation,
            false => Access::None,
        };
        let (credential, salt) = (members.take("credential"), members.take("salt"));
        let (name, read) = match (members.take("passwordHash"), credential) {
            (None, None) => return (Some(self.hashes.unmatchable_hash()), without),
            (Some(_), Some(_)) => {
                members.add_error(
                    "credential",
                    "conflict",
                    "The line also has a passwordHash; only one of the two is allowed.",
                );
                return (None, without);
            }
            (Some(Value::String(text)), None) => match (&self.import.format, salt) {
                (ExportFormat::Firebase(Some(parameters)), Some(Value::String(salt))) => {
                    ("passwordHash", self.hashes.import_firebase(&text, &salt, parameters))
                }
                (ExportFormat::Firebase(None), _) => {
                    members.add_error("passwordHash", "no-parameters", "The option --firebase-hash-config is missing.");
                    return (None, without);
                }
                (ExportFormat::Firebase(_), _) => {
                    members.add_error("salt", "missing", "The member is missing.");
                    return (None, without);
                }
                _ => ("passwordHash", self.hashes.import(&text)),
            },
            (Some(_), None) => {
                let _: Option<()> = members.wrong_type("passwordHash", "a string");
                return (None, without);
            }
            (None, Some(credential)) => ("credential", self.hashes.import_keycloak(&credential)),
        };
        match read {
            Ok(hash) => (Some(hash), Access::Password),
            // No password can ever be verified against such a hash.
            Err(UnusableHash::UnknownAlgorithm | UnusableHash::Unsupported(_)) if without == Access::Invitation => {
                (Some(self.hashes.unmatchable_hash()), without)
            }
            Err(reason) => {
                members.add_error(name, reason.code(), reason_sentence(&reason));
                (None, without)
            }
        }
    }

    fn roles(&self, members: &mut Members) -> Vec<String> {
        let names = match members.take("roles") {
            None => return Vec::new(),
            Some(Value::Array(names)) => names,
            Some(_) => return members.wrong_type("roles", "a list of strings").unwrap_or_default(),
        };
        let Some(names) = names.iter().map(Value::as_str).collect::<Option<Vec<&str>>>() else {
            return members.wrong_type("roles", "a list of strings").unwrap_or_default();
        };
        match members.check("roles", Roles::parse(names)) {
            Some(roles) if roles.has_admin() && !self.import.admins => {
                members.add_error("roles", "not-allowed", "The role admin requires the option --admins.");
                Vec::new()
            }
            Some(roles) => roles.as_slice().to_vec(),
            None => Vec::new(),
        }
    }
}

fn reason_sentence(reason: &UnusableHash) -> String {
    let reason = reason.to_string();
    let mut letters = reason.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn parse_id(text: &str) -> Result<Uuid, Invalid> {
    let id = Uuid::try_parse(text).ok().filter(|id| !id.is_nil() && !id.is_max());
    id.ok_or_else(|| Invalid::new("not-a-uuid", "An id is a UUID."))
}

fn parse_status(text: &str) -> Result<UserStatus, Invalid> {
    let known = [UserStatus::Active, UserStatus::Disabled];
    let found = known.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| Invalid::new("unknown-status", "A status is active or disabled."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use service_kit::Clock;

    use super::{super::records::Content, *};

    fn reader() -> AccountReader {
        AccountReader::for_test(false)
    }

    fn record(number: u64, text: impl Into<Vec<u8>>) -> Record {
        Record { number, content: Content::Json(text.into()) }
    }

    fn read(line: &str) -> Result<UserRecord, Vec<LineError>> {
        reader().read_account(&record(7, line), Clock::manual().now())
    }

    fn errors(line: &Value) -> Vec<(String, &'static str)> {
        let found = read(&line.to_string()).err().unwrap_or_default();
        found.into_iter().map(|error| (error.pointer, error.code)).collect()
    }

    #[test]
    fn a_line_with_everything_becomes_an_account() {
        let id = "018f2f3e-7c4b-4f5a-8d3e-000000000001";
        let line = json!({
            "id": id, "username": "Ada", "email": "Ada@Example.org", "emailVerified": true,
            "displayName": "Ada Lovelace", "locale": "EN-gb", "timezone": "europe/london",
            "attributes": { "plan": "pro" }, "roles": ["writer"], "status": "disabled",
            "createdAt": "2020-02-29T12:00:00+01:00", "lastLoginAt": "2021-01-01T00:00:00Z",
            "passwordHash": "$2b$04$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y",
        });
        let user = read(&line.to_string()).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(Uuid::from(user.id).to_string(), id);
        assert_eq!((user.username.as_str(), user.username_key.as_str()), ("Ada", "ada"));
        assert_eq!(user.email_keys, ["ada@example.org"]);
        assert!(user.email_verified && user.status == UserStatus::Disabled);
        assert_eq!(user.locale.as_deref(), Some("en-GB"));
        assert_eq!(user.timezone.as_deref(), Some("Europe/London"));
        assert_eq!(user.attributes.as_deref(), Some(r#"{"plan":"pro"}"#));
        assert_eq!(user.roles, ["writer"]);
        assert_eq!(user.created_at.to_jiff().to_string(), "2020-02-29T11:00:00Z");
        assert!(user.password_hash.starts_with("$2b$04$"));
        assert_eq!(user.pending_events.len(), 1);
        let event = &user.pending_events[0];
        assert_eq!((event.event_type.as_str(), event.sequence), ("user.imported.v1", 1));
        assert_eq!(event.audit.actor, "operator");
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(data["welcome"], false);
        assert_eq!(data["recipient"]["email"], "Ada@Example.org");
        assert_eq!(data["recipient"]["displayName"], "Ada Lovelace");
    }

    #[test]
    fn times_are_read_in_the_forms_of_other_systems_and_one_that_can_mean_two_moments_is_refused() {
        let with =
            |created_at: Value| json!({ "username": "ada", "email": "ada@example.org", "createdAt": created_at });
        for time in [
            json!(1_583_243_049),
            json!(1_583_243_049_000_i64),
            json!("1583243049000"),
            json!("2020-03-03 13:44:09+00"),
            json!("2020-03-03T14:44:09+01:00"),
            json!("2020-03-03T13:44:09.000Z"),
        ] {
            let user = read(&with(time.clone()).to_string()).unwrap_or_else(|errors| panic!("{time}: {errors:?}"));
            assert_eq!(user.created_at.to_jiff().to_string(), "2020-03-03T13:44:09Z", "{time}");
        }
        for (time, code) in [
            (json!("2020-03-03 13:44:09"), "no-offset"),
            (json!("03/04/2020"), "not-a-time"),
            (json!(-1), "not-a-time"),
            (json!(1.5), "not-a-time"),
            (json!(true), "not-a-time"),
            (json!(9_999_999_999_999_i64), "in-the-future"),
        ] {
            assert_eq!(errors(&with(time.clone())), [("#/createdAt".to_owned(), code)], "{time}");
        }
    }

    #[test]
    fn the_event_of_an_unverified_address_names_no_recipient() {
        let user = read(r#"{"username":"ada","email":"ada@example.org","displayName":"You won"}"#).unwrap();
        let data: Value = serde_json::from_str(&user.pending_events[0].data).unwrap();
        assert!(data["recipient"].get("displayName").is_none_or(Value::is_null), "{data}");
    }

    #[test]
    fn an_account_without_a_hash_gets_a_hash_that_no_password_matches() {
        let user = read(r#"{"username":"ada","email":"ada@example.org","passwordHash":null}"#).unwrap();
        assert!(user.password_hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    }

    #[test]
    fn the_same_line_has_the_same_id_and_another_line_has_another_id() {
        let reader = reader();
        let id = reader.derived_id(7, reader.started_at);
        assert_eq!(id, reader.derived_id(7, reader.started_at));
        assert_ne!(id, reader.derived_id(8, reader.started_at));
        assert_eq!(id.get_version_num(), 7);
        let import = Import::new("f".repeat(32), ExportFormat::Ndjson);
        let other = AccountReader { import, ..self::reader() };
        assert_ne!(id, other.derived_id(7, other.started_at));
    }

    #[test]
    fn all_errors_of_a_line_are_reported_at_once() {
        let line = json!({
            "id": "7", "username": "a", "email": "ada", "emailVerified": "yes", "displayName": "", "locale": "english",
            "timezone": "Mars/Olympus", "attributes": [], "roles": ["admin"], "status": "gone",
            "createdAt": "yesterday", "lastLoginAt": "2999-01-01T00:00:00Z", "passwordHash": "hunter2", "password": "x",
        });
        let mut expected = [
            ("#/id", "not-a-uuid"),
            ("#/username", "too-short"),
            ("#/email", "not-an-address"),
            ("#/emailVerified", "wrong-type"),
            ("#/displayName", "too-short"),
            ("#/locale", "not-a-language-tag"),
            ("#/timezone", "not-a-time-zone"),
            ("#/attributes", "not-an-object"),
            ("#/roles", "not-allowed"),
            ("#/status", "unknown-status"),
            ("#/createdAt", "not-a-time"),
            ("#/lastLoginAt", "in-the-future"),
            ("#/passwordHash", "not-a-hash"),
            ("#/password", "unknown"),
        ]
        .map(|(pointer, code)| (pointer.to_owned(), code));
        let mut found = errors(&line);
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_that_is_no_object_is_refused_and_not_shown() {
        for line in ["{", "\"hunter2-hunter2\"", "[1]", "\u{feff}{}", "{\"username\":\"ada\"} {}"] {
            let found = read(line).err().unwrap_or_default();
            assert_eq!((found.len(), found[0].code, found[0].pointer.as_str()), (1, "malformed-line", "#"), "{line}");
            assert!(!found[0].detail.contains("hunter2"), "{}", found[0].detail);
        }
        let not_utf8 = reader().read_account(&record(1, b"{\"a\":\"\xff\"}"), Timestamp::MAX);
        assert_eq!(not_utf8.err().unwrap_or_default()[0].code, "malformed-line");
        let too_long = reader().read_account(&Record { number: 1, content: Content::TooLong }, Timestamp::MAX);
        assert_eq!(too_long.err().unwrap_or_default()[0].code, "too-long");
    }

    #[test]
    fn missing_and_repeated_members_are_named() {
        assert_eq!(errors(&json!({})), [("#/username".into(), "missing"), ("#/email".into(), "missing")]);
        let twice = r#"{"username":"ada","email":"ada@example.org","email":"eve@example.org"}"#;
        assert_eq!(read(twice).err().unwrap_or_default()[0].code, "repeated");
        let both = json!({ "username": "ada", "email": "ada@example.org", "passwordHash": "x", "credential": {} });
        assert_eq!(errors(&both), [("#/credential".into(), "conflict")]);
    }

    #[test]
    fn a_line_is_read_like_a_request_body() {
        let with = |attributes: &str| {
            read(&format!(r#"{{"username":" ada ","email":"ada@example.org","attributes":{attributes}}}"#))
        };
        let user = with(r#"{"a":1.0,"b":18446744073709551615,"c":0.1}"#).unwrap_or_else(|it| panic!("{it:?}"));
        assert_eq!(user.username, "ada");
        assert_eq!(user.attributes.as_deref(), Some(r#"{"a":1,"b":18446744073709551615,"c":0.1}"#));
        for (attributes, pointer, code) in [
            (r#"{"a":[18446744073709551616]}"#, "#/attributes/a/0", "out-of-range"),
            (r#"{"a":-9223372036854775809}"#, "#/attributes/a", "out-of-range"),
            (r#"{"a":{"b":1,"b":2}}"#, "#", "malformed-line"),
            (r#"{"a":1e400}"#, "#/attributes/a", "out-of-range"),
        ] {
            let found = with(attributes).err().unwrap_or_default();
            let found: Vec<_> = found.iter().map(|error| (error.pointer.as_str(), error.code)).collect();
            assert_eq!(found, [(pointer, code)], "{attributes}");
        }
    }

    #[test]
    fn attributes_are_checked_against_the_configured_schema() {
        let schema = r#"{"properties":{"plan":{"enum":["free","pro"]},"a/b":{"type":"integer"}},"required":["plan"]}"#;
        let reader = AccountReader { attributes: Arc::new(AttributeRules::parse(schema).unwrap()), ..reader() };
        let codes = |attributes: Value| {
            let line = json!({ "username": "ada", "email": "ada@example.org", "attributes": attributes }).to_string();
            let found = reader.read_account(&record(1, line), Timestamp::MAX);
            let found = found.err().unwrap_or_default().into_iter();
            found.map(|error| (error.pointer, error.code)).collect::<Vec<_>>()
        };
        assert_eq!(codes(json!({ "plan": "pro", "a/b": 1 })), []);
        assert_eq!(codes(Value::Null), [("#/attributes/plan".to_owned(), "missing")]);
        assert_eq!(codes(json!({ "plan": "pro", "a/b": "x" })), [("#/attributes/a~1b".to_owned(), "wrong-type")]);
    }

    #[test]
    fn a_line_with_a_hash_that_is_too_expensive_is_refused() {
        let with = |hash: &str| errors(&json!({ "username": "ada", "email": "ada@example.org", "passwordHash": hash }));
        let refused = |code| [("#/passwordHash".to_owned(), code)];
        assert_eq!(with("$2b$12$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y"), refused("beyond-bounds"));
        assert_eq!(with("md5$salt$80fef0aa4805d23838480e040ce0f027"), refused("unsupported-hash"));
    }
}
