//! A text of a catalogue with placeholders in braces, parsed once and filled for each mail or page.

use std::{collections::BTreeMap, fmt};

use icu_plurals::PluralRules;
use serde::{Deserialize, Serialize};

use super::{
    bidi::{self, ValueDirection},
    characters::check_line,
    language::Language,
    plural::{Form, Plurals},
};

/// Counts up to this one must have their plural form; above it `other` is used if necessary.
const HIGHEST_COUNT_CHECKED: u32 = 1000;

/// Beside the plural forms of a text that a language inherits: the tag of the language whose rules they follow.
pub(crate) const INHERITED_FROM: &str = "$inherited-from";

/// A value that a text can name in braces.
pub trait Placeholder: Copy + PartialEq + fmt::Debug + 'static {
    const ALL: &'static [Self];
    /// The number that selects the plural form of a text, if there is one.
    const COUNT: Option<Self>;

    /// Returns the name, without the braces.
    fn as_str(self) -> &'static str;

    /// Returns the direction of the value.
    fn direction(self) -> ValueDirection {
        ValueDirection::FirstStrong
    }
}

/// A text such as `Welcome to {product}`: not empty, on one line, with known placeholders only.
///
/// Or one text for each plural form of [`Placeholder::COUNT`]: `{ one = "{remaining} code", other = "{remaining} codes" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawPattern", bound(deserialize = "P: Placeholder"))]
pub struct MessagePattern<P>(PatternForms<P>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternForms<P> {
    Always(Vec<PatternPart<P>>),
    ByCount(CountedForms<P>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CountedForms<P> {
    /// The placeholder of the count.
    count: P,
    forms: Vec<(Form, Vec<PatternPart<P>>)>,
    /// The rules of the language that the forms are written in, if it is not the language of the catalogue.
    inherited: Option<Plurals>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternPart<P> {
    Literal(String),
    Value(P),
}

/// A pattern as it is in the file.
#[derive(Deserialize)]
#[serde(untagged, expecting = "it must be a text, or a table of plural forms")]
enum RawPattern {
    Text(String),
    Forms(BTreeMap<String, String>),
}

/// A filled pattern. It is not HTML: the layout escapes it.
#[derive(Clone, Serialize)]
pub struct FilledText {
    /// The text with control characters around values that could reorder it.
    pub plain: String,
    /// The same text in segments, so that the layout can isolate values by elements.
    segments: Vec<Segment>,
}

#[derive(Clone, Serialize)]
struct Segment {
    text: String,
    is_value: bool,
    is_ltr: bool,
}

impl<P: Placeholder> MessagePattern<P> {
    fn from_plural_forms(written: &BTreeMap<String, String>) -> Result<Self, String> {
        let count = P::COUNT.ok_or("no value here has a plural form")?;
        let (mut forms, mut inherited) = (Vec::with_capacity(written.len()), None);
        for (name, text) in written {
            if name == INHERITED_FROM {
                inherited = Some(Plurals::for_language(text)?);
                continue;
            }
            let form = Form::parse(name).ok_or_else(|| format!("{name:?} is not a plural form"))?;
            forms.push((form, parts(text)?));
        }
        if forms.iter().all(|(form, _)| *form != Form::OTHER) {
            return Err("the plural form \"other\" is missing".to_owned());
        }
        Ok(Self(PatternForms::ByCount(CountedForms { count, forms, inherited })))
    }

    /// Returns the placeholders of all forms, including the count that selects the form.
    fn placeholders(&self) -> impl Iterator<Item = P> {
        let (forms, count): (Vec<&Vec<PatternPart<P>>>, _) = match &self.0 {
            PatternForms::Always(parts) => (vec![parts], None),
            PatternForms::ByCount(counted) => {
                (counted.forms.iter().map(|(_, parts)| parts).collect(), Some(counted.count))
            }
        };
        forms.into_iter().flatten().filter_map(PatternPart::placeholder).chain(count)
    }

    /// Checks that the text has no other placeholders than `known`. The error names `location`.
    ///
    /// # Errors
    /// Returns an error if it has another one.
    pub fn check_only(&self, known: &[P], location: &str) -> Result<(), String> {
        match self.placeholders().find(|used| !known.contains(used)) {
            Some(used) => Err(format!("{location}: {{{}}} has no value here", used.as_str())),
            None => Ok(()),
        }
    }

    /// Checks that one of the texts has the placeholder. The error names `location`.
    ///
    /// # Errors
    /// Returns an error if none has it.
    pub fn check_mentioned(patterns: &[&Self], placeholder: P, location: &str) -> Result<(), String> {
        if patterns.iter().any(|pattern| pattern.placeholders().any(|used| used == placeholder)) {
            Ok(())
        } else {
            Err(format!("{location}: {{{}}} is missing", placeholder.as_str()))
        }
    }

    /// Checks that every count has a form, and that a form for several counts contains the count.
    ///
    /// # Errors
    /// Returns an error that names the missing or wrong form.
    pub fn check_forms(&self, language: &Language) -> Result<(), String> {
        let PatternForms::ByCount(counted @ CountedForms { count: placeholder, forms, .. }) = &self.0 else {
            return Ok(());
        };
        let rules = counted.rules(language);
        let mut counts = vec![0; forms.len()];
        for count in 0..=HIGHEST_COUNT_CHECKED {
            let at = form_index(forms, count, &rules)
                .ok_or_else(|| format!("there is no form for {count}: {:?}", rules.category_for(count)))?;
            counts[at] += 1;
        }
        for ((form, parts), counts) in forms.iter().zip(counts) {
            if let Form::Category(category) = form
                && rules.categories().all(|known| known != *category)
            {
                return Err(format!("the language has no plural form {category:?}"));
            }
            let contains_count = parts.iter().any(|part| part.placeholder() == Some(*placeholder));
            if counts != 1 && !contains_count {
                return Err(format!("the form {form:?} must contain {{{}}}", placeholder.as_str()));
            }
        }
        Ok(())
    }

    /// Fills in the values, which are not parsed for placeholders again. `count` selects the plural form.
    ///
    /// # Errors
    /// Returns the placeholder without a value.
    ///
    /// # Panics
    /// Never: a pattern by count has the form `other`.
    pub fn fill(
        &self,
        language: &Language,
        count: Option<u32>,
        value: impl Fn(P) -> Option<String>,
    ) -> Result<FilledText, P> {
        let parts = match &self.0 {
            PatternForms::Always(parts) => parts,
            PatternForms::ByCount(counted) => {
                let (forms, count) = (&counted.forms, count.ok_or(counted.count)?);
                let is_other = |(form, _): &(Form, _)| *form == Form::OTHER;
                let at = form_index(forms, count, &counted.rules(language));
                let at = at.or_else(|| forms.iter().position(is_other));
                &forms[at.expect("a pattern by count has the form `other`")].1
            }
        };
        let mut filled = FilledText { plain: String::new(), segments: Vec::with_capacity(parts.len()) };
        for part in parts {
            filled.segments.push(match part {
                PatternPart::Literal(text) => {
                    filled.plain.push_str(text);
                    Segment { text: text.clone(), is_value: false, is_ltr: false }
                }
                PatternPart::Value(placeholder) => {
                    let text = value(*placeholder).ok_or(*placeholder)?;
                    filled.plain.push_str(&bidi::isolate(&text, placeholder.direction(), language.is_rtl));
                    Segment { text, is_value: true, is_ltr: placeholder.direction() == ValueDirection::LeftToRight }
                }
            });
        }
        Ok(filled)
    }
}

impl<P> CountedForms<P> {
    fn rules(&self, language: &Language) -> PluralRules {
        self.inherited.as_ref().unwrap_or(&language.plurals).rules()
    }
}

impl<P: Copy> PatternPart<P> {
    fn placeholder(&self) -> Option<P> {
        match self {
            PatternPart::Value(placeholder) => Some(*placeholder),
            PatternPart::Literal(_) => None,
        }
    }
}

/// Returns the index of the form for exactly this count, else of the form for its category.
fn form_index<T>(forms: &[(Form, T)], count: u32, rules: &PluralRules) -> Option<usize> {
    let index_of = |wanted: Form| forms.iter().position(|(form, _)| *form == wanted);
    index_of(Form::Exactly(count)).or_else(|| index_of(Form::Category(rules.category_for(count))))
}

fn parts<P: Placeholder>(text: &str) -> Result<Vec<PatternPart<P>>, String> {
    check_line(text)?;
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(brace);
        let Some((name, after)) = from_brace.strip_prefix('{').and_then(|inside| inside.split_once('}')) else {
            return Err(format!("{text:?} has an unpaired brace"));
        };
        let placeholder = P::ALL.iter().find(|known| known.as_str() == name);
        let placeholder = *placeholder.ok_or_else(|| format!("{text:?} has the unknown placeholder {{{name}}}"))?;
        push_literal(&mut parts, literal);
        parts.push(PatternPart::Value(placeholder));
        rest = after;
    }
    push_literal(&mut parts, rest);
    Ok(parts)
}

fn push_literal<P>(parts: &mut Vec<PatternPart<P>>, text: &str) {
    if !text.is_empty() {
        parts.push(PatternPart::Literal(text.to_owned()));
    }
}

impl<P: Placeholder> TryFrom<RawPattern> for MessagePattern<P> {
    type Error = String;

    fn try_from(written: RawPattern) -> Result<Self, String> {
        match written {
            RawPattern::Text(text) => parts(&text).map(|parts| Self(PatternForms::Always(parts))),
            RawPattern::Forms(forms) => Self::from_plural_forms(&forms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Value {
        Product,
        Name,
        To,
        LockedUntil,
        Remaining,
    }

    impl Placeholder for Value {
        const ALL: &'static [Self] = &[Self::Product, Self::Name, Self::To, Self::LockedUntil, Self::Remaining];
        const COUNT: Option<Self> = Some(Self::Remaining);

        fn as_str(self) -> &'static str {
            match self {
                Self::Product => "product",
                Self::Name => "name",
                Self::To => "to",
                Self::LockedUntil => "locked_until",
                Self::Remaining => "remaining",
            }
        }

        fn direction(self) -> ValueDirection {
            if self == Self::To { ValueDirection::LeftToRight } else { ValueDirection::FirstStrong }
        }
    }

    fn language(tag: &str) -> Language {
        Language::embedded(tag).unwrap()
    }

    fn pattern(text: &str) -> MessagePattern<Value> {
        MessagePattern::try_from(RawPattern::Text(text.to_owned())).unwrap()
    }

    fn from_plural_forms(forms: &[(&str, &str)]) -> Result<MessagePattern<Value>, String> {
        let forms = forms.iter().map(|(form, text)| ((*form).to_owned(), (*text).to_owned())).collect();
        MessagePattern::try_from(RawPattern::Forms(forms))
    }

    fn filled(pattern: &MessagePattern<Value>, tag: &str, value: &str) -> String {
        pattern.fill(&language(tag), None, |_| Some(value.to_owned())).ok().unwrap().plain
    }

    #[test]
    fn values_are_inserted_and_not_parsed_again() {
        assert_eq!(filled(&pattern("Hello {name}, {name}!"), "en", "{product}"), "Hello {product}, {product}!");
    }

    #[test]
    fn a_value_is_isolated_in_a_text_of_the_other_direction() {
        assert_eq!(filled(&pattern("مرحبا {name}!"), "ar", "Ada"), "مرحبا \u{2068}Ada\u{2069}!");
        assert_eq!(filled(&pattern("{to} هنا"), "ar", "a@b.c"), "\u{2066}a@b.c\u{2069} هنا");
        assert_eq!(filled(&pattern("Hello {name}!"), "en", "محمد"), "Hello \u{2068}محمد\u{2069}!");
    }

    #[test]
    fn a_missing_value_is_named() {
        let english = language("en");
        assert_eq!(pattern("until {locked_until}").fill(&english, None, |_| None).err(), Some(Value::LockedUntil));
        let counted = from_plural_forms(&[("other", "many")]).unwrap();
        assert_eq!(counted.fill(&english, None, |_| None).err(), Some(Value::Remaining));
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        for text in ["", " ", " x", "x ", "a\nb", "{nmae}", "{name", "name}", "{}", "{{name}}", "{ name }", "\u{2068}x"]
        {
            assert!(MessagePattern::<Value>::try_from(RawPattern::Text(text.to_owned())).is_err(), "{text:?}");
        }
        assert!(from_plural_forms(&[("one", "{remaining} code")]).is_err(), "`other` is missing");
        assert!(from_plural_forms(&[("some", "x"), ("other", "x")]).is_err(), "unknown form");
    }

    #[test]
    fn the_count_selects_the_plural_form() {
        let pattern =
            from_plural_forms(&[("=0", "none"), ("one", "{remaining} code"), ("other", "{remaining} codes")]).unwrap();
        let english = language("en");
        for (count, expected) in [(0, "none"), (1, "1 code"), (2, "2 codes"), (2_000_000, "2000000 codes")] {
            let filled = pattern.fill(&english, Some(count), |_| Some(count.to_string()));
            assert_eq!(filled.ok().unwrap().plain, expected);
        }
    }

    #[test]
    fn every_form_of_the_language_must_be_there_and_no_other() {
        let problem = |tag: &str, forms: &[(&str, &str)]| {
            from_plural_forms(forms).unwrap().check_forms(&language(tag)).err().unwrap_or_default()
        };
        let arabic = [
            ("=0", "لا شيء"),
            ("one", "رمز واحد"),
            ("two", "رمزان"),
            ("few", "{remaining} رموز"),
            ("many", "{remaining} رمزًا"),
            ("other", "{remaining} رمز"),
        ];
        assert_eq!(problem("ar", &arabic), "");
        assert!(problem("ar", &arabic[1..]).contains("no form for 0"));
        assert!(problem("en", &arabic).contains("no plural form"));
        assert!(problem("en", &[("other", "{remaining} codes")]).contains("no form for 1"));
        assert!(problem("en", &[("one", "one"), ("other", "many")]).contains("must contain {remaining}"));
        // French says "0 code", so this form is used for two counts.
        assert!(problem("fr", &[("one", "un code"), ("other", "{remaining} codes")]).contains("must contain"));
        assert_eq!(problem("ja", &[("other", "{remaining}個")]), "");
        let polish = [("one", "{remaining} kod"), ("few", "{remaining} kody"), ("many", "{remaining} kodów")];
        let with_other = |forms: &[(&'static str, &'static str)]| [forms, &[("other", "{remaining} kodu")]].concat();
        assert_eq!(problem("pl", &with_other(&polish)), "");
        assert!(problem("pl", &with_other(&polish[..2])).contains("no form for 0"));
        assert!(problem("pl", &with_other(&[polish[0], polish[2]])).contains("no form for 2"));
        // Italian has a form for millions, which is not required.
        assert_eq!(problem("it", &[("one", "{remaining} codice"), ("other", "{remaining} codici")]), "");
    }
}
