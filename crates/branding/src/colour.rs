//! Colours, and whether a reader can tell them apart (WCAG 2.2, success criterion 1.4.3).

use std::fmt;

use i18n::InvalidFile;
use serde::{Serialize, Serializer};

/// The smallest contrast of a text of usual size (WCAG 2.2, 1.4.3).
pub const MIN_CONTRAST: f64 = 4.5;

/// A colour of the sRGB colour space.
#[derive(Clone, Copy)]
pub struct Colour {
    rgb: [u8; 3],
    /// Where it is written in `brand.toml`. A built-in colour has no line.
    line: Option<usize>,
}

/// The colours of an operator. A colour that is not given has the default of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Colours {
    /// Buttons and links.
    pub accent: Option<Colour>,
    /// Text on buttons.
    pub on_accent: Option<Colour>,
    /// The background.
    pub page: Option<Colour>,
    /// The box with the contents.
    pub card: Option<Colour>,
    /// Text.
    pub text: Option<Colour>,
    /// Less important text.
    pub soft: Option<Colour>,
    /// Borders.
    pub line: Option<Colour>,
}

/// All colours for a light or a dark background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Palette {
    /// Buttons and links.
    pub accent: Colour,
    /// Text on buttons.
    pub on_accent: Colour,
    /// The background.
    pub page: Colour,
    /// The box with the contents.
    pub card: Colour,
    /// Text.
    pub text: Colour,
    /// Less important text.
    pub soft: Colour,
    /// Borders.
    pub line: Colour,
}

/// The colours of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Palettes {
    /// For readers who prefer a light background.
    pub light: Palette,
    /// For readers who prefer a dark background.
    pub dark: Palette,
}

type NamedColour = (&'static str, Colour);

impl Colour {
    /// Creates a built-in colour: `Colour::built_in(0x2d55d2)` is `#2d55d2`.
    #[must_use]
    pub const fn built_in(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self { rgb: [red, green, blue], line: None }
    }

    /// Parses `#rrggbb`.
    pub(crate) fn parse(text: &str, line: Option<usize>) -> Result<Self, String> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let mut rgb = [0; 3];
        match digits.map(|digits| hex::decode_to_slice(digits, &mut rgb)) {
            Some(Ok(())) => Ok(Self { rgb, line }),
            _ => Err(format!("{text:?} is not a colour such as \"#0a7d4b\"")),
        }
    }

    /// Returns the contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio").
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Returns the relative luminance, from 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.rgb.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Returns black or white, whichever has more contrast.
    fn readable_on_it(self) -> Self {
        let [black, white] = [Self::built_in(0x00_00_00), Self::built_in(0xff_ff_ff)];
        if self.contrast(black) > self.contrast(white) { black } else { white }
    }
}

/// The same colour, wherever it is written.
impl PartialEq for Colour {
    fn eq(&self, other: &Self) -> bool {
        self.rgb == other.rgb
    }
}

impl Eq for Colour {}

/// `#rrggbb`
impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.rgb;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl fmt::Debug for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Colours {
    /// Returns these colours, and `defaults` for the others.
    ///
    /// # Errors
    /// Returns an error that names two colours of `table` whose contrast is too low.
    pub(crate) fn over(&self, defaults: &Palette, table: &str, path: &str) -> Result<Palette, InvalidFile> {
        let on_accent = self.on_accent.or_else(|| self.accent.map(Colour::readable_on_it));
        let palette = Palette {
            accent: self.accent.unwrap_or(defaults.accent),
            on_accent: on_accent.unwrap_or(defaults.on_accent),
            page: self.page.unwrap_or(defaults.page),
            card: self.card.unwrap_or(defaults.card),
            text: self.text.unwrap_or(defaults.text),
            soft: self.soft.unwrap_or(defaults.soft),
            line: self.line.unwrap_or(defaults.line),
        };
        for ((name, colour), (behind, background)) in palette.pairs() {
            let ratio = colour.contrast(background);
            let Some(line) = colour.line.or(background.line).filter(|_| ratio < MIN_CONTRAST) else { continue };
            // Rounded down: 4.499 is not 4.50.
            let ratio = (ratio * 100.0).floor() / 100.0;
            let problem = format!(
                "{table}: the contrast of {name} ({colour}) on {behind} ({background}) is {ratio:.2}, and must be at \
                 least {MIN_CONTRAST} (WCAG 2.2, 1.4.3)"
            );
            return Err(InvalidFile { file: path.to_owned(), line: Some(line), problem });
        }
        Ok(palette)
    }
}

