//! Auth0: the bulk export of users, and the export of password hashes.

use serde_json::Value;

use super::{Auth0Hashes, LeftBehind, export::Export};

/// The provider of users with passwords.
const DATABASE: &str = "auth0";

pub(super) fn translate(export: &mut Export<'_>, hashes: Option<&Auth0Hashes>) {
    identifiers(export);
    export.rename("/email", "email");
    if let Some(verified) = export.take_flag("/email_verified") {
        export.members.insert("emailVerified", "/email_verified", verified.into());
    }
    export.use_as_username("/username");
    export.rename("/passwordHash", "passwordHash");
    let user_id = export.take_text("/user_id");
    if let (Some(hashes), Some(user_id), None) = (hashes, user_id, export.members.get("passwordHash")) {
        match hashes.find(&user_id) {
            Ok(Some(hash)) => export.members.insert("passwordHash", "/passwordHash", hash.into()),
            Ok(None) => {}
            Err(_) => export.refuse("/user_id", "hash-file", "The file with the hashes cannot be read at this user."),
        }
    }
    export.use_as_display_name("/name");
    export.rename_time("/created_at", "createdAt");
    export.rename_time("/last_login", "lastLoginAt");
    if export.take_flag("/blocked") == Some(true) {
        export.members.insert("status", "/blocked", "disabled".into());
    }
    let users = export.take_object("/user_metadata");
    let applications = export.take_object("/app_metadata");
    export.use_as_attributes(("/user_metadata", users), ("/app_metadata", applications));
    identities(export);
    export.leave("/multifactor", LeftBehind::SECOND_FACTOR);
    export.leave("/phone_number", LeftBehind::PHONE_NUMBER);
    if let Some(Value::String(picture)) = export.take("/picture")
        // Auth0 makes up a picture for every user.
        && !picture.contains("gravatar.com/") && !picture.contains("cdn.auth0.com/")
    {
        export.left |= LeftBehind::AVATAR;
    }
}

/// Uses the identifiers of the export of hashes where the record itself has none.
fn identifiers(export: &mut Export<'_>) {
    let Some(Value::Array(identifiers)) = export.take("/identifiers") else { return };
    for identifier in identifiers {
        let Some(value) = identifier["value"].as_str() else { continue };
        let set = |export: &mut Export<'_>, name: &str, value: Value| {
            if export.record.get(name).is_none_or(Value::is_null) {
                export.record.insert(name.to_owned(), value);
            }
        };
        match identifier["type"].as_str() {
            Some("email") => {
                // The flag belongs to this address.
                if export.record.get("email").is_none_or(Value::is_null) {
                    let verified = identifier["verified"].as_bool().unwrap_or(false);
                    export.record.insert("email_verified".to_owned(), verified.into());
                }
                set(export, "email", value.into());
            }
            Some("username") => set(export, "username", value.into()),
            Some("phone_number") => set(export, "phone_number", value.into()),
            _ => {}
        }
    }
}

fn identities(export: &mut Export<'_>) {
    let Some(Value::Array(identities)) = export.take("/identities") else { return };
    if identities.iter().any(|identity| identity["provider"].as_str().is_some_and(|provider| provider != DATABASE)) {
        export.left |= LeftBehind::SOCIAL_IDENTITY;
    }
}
