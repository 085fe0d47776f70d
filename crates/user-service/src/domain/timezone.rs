//! The time zone a person lives in.

use jiff::tz::TimeZoneDatabase;

use super::invalid::Invalid;

/// Longer than any name in the database.
const MAX_BYTES: usize = 64;

/// The name of a zone in the IANA database, spelled as the database spells it. The
/// database is compiled in, so every replica knows the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timezone(String);

impl Timezone {
    /// Reads a name, however its letters are cased; white space around it is dropped.
    ///
    /// # Errors
    /// `not-a-time-zone`.
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
        // "Etc/Unknown" is CLDR's word for no zone at all.
        let name = zone.iana_name().filter(|_| !zone.is_unknown()).ok_or_else(invalid)?;
        Ok(Self(name.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_zone_is_spelled_as_in_the_database() {
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
    fn what_is_no_zone_is_refused() {
        for raw in
            ["", "Berlin", "Europe/", "CET-1CEST", "+02:00", "Etc/Unknown", "../../etc/passwd", "Europe/ Berlin", "😀"]
        {
            assert_eq!(Timezone::parse(raw).unwrap_err().code, "not-a-time-zone", "{raw:?}");
        }
        assert!(Timezone::parse(&"a".repeat(100_000)).is_err());
    }

    #[test]
    fn every_name_in_the_database_is_its_own_spelling() {
        let mut zones = 0;
        for name in TimeZoneDatabase::bundled().available() {
            if let Ok(zone) = Timezone::parse(name.as_str()) {
                assert_eq!(zone.as_str(), name.as_str());
                zones += 1;
            }
        }
        assert!(zones > 400, "{zones}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_zone_or_refused(raw in any::<String>()) {
            let _ = Timezone::parse(&raw);
        }
    }
}
