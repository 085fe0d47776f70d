//! The configured claims of access tokens: which members of the profile and which attributes a token also has.
//!
//! The services that read a claim trust it. A claim that grants something, or that says who a user is, therefore comes
//! from nothing that users write themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    attribute_rules::{AttributeRules, Writer},
    user::User,
};

/// Maximum number of configured claims.
const MAX_CLAIMS: usize = 16;
/// Maximum length of a name in bytes.
const MAX_NAME_BYTES: usize = 64;
/// Maximum length of one value as compact JSON. An email address always fits.
const MAX_VALUE_BYTES: usize = 256;
/// Maximum length of all configured claims of a token as compact JSON, with their names. A token of this service has less
/// than 3 KiB without them, and at most 4 KiB with them.
const MAX_TOTAL_BYTES: usize = 768;

/// Claims about the token, its use or its holder, which this service or a verifier interprets. Most of them are in the
/// registry of RFC 7519; `epoch` is ours, and `scp` is the name that some servers use for `scope`.
const RESERVED: &[&str] = &[
    "_claim_names",
    "_claim_sources",
    "_sd",
    "_sd_alg",
    "acr",
    "act",
    "amr",
    "at_hash",
    "ath",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "epoch",
    "events",
    "exp",
    "htm",
    "htu",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "roles",
    "s_hash",
    "scope",
    "scp",
    "sid",
    "status",
    "sub",
    "sub_id",
    "sub_jwk",
    "toe",
    "token_introspection",
    "ttl",
    "txn",
    "typ",
    "verified_claims",
    "vot",
    "vtm",
];

/// Claims that grant something, by RFC 9068 (section 2.2.3.1) or by custom. `realm_access` and `resource_access` are those
/// of Keycloak, which many applications read.
const GRANTING: &[&str] = &[
    "authorities",
    "entitlements",
    "group",
    "groups",
    "permission",
    "permissions",
    "privileges",
    "realm_access",
    "resource_access",
    "role",
];

/// Claims by which applications recognise a person, with the only member of the profile that they may come from. .NET
/// reads `nameid` as `sub`, and `unique_name` as the name of the user.
const IDENTIFYING: &[(&str, Option<Source>)] = &[
    ("email", Some(Source::Email)),
    ("email_verified", Some(Source::EmailVerified)),
    ("nameid", None),
    ("phone_number_verified", None),
    ("preferred_username", Some(Source::Username)),
    ("unique_name", Some(Source::Username)),
];

/// Where the value of a claim comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Email,
    EmailVerified,
    Username,
    DisplayName,
    Locale,
    Timezone,
    /// The names of nested members.
    Attribute(Vec<String>),
}

/// The members of the profile by their names in the configuration.
const PROFILE: &[(&str, Source)] = &[
    ("email", Source::Email),
    ("email_verified", Source::EmailVerified),
    ("username", Source::Username),
    ("display_name", Source::DisplayName),
    ("locale", Source::Locale),
    ("timezone", Source::Timezone),
];

/// The reason why a configured claim is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaim {
    #[error("there are more than {MAX_CLAIMS} claims")]
    TooMany,
    #[error("`{0}`: a name has at most {MAX_NAME_BYTES} visible ASCII characters")]
    Name(String),
    #[error("`{0}` already says something about the token")]
    Reserved(String),
    #[error(
        "`{0}`: `{1}` is none of email, email_verified, username, display_name, locale, timezone and attributes.NAME"
    )]
    Source(String, String),
    #[error("`{0}`: the schema of the attributes does not allow `{1}`")]
    UnknownAttribute(String, String),
    #[error(
        "`{0}` grants something, so it must come from an attribute that the schema marks with \"x-admin-only\": true"
    )]
    Granting(String),
    #[error(
        "`{0}` says who a user is, so it must come from the member of the profile with this meaning, or from an attribute \
         that the schema marks with \"x-admin-only\": true"
    )]
    Identifying(String),
    #[error("`{0}` and `{1}` differ only in letter case, which some libraries ignore")]
    SameName(String, String),
}

