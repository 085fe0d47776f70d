//! Conversion of hashes from other systems at import.

use serde_json::Value;

use super::{
    foreign::{self, FirebaseParameters},
    hash_error::UnusableHash,
    password_hash::PasswordHash,
    policy::HashPolicy,
    settings::{HashingSettings, InvalidSetting},
};

/// Imports hashes of other systems that are within the configured limits.
#[derive(Clone)]
pub struct HashImporter(HashPolicy);

impl HashImporter {
    /// Makes an importer with the limits of these settings.
    ///
    /// # Errors
    /// Returns the errors of [`HashingSettings::validate`].
    pub fn new(settings: &HashingSettings) -> Result<Self, InvalidSetting> {
        settings.validate()?;
        HashPolicy::new(settings).map(Self)
    }

    /// Converts a hash in any supported format to the format in which it is stored. A password can be verified against
    /// the result.
    ///
    /// # Errors
    /// Returns [`UnusableHash`], which never contains the hash.
    pub fn import(&self, text: &str) -> Result<PasswordHash, UnusableHash> {
        self.check_bounds(foreign::canonicalize(text)?)
    }

    /// Converts a credential of a Keycloak export, like [`HashImporter::import`].
    ///
    /// # Errors
    /// Returns [`UnusableHash`], which never contains the hash.
    pub fn import_keycloak(&self, credential: &Value) -> Result<PasswordHash, UnusableHash> {
        self.check_bounds(foreign::canonicalize_keycloak(credential)?)
    }

    /// Converts the hash and the salt of a user in an export of Firebase (Base64), like [`HashImporter::import`].
    ///
    /// # Errors
    /// Returns [`UnusableHash`], which never contains the hash or the signer key.
    pub fn import_firebase(
        &self,
        hash: &str,
        salt: &str,
        project: &FirebaseParameters,
    ) -> Result<PasswordHash, UnusableHash> {
        self.check_bounds(foreign::canonicalize_firebase(hash, salt, project)?)
    }

    /// Returns a hash that matches no password. It looks like a new hash and takes the same work to verify.
    #[must_use]
    pub fn unmatchable_hash(&self) -> PasswordHash {
        self.0.unmatchable_hash()
    }

    fn check_bounds(&self, canonical: String) -> Result<PasswordHash, UnusableHash> {
        let hash = PasswordHash::parse(canonical).map_err(|_| UnusableHash::Malformed)?;
        self.0.parse(&hash).map(|_| hash)
    }
}
