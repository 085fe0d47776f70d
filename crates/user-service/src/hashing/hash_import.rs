//! Taking hashes over from other systems: what the import asks.

use serde_json::Value;

use super::{
    algorithm::Policy,
    foreign,
    hash_error::UnusableHash,
    password_hash::PasswordHash,
    settings::{HashingSettings, InvalidSetting},
};

/// Reads hashes of other systems, within the configured bounds.
#[derive(Clone)]
pub struct HashImporter(Policy);

impl HashImporter {
    /// # Errors
    /// As [`HashingSettings::validate`].
    pub fn new(settings: &HashingSettings) -> Result<Self, InvalidSetting> {
        settings.validate()?;
        Policy::new(settings).map(Self)
    }

    /// A hash in any of the forms that are understood, in the form in which it is stored:
    /// a password can be checked against it.
    ///
    /// # Errors
    /// [`UnusableHash`], which never shows the hash.
    pub fn import(&self, text: &str) -> Result<PasswordHash, UnusableHash> {
        self.within_bounds(foreign::canonical(text)?)
    }

    /// As [`HashImporter::import`], of a credential in Keycloak's export.
    ///
    /// # Errors
    /// As there.
    pub fn import_keycloak(&self, credential: &Value) -> Result<PasswordHash, UnusableHash> {
        self.within_bounds(foreign::canonical_of_keycloak(credential)?)
    }

    /// A hash that no password fits and that looks, and costs to check, as any new one.
    #[must_use]
    pub fn unmatchable_hash(&self) -> PasswordHash {
        self.0.unmatchable_hash()
    }

    fn within_bounds(&self, canonical: String) -> Result<PasswordHash, UnusableHash> {
        let hash = PasswordHash::parse(canonical).map_err(|_| UnusableHash::Malformed)?;
        self.0.read(&hash).map(|_| hash)
    }
}
