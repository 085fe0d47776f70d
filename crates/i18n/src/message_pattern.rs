//! A text of a catalogue with placeholders in braces, parsed once and filled for each mail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bidi::{self, ValueDirection};
use super::placeholders::Placeholder;
use super::plural::{Form, Plurals};

/// Counts up to this one must have their plural form; above it `other` is used if necessary.
const HIGHEST_COUNT_CHECKED: u32 = 1000;

/// A text such as `Welcome to {product}`: not empty, on one line, with known placeholders only.
///
/// Or one text for each plural form of [`Placeholder::COUNT`]: `{ one = "{remaining} code", other =
/// "{remaining} codes" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawPattern")]
pub(super) struct MessagePattern(PatternForms);

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternForms {
    Always(Vec<PatternPart>),
    ByCount(Vec<(Form, Vec<PatternPart>)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternPart {
    Literal(String),
    Value(Placeholder),
}

/// A pattern as it is in the file.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawPattern {
    Text(String),
    Forms(BTreeMap<String, String>),
}

/// The properties of the language that a filled text depends on.
pub(super) struct FillContext<'a> {
    pub(super) is_rtl: bool,
    pub(super) plurals: &'a Plurals,
    /// The value of [`Placeholder::COUNT`].
    pub(super) count: Option<u32>,
}

/// A filled pattern. It is not HTML: the layout escapes it.
#[derive(Clone, Serialize)]
pub(super) struct FilledText {
    /// The text with control characters around values that could reorder it.
    pub(super) plain: String,
    /// The same text in segments, so that the layout can isolate values by elements.
    segments: Vec<Segment>,
}

#[derive(Clone, Serialize)]
struct Segment {
    text: String,
    is_value: bool,
    is_ltr: bool,
}

impl MessagePattern {
    fn from_plural_forms(written: &BTreeMap<String, String>) -> Result<MessagePattern, String> {
        let mut forms = Vec::with_capacity(written.len());
        for (name, text) in written {
            let form = Form::parse(name).ok_or_else(|| format!("{name:?} is not a plural form"))?;
            forms.push((form, parts(text)?));
        }
        if forms.iter().all(|(form, _)| *form != Form::OTHER) {
            return Err("the plural form \"other\" is missing".to_owned());
        }
        Ok(MessagePattern(PatternForms::ByCount(forms)))
    }

    /// Returns the placeholders of all forms, including the count that selects the form.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        let (forms, count): (Vec<&Vec<PatternPart>>, _) = match &self.0 {
            PatternForms::Always(parts) => (vec![parts], None),
            PatternForms::ByCount(forms) => (forms.iter().map(|(_, parts)| parts).collect(), Some(Placeholder::COUNT)),
        };
        forms.into_iter().flatten().filter_map(PatternPart::placeholder).chain(count)
    }

    /// Checks that every count has a form, and that a form for several counts contains the count.
    pub(super) fn check_forms(&self, plurals: &Plurals) -> Result<(), String> {
        let PatternForms::ByCount(forms) = &self.0 else { return Ok(()) };
        let mut counts = vec![0; forms.len()];
        for count in 0..=HIGHEST_COUNT_CHECKED {
            let at = form_index(forms, count, plurals)
                .ok_or_else(|| format!("there is no form for {count}: {:?}", plurals.category(count)))?;
            counts[at] += 1;
        }
        for ((form, parts), counts) in forms.iter().zip(counts) {
            if let Form::Category(category) = form
                && !plurals.has(*category)
            {
                return Err(format!("the language has no plural form {category:?}"));
            }
            let contains_count = parts.iter().any(|piece| piece.placeholder() == Some(Placeholder::COUNT));
            if counts != 1 && !contains_count {
                return Err(format!("the form {form:?} must contain {{{}}}", Placeholder::COUNT.as_str()));
            }
        }
        Ok(())
    }

    /// Fills in the values, which are not parsed for placeholders again. The error is the
    /// placeholder without a value.
    pub(super) fn fill(
        &self,
        context: &FillContext<'_>,
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> Result<FilledText, Placeholder> {
        let parts = match &self.0 {
            PatternForms::Always(parts) => parts,
            PatternForms::ByCount(forms) => {
                let count = context.count.ok_or(Placeholder::COUNT)?;
                let is_other = |(form, _): &(Form, _)| *form == Form::OTHER;
                let at = form_index(forms, count, context.plurals).or_else(|| forms.iter().position(is_other));
                &forms[at.expect("a pattern by count has the form `other`")].1
            }
        };
        let mut filled = FilledText { plain: String::new(), segments: Vec::with_capacity(parts.len()) };
        for piece in parts {
            filled.segments.push(match piece {
                PatternPart::Literal(text) => {
                    filled.plain.push_str(text);
                    Segment { text: text.clone(), is_value: false, is_ltr: false }
                }
                PatternPart::Value(placeholder) => {
                    let text = value(*placeholder).ok_or(*placeholder)?;
                    filled.plain.push_str(&bidi::isolate(&text, placeholder.direction(), context.is_rtl));
                    Segment { text, is_value: true, is_ltr: placeholder.direction() == ValueDirection::LeftToRight }
                }
            });
        }
        Ok(filled)
    }
}

impl PatternPart {
    fn placeholder(&self) -> Option<Placeholder> {
        match self {
            PatternPart::Value(placeholder) => Some(*placeholder),
            PatternPart::Literal(_) => None,
        }
    }
}

