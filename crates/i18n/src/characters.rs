//! Characters that a reader does not see, and characters of words, by their properties in Unicode; texts on one line.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, JoinControl, VariationSelector},
};

use super::bidi;

/// Returns whether a character has no shape of its own: `Default_Ignorable_Code_Point`, which includes every
/// bidirectional control and zero-width character, and the interlinear annotations (U+FFF9 to U+FFFB), which hide the
/// text between them. White space and control characters have classes of their own.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c) || matches!(c, '\u{FFF9}'..='\u{FFFB}')
}

/// Returns whether an invisible character changes the shape of the characters beside it, so that names in some scripts,
/// and emoji, are wrong without it: the joiners and the variation selectors.
#[must_use]
pub fn is_joiner_or_selector(c: char) -> bool {
    CodePointSetData::new::<JoinControl>().contains(c) || CodePointSetData::new::<VariationSelector>().contains(c)
}

/// Returns whether words consist of such characters: the letters of all scripts and their marks, without digits and
/// symbols.
#[must_use]
pub fn is_letter_or_mark(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Mark).contains(category)
}

/// Checks that a text is not empty, has no space around it, and is on one line.
pub(crate) fn check_line(text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.trim() != text {
        return Err(format!("{text:?} is empty, or has spaces around it"));
    }
    let breaks_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.chars().any(|c| breaks_line(c) || bidi::isolate_depth_change(c) != 0) {
        return Err(format!("{text:?} contains a line break or control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_hide_or_reorder_a_text_are_invisible() {
        for c in
            ['\u{AD}', '\u{34F}', '\u{61C}', '\u{115F}', '\u{1160}', '\u{17B4}', '\u{180E}', '\u{3164}', '\u{FEFF}']
                .into_iter()
                .chain('\u{200B}'..='\u{200F}')
                .chain('\u{202A}'..='\u{202E}')
                .chain('\u{2060}'..='\u{206F}')
                .chain('\u{FFF0}'..='\u{FFFB}')
                .chain('\u{1BCA0}'..='\u{1BCA3}')
                .chain('\u{1D173}'..='\u{1D17A}')
                .chain('\u{E0000}'..='\u{E0FFF}')
        {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in ['a', ' ', '\n', '\u{301}', '\u{3000}', '李', '👩', '\u{FFFC}', '\u{FFFD}'] {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn letters_and_marks_are_those_of_all_scripts_and_no_digit_or_symbol_is_among_them() {
        for c in ['a', 'Š', 'ß', '李', 'ー', 'م', 'ن', '\u{301}', '\u{94D}', 'ก'] {
            assert!(is_letter_or_mark(c), "{c:?}");
        }
        for c in ['1', '٣', '²', 'Ⅷ', 'ⓐ', '①', '.', '@', '/', ' ', '€', '👩', '\u{200D}', '\n'] {
            assert!(!is_letter_or_mark(c), "{c:?}");
        }
    }

    #[test]
    fn joiners_and_selectors_are_invisible_and_no_other_invisible_character_shapes_its_neighbours() {
        for c in ['\u{200C}', '\u{200D}', '\u{FE0F}', '\u{180B}', '\u{E0100}'] {
            assert!(is_invisible(c) && is_joiner_or_selector(c), "{c:?}");
        }
        for c in ['\u{200B}', '\u{200E}', '\u{202E}', '\u{2060}', '\u{FEFF}', '\u{E0041}', '\u{180E}'] {
            assert!(!is_joiner_or_selector(c), "{c:?}");
        }
    }
}
