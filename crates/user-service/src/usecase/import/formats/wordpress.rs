//! WordPress: what `wp user list` writes as CSV or JSON, or rows of `wp_users` as CSV.

use serde_json::Value;

use super::{LeftBehind, export::Export};
use crate::usecase::import::times;

pub(super) fn translate(export: &mut Export<'_>) {
    if export.take_flag("/deleted") == Some(true) {
        return export.skip(LeftBehind::DELETED_USER);
    }
    export.rename("/user_email", "email");
    export.use_as_username("/user_login");
    export.rename("/user_pass", "passwordHash");
    export.use_as_display_name("/display_name");
    if let Some(registered) = export.take("/user_registered") {
        let time = times::parse_utc(&registered, export.now);
        export.insert_time("/user_registered", "createdAt", time);
    }
    roles(export);
    if export.take_flag("/spam") == Some(true) {
        export.members.insert("status", "/spam", "disabled".into());
    }
    export.leave("/user_url", LeftBehind::WEBSITE);
}

/// Converts the roles, which are one text with commas.
fn roles(export: &mut Export<'_>) {
    let Some(roles) = export.take("/roles") else { return };
    let roles = match roles {
        Value::String(names) => names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        other => other,
    };
    export.members.insert("roles", "/roles", roles);
}