/// Returns the index of the form for exactly this count, else of the form for its category.
fn form_index<T>(forms: &[(Form, T)], count: u32, plurals: &Plurals) -> Option<usize> {
    let index_of = |wanted: Form| forms.iter().position(|(form, _)| *form == wanted);
    index_of(Form::Exactly(count)).or_else(|| index_of(Form::Category(plurals.category(count))))
}

fn parts(text: &str) -> Result<Vec<PatternPart>, String> {
    if text.trim().is_empty() || text.trim() != text {
        return Err(format!("{text:?} is empty, or has spaces around it"));
    }
    if text.chars().any(|c| c.is_control() || bidi::isolate_depth_change(c) != 0) {
        return Err(format!("{text:?} contains a line break or control character"));
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(brace);
        let Some((name, after)) = from_brace.strip_prefix('{').and_then(|inside| inside.split_once('}')) else {
            return Err(format!("{text:?} has an unpaired brace"));
        };
        let placeholder =
            Placeholder::parse(name).ok_or_else(|| format!("{text:?} has the unknown placeholder {{{name}}}"))?;
        push_literal(&mut parts, literal);
        parts.push(PatternPart::Value(placeholder));
        rest = after;
    }
    push_literal(&mut parts, rest);
    Ok(parts)
}

fn push_literal(parts: &mut Vec<PatternPart>, text: &str) {
    if !text.is_empty() {
        parts.push(PatternPart::Literal(text.to_owned()));
    }
}

impl TryFrom<RawPattern> for MessagePattern {
    type Error = String;

    fn try_from(written: RawPattern) -> Result<MessagePattern, String> {
        match written {
            RawPattern::Text(text) => parts(&text).map(|parts| MessagePattern(PatternForms::Always(parts))),
            RawPattern::Forms(forms) => MessagePattern::from_plural_forms(&forms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> MessagePattern {
        MessagePattern::try_from(RawPattern::Text(text.to_owned())).unwrap()
    }

    fn from_plural_forms(forms: &[(&str, &str)]) -> Result<MessagePattern, String> {
        let forms = forms.iter().map(|(form, text)| ((*form).to_owned(), (*text).to_owned())).collect();
        MessagePattern::try_from(RawPattern::Forms(forms))
    }

    fn filled(pattern: &MessagePattern, is_rtl: bool, value: &str) -> String {
        let plurals = Plurals::for_language("en").unwrap();
        let context = FillContext { is_rtl, plurals: &plurals, count: None };
        pattern.fill(&context, |_| Some(value.to_owned())).ok().unwrap().plain
    }

    #[test]
    fn values_are_inserted_and_not_parsed_again() {
        assert_eq!(filled(&pattern("Hello {name}, {name}!"), false, "{product}"), "Hello {product}, {product}!");
    }

    #[test]
    fn a_value_is_isolated_in_a_text_of_the_other_direction() {
        assert_eq!(filled(&pattern("مرحبا {name}!"), true, "Ada"), "مرحبا \u{2068}Ada\u{2069}!");
        assert_eq!(filled(&pattern("{to} هنا"), true, "a@b.c"), "\u{2066}a@b.c\u{2069} هنا");
        assert_eq!(filled(&pattern("Hello {name}!"), false, "محمد"), "Hello \u{2068}محمد\u{2069}!");
    }

    #[test]
    fn a_missing_value_is_named() {
        let plurals = Plurals::for_language("en").unwrap();
        let context = FillContext { is_rtl: false, plurals: &plurals, count: None };
        assert_eq!(pattern("until {locked_until}").fill(&context, |_| None).err(), Some(Placeholder::LockedUntil));
        let counted = from_plural_forms(&[("other", "many")]).unwrap();
        assert_eq!(counted.fill(&context, |_| None).err(), Some(Placeholder::Remaining));
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        for text in ["", " ", " x", "x ", "a\nb", "{nmae}", "{name", "name}", "{}", "{{name}}", "{ name }", "\u{2068}x"]
        {
            assert!(MessagePattern::try_from(RawPattern::Text(text.to_owned())).is_err(), "{text:?}");
        }
        assert!(from_plural_forms(&[("one", "{remaining} code")]).is_err(), "`other` is missing");
        assert!(from_plural_forms(&[("some", "x"), ("other", "x")]).is_err(), "unknown form");
    }

    #[test]
    fn the_count_selects_the_plural_form() {
        let pattern =
            from_plural_forms(&[("=0", "none"), ("one", "{remaining} code"), ("other", "{remaining} codes")]).unwrap();
        let plurals = Plurals::for_language("en").unwrap();
        for (count, expected) in [(0, "none"), (1, "1 code"), (2, "2 codes"), (2_000_000, "2000000 codes")] {
            let context = FillContext { is_rtl: false, plurals: &plurals, count: Some(count) };
            assert_eq!(pattern.fill(&context, |_| Some(count.to_string())).ok().unwrap().plain, expected);
        }
    }

    #[test]
    fn every_form_of_the_language_must_be_there_and_no_other() {
        let problem = |tag: &str, forms: &[(&str, &str)]| {
            from_plural_forms(forms)
                .unwrap()
                .check_forms(&Plurals::for_language(tag).unwrap())
                .err()
                .unwrap_or_default()
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
    }
}