/// The configured claims, by name.
#[derive(Debug, Clone, Default)]
pub struct TokenClaims {
    /// Those that no user writes come first.
    claims: Vec<(String, Source)>,
    user_written: Vec<String>,
}

impl TokenClaims {
    /// Parses the table `auth.claims`: the name of each claim with its source, for example `tenant` with
    /// `attributes.tenant`.
    ///
    /// # Errors
    /// Returns [`InvalidClaim`] for the first claim that must not be in a token.
    pub fn parse(table: &BTreeMap<String, String>, rules: &AttributeRules) -> Result<Self, InvalidClaim> {
        if table.len() > MAX_CLAIMS {
            return Err(InvalidClaim::TooMany);
        }
        let (mut claims, mut user_written) = (Vec::new(), Vec::new());
        for (name, source) in table {
            if let Some(other) = table.keys().find(|other| *other != name && other.eq_ignore_ascii_case(name)) {
                return Err(InvalidClaim::SameName(name.clone(), other.clone()));
            }
            let (source, writer) = parse_claim(name, source, rules)?;
            let of_writer = if writer == Writer::User { &mut user_written } else { &mut claims };
            of_writer.push((name.clone(), source));
        }
        let names = user_written.iter().map(|(name, _)| name.clone()).collect();
        // A service may rely on a claim of the others, so what a user writes never takes its room.
        claims.extend(user_written);
        Ok(Self { claims, user_written: names })
    }

    /// Returns the names of the claims that users write themselves, so that nothing may be granted because of them.
    #[must_use]
    pub fn user_written(&self) -> &[String] {
        &self.user_written
    }

    /// Returns the claims of a token of this user. A value that is missing or too long is left out. So are the claims for
    /// which there is no room: those that no user writes come first, and otherwise the order of the names decides.
    #[must_use]
    pub fn of(&self, user: &User) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut room = MAX_TOTAL_BYTES;
        for (name, source) in &self.claims {
            let Some(value) = source.value(user) else { continue };
            let length = value.to_string().len();
            // The quotes of the name, the colon and the comma.
            let needed = length + name.len() + 4;
            if length <= MAX_VALUE_BYTES && needed <= room {
                room -= needed;
                claims.insert(name.clone(), value);
            }
        }
        claims
    }
}

fn parse_claim(name: &str, source: &str, rules: &AttributeRules) -> Result<(Source, Writer), InvalidClaim> {
    let owned = || name.to_owned();
    let is_plain = |it: u8| it.is_ascii_graphic() && !matches!(it, b'"' | b'\\');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_plain) {
        return Err(InvalidClaim::Name(owned()));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&&*lower) {
        return Err(InvalidClaim::Reserved(owned()));
    }
    let (parsed, writer) = match (Source::of_profile(source), source.strip_prefix("attributes.")) {
        // This service decides; no user writes it.
        (Some(Source::EmailVerified), _) => (Source::EmailVerified, Writer::Admin),
        (Some(profile), _) => (profile, Writer::User),
        (None, Some(path)) if path.split('.').all(|part| !part.is_empty()) => {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            let writer = rules.writer_of(&path);
            let writer = writer.ok_or_else(|| InvalidClaim::UnknownAttribute(owned(), source.to_owned()))?;
            (Source::Attribute(path), writer)
        }
        _ => return Err(InvalidClaim::Source(owned(), source.to_owned())),
    };
    let is_admin_only = writer == Writer::Admin && matches!(parsed, Source::Attribute(_));
    if GRANTING.contains(&&*lower) && !is_admin_only {
        return Err(InvalidClaim::Granting(owned()));
    }
    let identifying = IDENTIFYING.iter().find(|(identifying, _)| *identifying == lower);
    if let Some((_, only)) = identifying
        && only.as_ref() != Some(&parsed)
        && !is_admin_only
    {
        return Err(InvalidClaim::Identifying(owned()));
    }
    Ok((parsed, writer))
}

impl Source {
    fn of_profile(name: &str) -> Option<Self> {
        PROFILE.iter().find(|(member, _)| *member == name).map(|(_, source)| source.clone())
    }

