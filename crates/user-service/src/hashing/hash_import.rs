//! Taking hashes over from other systems: what the import asks.

use serde_json::Value;

use super::{
    foreign,
    hash_error::UnusableHash,
    password_hash::PasswordHash,
    policy::HashPolicy,
    settings::{HashingSettings, InvalidSetting},
};

/// Reads hashes of other systems, within the configured bounds.
#[derive(Clone)]
pub struct HashImporter(HashPolicy);

impl HashImporter {
    /// # Errors
    /// As [`HashingSettings::validate`].
    pub fn new(settings: &HashingSettings) -> Result<Self, InvalidSetting> {
        settings.validate()?;
        HashPolicy::new(settings).map(Self)
    }

    /// A hash in any of the forms that are understood, in the form in which it is stored:
    /// a password can be checked against it.
    ///
    /// # Errors
    /// [`UnusableHash`], which never shows the hash.
    pub fn import(&self, text: &str) -> Result<PasswordHash, UnusableHash> {
        self.check_bounds(foreign::canonicalize(text)?)
    }

    /// As [`HashImporter::import`], of a credential in Keycloak's export.
    ///
    /// # Errors
    /// As there.
    pub fn import_keycloak(&self, credential: &Value) -> Result<PasswordHash, UnusableHash> {
        self.check_bounds(foreign::canonicalize_keycloak(credential)?)
    }

    /// A hash that no password fits and that looks, and costs to check, as any new one.
    #[must_use]
    pub fn unmatchable_hash(&self) -> PasswordHash {
        self.0.unmatchable_hash()
    }

    fn check_bounds(&self, canonical: String) -> Result<PasswordHash, UnusableHash> {
        let hash = PasswordHash::parse(canonical).map_err(|_| UnusableHash::Malformed)?;
        self.0.parse(&hash).map(|_| hash)
    }
}
