//! Supabase: rows of `auth.users`, as CSV or as JSON.

use serde_json::{Map, Value};

use super::{
    LeftBehind,
    export::{Export, is_address, is_blank},
};
use crate::usecase::import::times;

/// What the server itself writes into the metadata of a user.
const OF_PROVIDERS: [&str; 7] =
    ["iss", "sub", "email", "email_verified", "phone_verified", "provider_id", "custom_claims"];
/// Where applications and providers keep the name of a person.
const NAMES: [(&str, &str); 3] = [
    ("display_name", "/raw_user_meta_data/display_name"),
    ("full_name", "/raw_user_meta_data/full_name"),
    ("name", "/raw_user_meta_data/name"),
];

pub(super) fn translate(export: &mut Export<'_>) {
    if export.take("/deleted_at").is_some() {
        return export.skip(LeftBehind::DELETED_USER);
    }
    if export.take_flag("/is_anonymous") == Some(true) {
        return export.skip(LeftBehind::ANONYMOUS_USER);
    }
    export.rename("/id", "id");
    export.rename("/email", "email");
    let confirmed_at = export.take("/email_confirmed_at");
    let confirmed = confirmed_at.map_or(Ok(None), |time| times::parse(&time, export.now));
    match confirmed {
        Ok(time) => export.members.insert("emailVerified", "/email_confirmed_at", time.is_some().into()),
        Err(invalid) => export.refuse("/email_confirmed_at", invalid.code, invalid.detail),
    }
    export.rename("/encrypted_password", "passwordHash");
    export.rename_time("/created_at", "createdAt");
    export.rename_time("/last_sign_in_at", "lastLoginAt");
    banned(export);
    let app = export.take_object("/raw_app_meta_data");
    let app = without_providers(export, app);
    let mut metadata = export.take_object("/raw_user_meta_data");
    for name in OF_PROVIDERS {
        metadata.remove(name);
    }
    for name in ["avatar_url", "picture"] {
        if metadata.remove(name).is_some_and(|value| !is_blank(&value)) {
            export.left |= LeftBehind::AVATAR;
        }
    }
    display_name(export, &mut metadata);
    export.use_as_attributes(("/raw_user_meta_data", metadata), ("/raw_app_meta_data", app));
    export.leave("/phone", LeftBehind::PHONE_NUMBER);
    if export.take_flag("/is_sso_user") == Some(true) {
        export.left |= LeftBehind::SOCIAL_IDENTITY;
    }
}

/// Disables a user who is banned now.
fn banned(export: &mut Export<'_>) {
    let Some(until) = export.take("/banned_until") else { return };
    let until = match until.as_str() {
        Some("infinity") => Ok(Some(jiff::Timestamp::MAX)),
        _ => times::parse_moment(&until),
    };
    match until {
        Ok(Some(until)) if until > export.now => export.members.insert("status", "/banned_until", "disabled".into()),
        Ok(_) => {}
        Err(invalid) => export.refuse("/banned_until", invalid.code, invalid.detail),
    }
}

/// Returns the metadata of the application without the list of providers, which stay behind.
fn without_providers(export: &mut Export<'_>, mut app: Map<String, Value>) -> Map<String, Value> {
    let mut providers: Vec<Value> = app.remove("provider").into_iter().collect();
    if let Some(Value::Array(more)) = app.remove("providers") {
        providers.extend(more);
    }
    if providers.iter().any(|provider| provider != "email" && provider != "phone") {
        export.left |= LeftBehind::SOCIAL_IDENTITY;
    }
    app
}

/// Uses the first name in the metadata as the display name, and removes those that repeat it or the address.
fn display_name(export: &mut Export<'_>, metadata: &mut Map<String, Value>) {
    let Some((name, pointer)) =
        NAMES.into_iter().find(|(name, _)| metadata.get(*name).is_some_and(|value| !is_blank(value)))
    else {
        return;
    };
    let Some(value) = metadata.remove(name) else { return };
    for (other, _) in NAMES {
        if metadata.get(other) == Some(&value) {
            metadata.remove(other);
        }
    }
    if !is_address(&export.members, &value) {
        export.members.insert("displayName", pointer, value);
    }
}