impl Palette {
    /// Returns each pair of a text and its background.
    fn pairs(&self) -> [(NamedColour, NamedColour); 6] {
        let (page, card) = (("page", self.page), ("card", self.card));
        let (accent, text, soft) = (("accent", self.accent), ("text", self.text), ("soft", self.soft));
        [
            (text, card),
            (text, page),
            (soft, card),
            (soft, page),
            (("on_accent", self.on_accent), accent),
            (accent, card),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Palette = Palette {
        accent: Colour::built_in(0x2d_55_d2),
        on_accent: Colour::built_in(0xff_ff_ff),
        page: Colour::built_in(0xf2_f4_f7),
        card: Colour::built_in(0xff_ff_ff),
        text: Colour::built_in(0x14_1a_24),
        soft: Colour::built_in(0x5d_68_78),
        line: Colour::built_in(0xe1_e5_eb),
    };

    fn colour(text: &str) -> Colour {
        Colour::parse(text, Some(7)).unwrap()
    }

    #[test]
    fn a_colour_has_six_hexadecimal_digits() {
        assert_eq!(colour("#0A7d4b").to_string(), "#0a7d4b");
        assert_eq!(colour("#0a7d4b"), Colour::built_in(0x0a_7d_4b));
        for text in ["", "#", "#fff", "0a7d4b", "#0a7d4", "#0a7d4b0", "#0a7d4g", "red", "#ü0a7d", "#0a7d4b;", "# a7d4b"]
        {
            assert!(Colour::parse(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn the_contrast_is_that_of_wcag() {
        // https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio; the greys are known boundaries on white.
        for (one, two, expected) in [
            ("#000000", "#ffffff", 21.0),
            ("#ffffff", "#ffffff", 1.0),
            ("#777777", "#ffffff", 4.478),
            ("#767676", "#ffffff", 4.542),
            ("#ff0000", "#ffffff", 3.998),
            ("#0000ff", "#ffffff", 8.592),
            ("#00ff00", "#000000", 15.304),
        ] {
            let ratio = colour(one).contrast(colour(two));
            assert!((ratio - expected).abs() < 0.001, "{one} on {two}: {ratio}");
            assert!((colour(two).contrast(colour(one)) - ratio).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn a_colour_that_is_not_given_has_its_default() {
        assert_eq!(Colours::default().over(&DEFAULTS, "", "").unwrap(), DEFAULTS);
        let given = Colours { line: Some(colour("#ffffff")), soft: Some(colour("#000000")), ..Colours::default() };
        let palette = given.over(&DEFAULTS, "", "").unwrap();
        assert_eq!(palette, Palette { line: colour("#ffffff"), soft: colour("#000000"), ..DEFAULTS });
    }

    #[test]
    fn the_text_on_an_accent_is_black_or_white_unless_it_is_given() {
        let dark = Palette {
            card: Colour::built_in(0x14_17_1a),
            page: Colour::built_in(0),
            text: Colour::built_in(0xff_ff_ff),
            soft: Colour::built_in(0xff_ff_ff),
            ..DEFAULTS
        };
        for (defaults, accent, on_accent, expected) in [
            (DEFAULTS, "#0a7d4b", None, "#ffffff"),
            (dark, "#8ab4f8", None, "#000000"),
            (DEFAULTS, "#0a7d4b", Some("#fffff0"), "#fffff0"),
        ] {
            let accent = Some(colour(accent));
            let given = Colours { accent, on_accent: on_accent.map(colour), ..Colours::default() };
            assert_eq!(given.over(&defaults, "", "").unwrap().on_accent, colour(expected));
        }
        // One of the two is always enough.
        for red in 0..=255u32 {
            for blue in (0..=255).step_by(5) {
                let accent = Colour::built_in(red << 16 | (red ^ blue) << 8 | blue);
                assert!(accent.contrast(accent.readable_on_it()) >= MIN_CONTRAST, "{accent}");
            }
        }
    }

    #[test]
    fn two_colours_that_are_hard_to_tell_apart_are_refused_with_the_line_of_the_one_that_is_given() {
        let given = |change: fn(&mut Colours, Colour), text: &str| {
            let mut colours = Colours::default();
            change(&mut colours, colour(text));
            colours.over(&DEFAULTS, "colours.light", "/brand/brand.toml").map(drop).map_err(|error| error.to_string())
        };
        let start = "the file `/brand/brand.toml` is invalid: line 7: colours.light: the contrast of ";
        let end = ", and must be at least 4.5 (WCAG 2.2, 1.4.3)";
        for (change, text, expected) in [
            (
                (|colours, it| colours.text = Some(it)) as fn(&mut Colours, Colour),
                "#999999",
                "text (#999999) on card (#ffffff) is 2.84",
            ),
            (|colours, it| colours.soft = Some(it), "#767676", "soft (#767676) on page (#f2f4f7) is 4.12"),
            (|colours, it| colours.page = Some(it), "#888888", "soft (#5d6878) on page (#888888) is 1.59"),
            (|colours, it| colours.card = Some(it), "#000000", "text (#141a24) on card (#000000) is 1.20"),
            (|colours, it| colours.on_accent = Some(it), "#cccccc", "on_accent (#cccccc) on accent (#2d55d2) is 3.91"),
            (|colours, it| colours.accent = Some(it), "#ffcc00", "accent (#ffcc00) on card (#ffffff) is 1.51"),
        ] {
            assert_eq!(given(change, text), Err(format!("{start}{expected}{end}")));
        }
        assert_eq!(given(|colours, it| colours.line = Some(it), "#ffffff"), Ok(()));
        // The defaults of a service are its own affair.
        assert!(Colours::default().over(&Palette { soft: DEFAULTS.card, ..DEFAULTS }, "", "").is_ok());
    }
}
