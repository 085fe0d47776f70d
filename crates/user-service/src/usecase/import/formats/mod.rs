//! The exports of other systems (docs/IMPORT.md): how a file is cut into records, and how a record becomes the members
//! of our own format. Everything after that is the same for all of them.

mod auth0;
mod auth0_hashes;
mod export;
mod firebase;
mod firebase_hash_config;
mod keycloak;
mod left_behind;
mod member_path;
mod supabase;
mod wordpress;

use std::io::{self, Read};

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub(super) use self::export::Translated;
use self::export::{Export, use_as_username};
pub use self::{
    auth0_hashes::{Auth0Hashes, InvalidHashFile},
    firebase_hash_config::{InvalidHashConfig, parse_firebase_hash_config},
    left_behind::LeftBehind,
    member_path::MemberPath,
};
use super::{
    json_members::{LineError, MEMBERS, Members, parse_object},
    records::{Container, Content, Fields, MAX_RECORD_BYTES, Record, Records},
};
use crate::domain::{AttributeRules, json_pointer};
pub use crate::hashing::FirebaseParameters;

/// The system that has written a file, with what its records need besides.
pub enum ExportFormat {
    /// Our own format, one JSON object per line.
    Ndjson,
    /// The parameters are needed for the hashes.
    Firebase(Option<FirebaseParameters>),
    /// The hashes are in a file of their own, unless this is that file.
    Auth0(Option<Auth0Hashes>),
    Keycloak,
    Supabase,
    Wordpress,
}

