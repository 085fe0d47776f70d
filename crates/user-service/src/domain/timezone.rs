//! Time zones of users.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::invalid_value::Invalid;

/// Maximum length of the input in bytes. Every name in the database is shorter.
const MAX_BYTES: usize = 64;
/// The areas whose zones are named after places. The other names in the database are abbreviations, and former names.
const AREAS: [&str; 10] =
    ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"];

static COMMON_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let database = TimeZoneDatabase::bundled();
    let names = database.available().map(|name| name.as_str().to_owned());
    let is_common =
        |name: &String| *name == "UTC" || name.split_once('/').is_some_and(|(area, _)| AREAS.contains(&area));
    let mut names: Vec<String> = names.filter(is_common).collect();
    names.sort_unstable();
    names
});

/// The name of a time zone in the IANA database, in the spelling of the database. The database is compiled in, so all
/// replicas know the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timezone(String);

impl Timezone {
    /// Parses a name in any letter case. Ignores white space around it.
    ///
    /// # Errors
    /// Returns an error with the code `not-a-time-zone`.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let raw = raw.trim();
        let invalid = || {
            Invalid::new(
                "not-a-time-zone",
                "This is not a name in the IANA time zone database, such as \"Europe/Berlin\".",
            )
        };
        if raw.len() > MAX_BYTES {
            return Err(invalid());
        }
        let zone = TimeZoneDatabase::bundled().get(raw).map_err(|_| invalid())?;
        // In CLDR, "Etc/Unknown" means that there is no time zone.
        let name = zone.iana_name().filter(|_| !zone.is_unknown()).ok_or_else(invalid)?;
        Ok(Self(name.to_owned()))
    }

    /// Returns the names for people to choose from, in alphabetical order. [`parse`](Self::parse) knows more.
    pub fn common_names() -> impl Iterator<Item = &'static str> {
        COMMON_NAMES.iter().map(String::as_str)
    }

    /// Returns the rules of a stored name. Without a name, or if the database does not know it any more, UTC.
    #[must_use]
    pub fn rules(name: Option<&str>) -> TimeZone {
        name.and_then(|name| TimeZoneDatabase::bundled().get(name).ok()).unwrap_or(TimeZone::UTC)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::invalid_value::assert_refused;

    #[test]
    fn a_name_gets_the_spelling_of_the_database() {
        for (raw, canonical) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("america/NEW_YORK", "America/New_York"),
            ("utc", "UTC"),
            ("Asia/Calcutta", "Asia/Calcutta"),
            (" Europe/Berlin\n", "Europe/Berlin"),
        ] {
            assert_eq!(Timezone::parse(raw).unwrap().as_str(), canonical);
        }
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        assert_refused(
            Timezone::parse,
            "not-a-time-zone",
            ["", "Berlin", "Europe/", "CET-1CEST", "+02:00", "Etc/Unknown", "../../etc/passwd", "Europe/ Berlin", "😀"],
        );
        assert!(Timezone::parse(&"a".repeat(100_000)).is_err());
    }

    #[test]
    fn the_rules_of_an_unknown_name_are_those_of_utc() {
        assert_eq!(Timezone::rules(Some("Europe/Berlin")).iana_name(), Some("Europe/Berlin"));
        for name in [None, Some("Europe/Atlantis"), Some("")] {
            assert_eq!(Timezone::rules(name), TimeZone::UTC);
        }
    }

    #[test]
    fn the_common_names_are_places_that_can_be_chosen() {
        let names: Vec<&str> = Timezone::common_names().collect();
        assert!(names.is_sorted() && (350..500).contains(&names.len()), "{}", names.len());
        for name in ["Europe/Berlin", "America/Argentina/Ushuaia", "UTC"] {
            assert!(names.contains(&name), "{name}");
        }
        for name in ["CET", "Etc/GMT+1", "US/Pacific", "SystemV/PST8", "Etc/Unknown"] {
            assert!(!names.contains(&name), "{name}");
        }
        for name in names {
            assert_eq!(Timezone::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn every_name_in_the_database_keeps_its_spelling() {
        let mut zones = 0;
        for name in TimeZoneDatabase::bundled().available() {
            if let Ok(zone) = Timezone::parse(name.as_str()) {
                assert_eq!(zone.as_str(), name.as_str());
                zones += 1;
            }
        }
        assert!(zones > 400, "{zones}");
    }
}
