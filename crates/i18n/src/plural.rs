//! The plural form for a number, by the rules of CLDR.

use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules, PluralRulesPreferences};

/// Names the plural rules of one language. The rules themselves are not [`Sync`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plurals(PluralRulesPreferences);

/// When a form is used. An exact number has priority over a category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Exactly(u32),
    Category(PluralCategory),
}

impl Plurals {
    /// Finds the rules of a language. One that CLDR does not know has one form for all numbers.
    pub(crate) fn for_language(tag: &str) -> Result<Plurals, String> {
        let locale: Locale = tag.parse().map_err(|_| "the tag is not a BCP 47 tag".to_owned())?;
        let preferences = PluralRulesPreferences::from(&locale);
        PluralRules::try_new_cardinal(preferences).map_err(|error| error.to_string())?;
        Ok(Plurals(preferences))
    }

    pub(crate) fn rules(&self) -> PluralRules {
        PluralRules::try_new_cardinal(self.0).expect("the rules were found before")
    }
}

impl Form {
    pub(crate) const OTHER: Form = Form::Category(PluralCategory::Other);

    /// Parses `one`, `few` and so on, or `=0` for an exact number.
    pub(crate) fn parse(name: &str) -> Option<Form> {
        match name.strip_prefix('=') {
            Some(number) => number.parse().ok().map(Form::Exactly),
            None => PluralCategory::get_for_cldr_string(name).map(Form::Category),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PluralCategory::{Few, Many, One, Other, Two, Zero};

    #[test]
    fn plural_categories_follow_the_rules_of_each_language() {
        let counts = [0u32, 1, 2, 5, 11, 12, 22, 100, 1_000_000];
        for (tag, expected) in [
            ("en", [Other, One, Other, Other, Other, Other, Other, Other, Other]),
            ("nl", [Other, One, Other, Other, Other, Other, Other, Other, Other]),
            ("fr", [One, One, Other, Other, Other, Other, Other, Other, Many]),
            ("it", [Other, One, Other, Other, Other, Other, Other, Other, Many]),
            // In Portugal, 0 is `other`.
            ("pt", [One, One, Other, Other, Other, Other, Other, Other, Many]),
            ("pt-BR", [One, One, Other, Other, Other, Other, Other, Other, Many]),
            ("pt-PT", [Other, One, Other, Other, Other, Other, Other, Other, Many]),
            ("pl", [Many, One, Few, Many, Many, Many, Few, Many, Many]),
            ("ja", [Other; 9]),
            ("ar", [Zero, One, Two, Few, Many, Many, Many, Other, Other]),
            ("ar-EG", [Zero, One, Two, Few, Many, Many, Many, Other, Other]),
            ("tlh", [Other; 9]),
        ] {
            let rules = Plurals::for_language(tag).unwrap().rules();
            assert_eq!(counts.map(|count| rules.category_for(count)), expected, "{tag}");
        }
        assert!(Plurals::for_language("not a tag").is_err());
    }

    #[test]
    fn forms_have_the_names_of_cldr() {
        assert_eq!(Form::parse("other"), Some(Form::OTHER));
        assert_eq!(Form::parse("few"), Some(Form::Category(Few)));
        assert_eq!(Form::parse("=0"), Some(Form::Exactly(0)));
        for name in ["", "=", "=-1", "0", "several", "One"] {
            assert_eq!(Form::parse(name), None, "{name:?}");
        }
    }
}