impl ExportFormat {
    /// The name of the format on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Firebase(_) => "firebase",
            Self::Auth0(_) => "auth0",
            Self::Keycloak => "keycloak",
            Self::Supabase => "supabase",
            Self::Wordpress => "wordpress",
        }
    }

    /// What the operator calls a record.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Ndjson => "line",
            _ => "record",
        }
    }

    /// Returns the id of the import of a file with this [fingerprint](super::fingerprint). The import of the same file in
    /// another format is another import.
    #[must_use]
    pub fn import_id(&self, fingerprint: String, username: Option<&MemberPath>) -> String {
        if self.is_own() && username.is_none() {
            return fingerprint;
        }
        let hashes = match self {
            Self::Auth0(Some(hashes)) => hashes.id(),
            _ => "",
        };
        let username = username.map(MemberPath::pointer).unwrap_or_default();
        // None of these texts has a line feed: a pointer is percent-encoded.
        let all = [&fingerprint, self.name(), &username, hashes].join("\n");
        hex::encode(&Sha256::digest(all)[..16])
    }

    pub(super) const fn is_own(&self) -> bool {
        matches!(self, Self::Ndjson)
    }

    /// Opens the file at its first record, and checks that it was written by this system.
    ///
    /// # Errors
    /// Returns a sentence for the operator if it was not, and an error if the file cannot be read.
    pub fn open(&self, source: Box<dyn Read + Send>) -> io::Result<Result<Records, String>> {
        let opened = Records::open(source, |first| self.container(first));
        let mut records = match opened {
            Ok(Ok(records)) => records,
            Ok(Err(reason)) => return Ok(Err(format!("{}: {reason}", self.not_an_export()))),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(Err(format!("{}: {error}", self.not_an_export())));
            }
            Err(error) => return Err(error),
        };
        let checked = self.check_first(&mut records)?;
        Ok(checked.map(|()| records).map_err(|reason| format!("{}: {reason}", self.not_an_export())))
    }

    fn not_an_export(&self) -> String {
        format!("the file is not an export of {}", self.title())
    }

    const fn title(&self) -> &'static str {
        match self {
            Self::Ndjson => "this service",
            Self::Firebase(_) => "Firebase",
            Self::Auth0(_) => "Auth0",
            Self::Keycloak => "Keycloak",
            Self::Supabase => "Supabase",
            Self::Wordpress => "WordPress",
        }
    }

    /// Chooses the container from the first bytes of the file.
    fn container(&self, first: &[u8]) -> Result<Container, String> {
        match first {
            _ if self.is_own() => return Ok(Container::Lines),
            [] => return Err("it is empty".to_owned()),
            [0x1f, 0x8b, ..] => return Err("it is compressed with gzip; unpack it first".to_owned()),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err("it is in UTF-16; convert it to UTF-8".to_owned()),
            _ => {}
        }
        match (self, first[0]) {
            (Self::Firebase(_), b'{') => Ok(Container::Array { member: "users" }),
            (Self::Firebase(_), b'[') => Err("a JSON export is an object with the array `users`".to_owned()),
            (Self::Firebase(_), _) => Ok(Container::Csv { columns: Some(firebase::CSV_COLUMNS) }),
            (Self::Keycloak, b'{') => Ok(Container::Array { member: "users" }),
            (Self::Keycloak, b'[') => Err("it has several realms; export one with --realm".to_owned()),
            (Self::Keycloak, _) => Err("it does not begin with {".to_owned()),
            (Self::Ndjson, _) | (Self::Auth0(_) | Self::Supabase, b'{') => Ok(Container::Lines),
            (Self::Auth0(_), _) => {
                Err("it has no JSON object on its first line; choose the format json for the export".to_owned())
            }
            (Self::Supabase | Self::Wordpress, b'[') => Ok(Container::Array { member: "users" }),
            (Self::Wordpress, b'{') => Err("a JSON export is an array".to_owned()),
            (Self::Supabase | Self::Wordpress, _) => Ok(Container::Csv { columns: None }),
        }
    }

    /// Checks that the first record, or the header, has the members of this system.
    fn check_first(&self, records: &mut Records) -> io::Result<Result<(), String>> {
        let columns = match (self, records.columns()) {
            (Self::Firebase(_), _) | (_, None) => None,
            (_, Some(columns)) => Some(columns.to_vec()),
        };
        if let Some(columns) = columns {
            let twice = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name));
            if let Some((at, _)) = twice {
                return Ok(Err(format!("column {} of its header has the name of an earlier one", at + 1)));
            }
            return Ok(self.check_names(&columns, "header", "column"));
        }
        let Some(first) = records.peek()? else { return Ok(Ok(())) };
        let names: Vec<String> = match &first.content {
            Content::Json(text) => match serde_json::from_slice::<Map<String, Value>>(text) {
                Ok(members) => members.into_iter().map(|(name, _)| name).collect(),
                Err(_) => return Ok(Err("its first record is not a JSON object".to_owned())),
            },
            Content::Csv(fields) => {
                return Ok(firebase::check_fields(fields)
                    .map_err(|_| "it is neither JSON nor a CSV file with the columns of Firebase".to_owned()));
            }
            Content::MisplacedQuote | Content::TooLong => return Ok(Ok(())),
        };
        Ok(self.check_names(&names, "first record", "member"))
    }

    fn check_names(&self, names: &[String], place: &str, kind: &str) -> Result<(), String> {
        let has = |name: &str| names.iter().any(|found| found == name);
        let missing = |format: &Self| {
            let required: &[&[&str]] = match format {
                Self::Ndjson => &[],
                Self::Firebase(_) => &[&["localId"]],
                Self::Auth0(_) => &[&["user_id", "_id"]],
                Self::Keycloak => &[&["username"], &["id", "enabled", "createdTimestamp"]],
                Self::Supabase => &[&["id"], &["email"], &["encrypted_password"]],
                Self::Wordpress => &[&["user_login"], &["user_email"], &["user_pass"]],
            };
            required.iter().find(|any| !any.iter().any(|name| has(name))).copied()
        };
        let Some(names) = missing(self) else { return Ok(()) };
        let others = [Self::Firebase(None), Self::Auth0(None), Self::Keycloak, Self::Supabase, Self::Wordpress];
        let other = others.iter().find(|other| other.name() != self.name() && missing(other).is_none());
        let hint = other.map_or_else(String::new, |other| format!("; try --format {}", other.name()));
        Err(format!("its {place} has no {kind} `{}`{hint}", names.join("` or `")))
    }

    /// Converts a record to the members of our own format.
    ///
    /// # Errors
    /// Returns the errors of a record that has no members.
    pub(super) fn translate(
        &self,
        record: &Record,
        username: Option<&MemberPath>,
        rules: &AttributeRules,
        now: Timestamp,
    ) -> Result<Translated, Vec<LineError>> {
        let unit = self.unit();
        let (members, errors) = match &record.content {
            Content::Json(text) => parse_object(text, unit).map_err(|error| vec![error])?,
            Content::Csv(fields) => (csv_members(fields, self)?, Vec::new()),
            Content::MisplacedQuote => {
                let detail = "A field of the record has text after its closing quote.";
                return Err(vec![LineError::for_line("malformed-line", detail)]);
            }
            Content::TooLong => {
                let detail = format!("A {unit} is at most {MAX_RECORD_BYTES} bytes long.");
                return Err(vec![LineError::for_line("too-long", detail)]);
            }
        };
        if self.is_own() {
            return Ok(own_members(members, errors, username));
        }
        let mut export = Export::new(members, errors, rules, now);
        match self {
            Self::Firebase(_) => export.parse_json_text("/customAttributes"),
            Self::Supabase => {
                export.parse_json_text("/raw_user_meta_data");
                export.parse_json_text("/raw_app_meta_data");
            }
            _ => {}
        }
        let chosen = username.and_then(|path| Some((path.pointer(), path.find(&export.record)?.clone())));
        match self {
            Self::Ndjson => {}
            Self::Firebase(_) => firebase::translate(&mut export),
            Self::Auth0(hashes) => auth0::translate(&mut export, hashes.as_ref()),
            Self::Keycloak => keycloak::translate(&mut export),
            Self::Supabase => supabase::translate(&mut export),
            Self::Wordpress => wordpress::translate(&mut export),
        }
        if let Some((pointer, chosen)) = chosen {
            use_as_username(&mut export.members, pointer, chosen);
        }
        Ok(export.finish())
    }
}

