//! Times as a user reads them: in the language of the page, and in the time zone of the profile.

use i18n::DateFormat;
use jiff::{Timestamp, tz::TimeZone};

use super::requests::MemberRequest;
use crate::domain::Timezone;

/// Formats times for a user. Without a time zone in the profile, they are in UTC.
pub(super) struct LocalTime<'a> {
    dates: &'a DateFormat,
    zone: TimeZone,
}

impl<'a> LocalTime<'a> {
    /// Selects the language and the time zone for the reader of this page.
    pub(super) fn new(request: &'a MemberRequest) -> Self {
        let dates = &request.visitor.pages.catalogue.language.dates;
        Self { dates, zone: Timezone::rules(request.caller.user.timezone.as_deref()) }
    }

    /// Formats a time to the minute, with the offset of the zone.
    pub(super) fn format(&self, at: impl Into<Timestamp>) -> String {
        self.dates.format_in(at.into(), self.zone.clone())
    }
}
