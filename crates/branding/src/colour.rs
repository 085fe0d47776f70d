//! Colours, and whether a reader can tell them apart (WCAG 2.2, success criterion 1.4.3).

use std::fmt;

use i18n::InvalidFile;
use serde::{Serialize, Serializer};

/// The smallest contrast of a text of usual size (WCAG 2.2, 1.4.3).
const MIN_CONTRAST: f64 = 4.5;

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
    fn pairs(&self) -> [((&'static str, Colour), (&'static str, Colour)); 6] {
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
