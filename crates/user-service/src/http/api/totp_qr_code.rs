//! Renders a text as a QR code in SVG: dark on light with a quiet zone, one rectangle and one path, without script.
//! Suitable for an `<img>`.

use qrcode::{QrCode, render::svg, types::QrError};
use secrecy::{ExposeSecret, SecretString};

/// The width of one module in pixels, at the default size of the SVG.
const MODULE: u32 = 4;

/// Returns the element of an SVG document that [`svg`] returned, for a page that contains it.
pub(in crate::http) fn element(document: &SecretString) -> &str {
    let text = document.expose_secret();
    text.find("<svg").map_or(text, |start| &text[start..])
}

/// Renders `text` as an SVG document.
///
/// # Errors
/// Returns an error if the text does not fit into a QR code (2.3 KB).
pub(in crate::http) fn svg(text: &SecretString) -> Result<SecretString, QrError> {
    let code = QrCode::new(text.expose_secret())?;
    let drawn = code.render::<svg::Color<'_>>().quiet_zone(true).module_dimensions(MODULE, MODULE).build();
    Ok(drawn.into())
}

#[cfg(test)]
mod tests {
    use qrcode::Color;

    use super::*;

    const TEXT: &str = "otpauth://totp/Acme:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme";

    fn drawn(text: &str) -> String {
        svg(&text.to_owned().into()).unwrap().expose_secret().to_owned()
    }

    /// Returns for each module whether the path fills it; `border` is the width of the quiet zone in modules.
    fn dark_modules(svg: &str, width: usize, border: usize) -> Vec<bool> {
        let path = svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        let size = width + 2 * border;
        let mut dark = vec![false; size * size];
        // Each rectangle is `M{left} {top}h{width}v{height}H{left}V{top}`.
        for rectangle in path.split('M').skip(1) {
            let numbers: Vec<usize> = rectangle
                .split(|c: char| !c.is_ascii_digit())
                .filter(|part| !part.is_empty())
                .map(|part| part.parse::<usize>().unwrap() / MODULE as usize)
                .collect();
            let [left, top, wide, high, ..] = numbers[..] else { panic!("{rectangle}") };
            for y in top..top + high {
                dark[y * size + left..y * size + left + wide].fill(true);
            }
        }
        dark
    }

    #[test]
    fn the_svg_shows_the_matrix_with_a_quiet_zone_of_four_modules() {
        let code = QrCode::new(TEXT).unwrap();
        let (width, border) = (code.width(), 4);
        let modules = dark_modules(&drawn(TEXT), width, border);
        let size = width + 2 * border;
        for y in 0..size {
            for x in 0..size {
                let inside = (border..border + width).contains(&x) && (border..border + width).contains(&y);
                let expected = inside && code[(x - border.min(x), y - border.min(y))] == Color::Dark;
                assert_eq!(modules[y * size + x], expected, "module {x}, {y}");
            }
        }
    }

    #[test]
    fn the_svg_is_dark_on_light_without_script_or_links() {
        let svg = drawn(TEXT);
        assert!(svg.contains(r##"fill="#fff""##) && svg.contains(r##"fill="#000""##), "{svg}");
        assert!(svg.ends_with("</svg>"));
        for foreign in ["script", "href", "url(", "<image", "secret", " on"] {
            assert!(!svg.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn the_element_is_the_document_without_its_declaration() {
        let document = svg(&TEXT.to_owned().into()).unwrap();
        let element = element(&document);
        assert!(element.starts_with("<svg ") && element.ends_with("</svg>") && !element.contains("<?"));
        assert!(!element.contains("style"), "the policy of the pages blocks it");
        assert!(document.expose_secret().ends_with(element));
    }

    #[test]
    fn the_longest_possible_uri_fits() {
        let longest = format!("otpauth://totp/{}", "x".repeat(3 * (254 + 2 * 253)));
        assert!(drawn(&longest).len() > 1_000);
    }
}