    fn value(&self, user: &User) -> Option<Value> {
        match self {
            Self::Email => Some(user.email.clone().into()),
            Self::EmailVerified => Some(user.email_verified.into()),
            Self::Username => Some(user.username.clone().into()),
            Self::DisplayName => user.display_name.clone().map(Value::from),
            Self::Locale => user.locale.clone().map(Value::from),
            Self::Timezone => user.timezone.clone().map(Value::from),
            Self::Attribute(path) => {
                let attributes = user.attributes.as_ref()?;
                path.iter().try_fold(attributes, |value, name| value.get(name)).filter(|it| !it.is_null()).cloned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::UserStatus;

    fn rules() -> AttributeRules {
        let schema = json!({
            "properties": {
                "tenant": { "type": "string", "x-admin-only": true },
                "team": { "type": "string" },
                "org": { "properties": { "groups": { "x-admin-only": true } }, "additionalProperties": false },
            },
            "additionalProperties": false,
        });
        AttributeRules::parse(&schema.to_string()).unwrap()
    }

    fn parse(claims: &[(&str, &str)], rules: &AttributeRules) -> Result<TokenClaims, InvalidClaim> {
        let table = claims.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
        TokenClaims::parse(&table, rules)
    }

    fn user(attributes: Value) -> User {
        User {
            id: Uuid::from_u128(1),
            version: 1,
            username: "ada".into(),
            email: "ada@example.org".into(),
            email_verified: true,
            display_name: None,
            locale: Some("fr-CA".into()),
            timezone: None,
            attributes: Some(attributes),
            roles: Vec::new(),
            status: UserStatus::Active,
            invited: false,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            last_login_at: None,
        }
    }

    #[test]
    fn a_token_has_the_configured_claims_that_the_account_has() {
        let claims = [
            ("email", "email"),
            ("email_verified", "email_verified"),
            ("preferred_username", "username"),
            ("name", "display_name"),
            ("locale", "locale"),
            ("zoneinfo", "timezone"),
            ("tenant", "attributes.tenant"),
            ("https://example.org/groups", "attributes.org.groups"),
            ("team", "attributes.team"),
        ];
        let parsed = parse(&claims, &rules()).unwrap();
        let found = parsed.of(&user(json!({ "tenant": "acme", "org": { "groups": ["a", "b"] }, "team": null })));
        let expected = json!({
            "email": "ada@example.org",
            "email_verified": true,
            "preferred_username": "ada",
            "locale": "fr-CA",
            "tenant": "acme",
            "https://example.org/groups": ["a", "b"],
        });
        assert_eq!(Value::Object(found), expected);
        assert_eq!(parsed.user_written(), ["email", "locale", "name", "preferred_username", "team", "zoneinfo"]);
        assert!(TokenClaims::default().of(&user(json!({}))).is_empty());
    }

    #[test]
    fn a_claim_about_the_token_is_refused_whatever_its_case() {
        for name in RESERVED {
            for name in [(*name).to_owned(), name.to_uppercase()] {
                let refused = parse(&[(&name, "username")], &rules()).unwrap_err();
                assert_eq!(refused, InvalidClaim::Reserved(name));
            }
        }
        for name in ["", "a b", "a\"b", "é", &"a".repeat(65)] {
            let refused = parse(&[(name, "username")], &rules()).unwrap_err();
            assert_eq!(refused, InvalidClaim::Name(name.to_owned()));
        }
    }

    #[test]
    fn a_source_that_does_not_exist_is_refused() {
        for source in ["", "id", "password_hash", "attributes", "attributes.", "attributes.a..b", "Email", "roles"] {
            let refused = parse(&[("x", source)], &rules()).unwrap_err();
            assert_eq!(refused, InvalidClaim::Source("x".into(), source.into()));
        }
        for source in ["attributes.nothing", "attributes.org.nothing"] {
            let refused = parse(&[("x", source)], &rules()).unwrap_err();
            assert_eq!(refused, InvalidClaim::UnknownAttribute("x".into(), source.into()));
        }
        assert!(parse(&[("x", "attributes.nothing")], &AttributeRules::default()).is_ok());
    }

    #[test]
    fn a_claim_that_grants_something_comes_only_from_what_administrators_write() {
        for name in GRANTING.iter().copied().chain(["Groups"]) {
            for source in ["username", "email", "attributes.team", "attributes.org"] {
                let refused = parse(&[(name, source)], &rules()).unwrap_err();
                assert_eq!(refused, InvalidClaim::Granting(name.to_owned()), "{source}");
            }
            // Without a schema, users write all attributes.
            assert!(parse(&[(name, "attributes.tenant")], &AttributeRules::default()).is_err());
            for source in ["attributes.tenant", "attributes.org.groups"] {
                assert!(parse(&[(name, source)], &rules()).is_ok(), "{name} {source}");
            }
        }
    }

    #[test]
    fn a_claim_that_says_who_a_user_is_is_not_what_the_user_says() {
        for (name, source) in [
            ("email", "username"),
            ("email", "attributes.team"),
            ("email_verified", "email"),
            ("email_verified", "attributes.team"),
            ("phone_number_verified", "attributes.team"),
            ("preferred_username", "display_name"),
            ("Preferred_Username", "attributes.team"),
            ("unique_name", "display_name"),
            ("nameid", "username"),
        ] {
            let refused = parse(&[(name, source)], &rules()).unwrap_err();
            assert_eq!(refused, InvalidClaim::Identifying(name.to_owned()), "{source}");
        }
        assert!(parse(&[("phone_number_verified", "attributes.tenant")], &rules()).is_ok());
    }

    #[test]
    fn claims_are_bounded_in_number_and_length() {
        let many = |count: usize| {
            let table = (0..count).map(|n| (format!("c{n:02}"), "attributes.long".to_owned())).collect();
            TokenClaims::parse(&table, &AttributeRules::default())
        };
        assert_eq!(many(MAX_CLAIMS + 1).unwrap_err(), InvalidClaim::TooMany);
        let value = |bytes: usize| user(json!({ "long": "x".repeat(bytes - 2) }));
        let parsed = many(1).unwrap();
        assert_eq!(parsed.of(&value(MAX_VALUE_BYTES)).len(), 1);
        assert_eq!(parsed.of(&value(MAX_VALUE_BYTES + 1)).len(), 0);
        let all = many(MAX_CLAIMS).unwrap().of(&value(MAX_VALUE_BYTES));
        assert_eq!(all.keys().collect::<Vec<_>>(), ["c00", "c01"]);
        assert!(Value::Object(all).to_string().len() <= MAX_TOTAL_BYTES);
    }

    /// A service may rely on a claim that restricts the user.
    #[test]
    fn no_value_that_a_user_writes_leaves_out_a_claim_that_only_administrators_write() {
        let schema = json!({ "properties": { "tenant": { "type": "string", "x-admin-only": true } } });
        let rules = AttributeRules::parse(&schema.to_string()).unwrap();
        let claims =
            [("a", "attributes.a"), ("b", "attributes.b"), ("c", "attributes.c"), ("tenant", "attributes.tenant")];
        let parsed = parse(&claims, &rules).unwrap();
        let long = "x".repeat(MAX_VALUE_BYTES - 2);
        // In the order of the names, these three values would leave no byte.
        let rest = "x".repeat(MAX_TOTAL_BYTES - 2 * (MAX_VALUE_BYTES + 5) - 7);
        let found = parsed.of(&user(json!({ "a": long, "b": long, "c": rest, "tenant": "acme" })));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b", "tenant"]);
        assert_eq!(parsed.user_written(), ["a", "b", "c"]);
    }

    /// Some libraries compare names without regard to letter case, and take the first.
    #[test]
    fn two_names_that_differ_only_in_letter_case_are_refused() {
        let refused = parse(&[("Tenant", "attributes.team"), ("tenant", "attributes.tenant")], &rules()).unwrap_err();
        assert_eq!(refused, InvalidClaim::SameName("Tenant".into(), "tenant".into()));
    }
}
