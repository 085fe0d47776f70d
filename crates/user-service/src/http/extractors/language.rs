//! Selects the language of a page from `Accept-Language` (lookup of RFC 4647).

use actix_web::http::header::{self, HeaderMap};

/// The languages of the pages. To add one, add a variant and its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    German,
    French,
    Spanish,
    Japanese,
    Arabic,
}

impl Language {
    pub(in crate::http) const ALL: &'static [Language] = &[
        Language::English,
        Language::German,
        Language::French,
        Language::Spanish,
        Language::Japanese,
        Language::Arabic,
    ];

    /// Returns the BCP 47 tag, as for `lang` in HTML.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Japanese => "ja",
            Self::Arabic => "ar",
        }
    }

    /// Returns whether the language is written from right to left.
    #[must_use]
    pub const fn is_rtl(self) -> bool {
        matches!(self, Self::Arabic)
    }

    /// Returns the language that the reader prefers among the supported ones; English if there is none.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut ranges: Vec<(&str, u16)> = headers
            .get_all(header::ACCEPT_LANGUAGE)
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .filter_map(parse_weighted_range)
            .filter(|(_, weight)| *weight > 0)
            .collect();
        // The sort is stable: among equal weights, the first range wins.
        ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        ranges.into_iter().find_map(|(range, _)| Self::lookup(range)).unwrap_or_default()
    }

    /// Shortens the range from its end until it matches a supported language (RFC 4647, section 3.4).
    fn lookup(range: &str) -> Option<Self> {
        let mut range = range;
        loop {
            if let Some(found) = Self::ALL.iter().find(|it| it.tag().eq_ignore_ascii_case(range)) {
                return Some(*found);
            }
            range = range.rsplit_once('-')?.0;
        }
    }
}

/// Parses a range and its weight in thousandths, such as `de-AT;q=0.8`. `None` if it is malformed.
fn parse_weighted_range(entry: &str) -> Option<(&str, u16)> {
    let (range, parameters) = entry.split_once(';').unwrap_or((entry, "q=1"));
    let weight: f32 =
        parameters.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 1000")]
    (0.0..=1.0).contains(&weight).then(|| (range.trim(), (weight * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_preferred_supported_language_is_chosen() {
        for (header, expected) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT", "de"),
            ("DE-Latn-DE-1996", "de"),
            ("pt, de;q=0.5", "de"),
            ("pt;q=0.9, en;q=0.4, de;q=0.8", "de"),
            ("fr-CA, en;q=0.9", "fr"),
            ("es-419,es;q=0.9", "es"),
            ("ja-JP", "ja"),
            ("ar-EG,ar;q=0.9,en-US;q=0.8", "ar"),
            ("arz, pt", "en"),
            ("en-GB,de;q=0.9", "en"),
            ("en, de", "en"),
            ("de, en", "de"),
            ("de;q=0, en;q=0.1", "en"),
            ("*", "en"),
            ("den", "en"),
            ("de;q=nan, de;q=7, ;;;, q=1", "en"),
            ("de; q=0.5", "de"),
        ] {
            let request = TestRequest::get().insert_header((header::ACCEPT_LANGUAGE, header)).to_http_request();
            assert_eq!(Language::from_headers(request.headers()).tag(), expected, "{header}");
        }
        assert_eq!(Language::from_headers(TestRequest::get().to_http_request().headers()), Language::English);
    }
}
