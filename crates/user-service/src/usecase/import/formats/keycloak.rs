//! Keycloak: the users of a realm export.

use serde_json::{Map, Value};

use super::{LeftBehind, export::Export};

/// Roles that every realm has, and the beginning of the name of its default role.
const BUILT_IN_ROLES: [&str; 2] = ["offline_access", "uma_authorization"];
const DEFAULT_ROLES: &str = "default-roles-";

pub(super) fn translate(export: &mut Export<'_>) {
    if export.take("/serviceAccountClientId").is_some() {
        return export.skip(LeftBehind::SERVICE_ACCOUNT);
    }
    export.rename("/id", "id");
    export.rename("/email", "email");
    export.use_as_username("/username");
    export.rename("/emailVerified", "emailVerified");
    export.rename_time("/createdTimestamp", "createdAt");
    if export.take_flag("/enabled") == Some(false) {
        export.members.insert("status", "/enabled", "disabled".into());
    }
    display_name(export);
    credentials(export);
    roles(export);
    attributes(export);
    export.leave("/federatedIdentities", LeftBehind::SOCIAL_IDENTITY);
    export.leave("/groups", LeftBehind::GROUPS);
    export.leave("/clientRoles", LeftBehind::CLIENT_ROLES);
    export.leave("/requiredActions", LeftBehind::REQUIRED_ACTIONS);
    export.leave("/totp", LeftBehind::SECOND_FACTOR);
}

fn display_name(export: &mut Export<'_>) {
    let names = [export.take_text("/firstName"), export.take_text("/lastName")];
    let pointer = if names[0].is_some() { "/firstName" } else { "/lastName" };
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if !name.trim().is_empty() {
        export.members.insert("displayName", pointer, name.into());
    }
}

fn credentials(export: &mut Export<'_>) {
    let credentials = match export.take("/credentials") {
        None => return,
        Some(Value::Array(credentials)) => credentials,
        Some(_) => return export.refuse_type("/credentials", "a list of objects").unwrap_or_default(),
    };
    let mut has_password = false;
    for (at, credential) in credentials.into_iter().enumerate() {
        match credential["type"].as_str() {
            Some("password") if !has_password => {
                has_password = true;
                export.members.insert("credential", format!("/credentials/{at}"), credential);
            }
            Some("password" | "password-history") => {}
            Some(_) => export.left |= LeftBehind::SECOND_FACTOR,
            None => export.refuse(&format!("/credentials/{at}/type"), "missing", "The member is missing."),
        }
    }
}

fn roles(export: &mut Export<'_>) {
    let own = |role: &Value| {
        role.as_str().is_none_or(|name| !BUILT_IN_ROLES.contains(&name) && !name.starts_with(DEFAULT_ROLES))
    };
    let roles = match export.take("/realmRoles") {
        None => return,
        Some(Value::Array(roles)) => Value::Array(roles.into_iter().filter(own).collect()),
        Some(other) => other,
    };
    export.members.insert("roles", "/realmRoles", roles);
}

/// Converts the attributes, which are lists of texts. A list of one text becomes the text.
fn attributes(export: &mut Export<'_>) {
    let mut attributes = export.take_object("/attributes");
    let single = |value: Value| match value {
        Value::Array(mut values) if values.len() == 1 => values.swap_remove(0),
        other => other,
    };
    if let Some(locale) = attributes.remove("locale").map(single) {
        export.members.insert("locale", "/attributes/locale", locale);
    }
    let attributes: Map<String, Value> = attributes.into_iter().map(|(name, value)| (name, single(value))).collect();
    let attributes = if attributes.is_empty() { Value::Null } else { attributes.into() };
    export.members.insert("attributes", "/attributes", attributes);
}
