//! From an account to its state in the topic of states.

use events::{UserState, UserStatus};
use serde_json::Value;

use crate::domain::{self, AttributeRules, User};

/// Returns the state of a user as other services may see it. Of the attributes it has only the public ones.
#[must_use]
pub fn user_state(user: &User, rules: &AttributeRules) -> UserState {
    UserState {
        id: user.id,
        version: user.version.unsigned_abs(),
        username: user.username.clone(),
        email: user.email.clone(),
        email_verified: user.email_verified,
        display_name: user.display_name.clone(),
        locale: user.locale.clone(),
        timezone: user.timezone.clone(),
        roles: user.roles.clone(),
        status: match user.status {
            domain::UserStatus::Active => UserStatus::Active,
            domain::UserStatus::Disabled => UserStatus::Disabled,
        },
        attributes: user.attributes.as_ref().and_then(Value::as_object).and_then(|all| rules.public_members(all)),
        created_at: user.created_at,
        updated_at: user.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn user() -> User {
        User {
            id: Uuid::from_u128(7),
            version: 42,
            username: "Ada".into(),
            email: "Ada@example.org".into(),
            email_verified: true,
            display_name: Some("Ada Lovelace".into()),
            locale: Some("en-GB".into()),
            timezone: Some("Europe/London".into()),
            attributes: Some(json!({ "team": "engines", "salary": 1 })),
            roles: vec!["admin".into()],
            status: domain::UserStatus::Disabled,
            invited: false,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::from_second(60).unwrap(),
            last_login_at: Some(Timestamp::from_second(90).unwrap()),
        }
    }

    #[test]
    fn a_state_has_every_member_that_other_services_may_see() {
        let rules = AttributeRules::parse(r#"{"properties": {"team": {"x-public": true}}}"#).unwrap();
        let state: Value = serde_json::from_str(&user_state(&user(), &rules).to_json()).unwrap();
        let expected = json!({
            "id": "00000000-0000-0000-0000-000000000007",
            "version": 42,
            "username": "Ada",
            "email": "Ada@example.org",
            "emailVerified": true,
            "displayName": "Ada Lovelace",
            "locale": "en-GB",
            "timezone": "Europe/London",
            "roles": ["admin"],
            "status": "disabled",
            "attributes": { "team": "engines" },
            "createdAt": "1970-01-01T00:00:00Z",
            "updatedAt": "1970-01-01T00:01:00Z",
        });
        assert_eq!(state, expected);
    }

    #[test]
    fn a_state_has_no_attributes_if_none_is_public() {
        let user = User { status: domain::UserStatus::Active, ..user() };
        let state = user_state(&user, &AttributeRules::default());
        assert_eq!((state.attributes, state.status), (None, UserStatus::Active));
        let state = user_state(&User { attributes: None, ..user }, &AttributeRules::default());
        assert_eq!(state.attributes, None);
    }
}