/// Returns the members of a line of our own format. Only a member that the operator has named may be unknown.
fn own_members(mut members: Map<String, Value>, errors: Vec<LineError>, username: Option<&MemberPath>) -> Translated {
    let chosen = username.and_then(|path| Some((path.pointer(), path.find(&members)?.clone())));
    if let Some(MemberPath(path)) = username
        && let [name] = path.as_slice()
        && !MEMBERS.contains(&name.as_str())
    {
        members.remove(name);
    }
    let mut members = Members::new(members, errors);
    if let Some((pointer, chosen)) = chosen {
        use_as_username(&mut members, pointer, chosen);
    }
    Translated { members, left: LeftBehind::default(), is_skipped: false }
}

/// Returns the fields of a CSV record as members. Empty fields are missing.
fn csv_members(fields: &Fields, format: &ExportFormat) -> Result<Map<String, Value>, Vec<LineError>> {
    let refused = |detail: String| vec![LineError::for_line("malformed-line", detail)];
    match format {
        ExportFormat::Firebase(_) => firebase::check_fields(fields).map_err(refused)?,
        _ if fields.values.len() != fields.columns.len() => {
            let (found, expected) = (fields.values.len(), fields.columns.len());
            return Err(refused(format!("The record has {found} fields, and the header has {expected}.")));
        }
        _ => {}
    }
    let mut members = Map::new();
    for (name, value) in fields.columns.iter().zip(&fields.values).filter(|(_, value)| !value.is_empty()) {
        let text = str::from_utf8(value).map_err(|_| {
            let pointer = &json_pointer([name])[1..];
            vec![LineError::at(pointer, "not-utf-8", "The field is not UTF-8.")]
        })?;
        members.insert(name.clone(), text.into());
    }
    Ok(members)
}

#[cfg(test)]
mod tests;
