//! The section `branding` of the configuration of both services.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

/// The section `branding`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BrandingConfig {
    /// The folder, or `None` for the built-in look. Empty in the configuration file.
    #[serde(deserialize_with = "not_empty")]
    pub directory: Option<PathBuf>,
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_is_none() {
        let directory = |toml: &str| toml::from_str::<BrandingConfig>(toml).map(|config| config.directory);
        assert_eq!(directory("directory = \"\"").unwrap(), None);
        assert_eq!(directory("directory = \"/etc/brand\"").unwrap(), Some(PathBuf::from("/etc/brand")));
        assert!(directory("directory = 7").is_err() && directory("folder = \"x\"").is_err());
    }
}
