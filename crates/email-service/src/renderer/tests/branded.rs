//! Mails with the brand of an operator: what it adds, what it cannot change, and how its errors are found.

use std::{fs, path::Path};

use branding::Branding;
use tempfile::TempDir;

use super::*;

/// A PNG image of one pixel.
const LOGO: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";

const BRAND: &str = r##"
product = "Acme Cloud"
logo = "logo.png"
support = "help@acme.example"
links = [{ text = "Help centre", url = "https://help.acme.example/?a=1&b=2" }, { text = "Privacy", url = "https://acme.example/privacy" }]
postal_address = ["Acme Cloud Ltd", "1 Example Road, London"]
[colours.light]
accent = "#0a7d4b"
page = "#f1f6f3"
[colours.dark]
accent = "#4fd19a"
"##;

/// A folder of a brand.
struct Folder(TempDir);

impl Folder {
    /// Creates a folder with these files and the logo.
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        if files.iter().any(|(_, text)| text.contains("logo.png")) {
            fs::write(folder.path().join("logo.png"), LOGO).unwrap();
        }
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn renderer(&self) -> Result<Renderer, RenderError> {
        Self::made_by(Renderer::new, self)
    }

    fn unchecked(&self) -> Renderer {
        Self::made_by(Renderer::unchecked, self).unwrap()
    }

    fn made_by(
        make: fn(Mailbox, Url, &Branding) -> Result<Renderer, RenderError>,
        folder: &Self,
    ) -> Result<Renderer, RenderError> {
        let (from, base) = ("Acme <no-reply@acme.example>", "https://accounts.acme.example");
        make(from.parse().unwrap(), base.parse().unwrap(), &Branding::read(folder.path())?)
    }

    /// Returns why the brand is refused, without the path of the folder.
    fn problem(&self) -> String {
        let error = self.renderer().err().expect("the brand is refused");
        error.to_string().replace(&format!("{}/", self.path().display()), "")
    }
}

fn branded(brand: &str) -> Renderer {
    Folder::new(&[("brand.toml", brand)]).renderer().unwrap()
}

fn welcome(renderer: &Renderer) -> ComposedMail {
    renderer.compose(&example(Template::Welcome).content()).unwrap()
}

#[test]
fn a_branded_mail_has_logo_colours_product_support_links_and_postal_address_in_both_parts() {
    let renderer = branded(BRAND);
    for (language, title, mail) in every_mail_in_every_language(&renderer) {
        let mail = renderer.compose(&mail.content()).unwrap();
        let (text, html) = (&mail.text, &mail.html);
        let title = format!("{title} in {language}");
        for shown in [
            "Acme Cloud",
            "help@acme.example",
            "Help centre",
            "Privacy",
            "https://acme.example/privacy",
            "Acme Cloud Ltd",
            "1 Example Road, London",
        ] {
            assert!(text.contains(shown) && html.contains(shown), "{title}: {shown}");
        }
        assert!(text.contains("https://help.acme.example/?a=1&b=2\n"), "{title}");
        assert!(html.contains("href=\"https://help.acme.example/?a=1&amp;b=2\""), "{title}");
        assert!(html.contains("href=\"mailto:help@acme.example\""), "{title}");
        for colour in ["#f1f6f3", "#4fd19a"] {
            assert!(html.contains(colour), "{title}: {colour}");
        }
        assert_eq!(html.contains("#0a7d4b"), text.contains(TOKEN), "{title}: the colour of the button");
        // White on this dark accent, black on the light one, and none of the built-in accents.
        assert!(html.contains(".button-back, .button { color: #000000 !important; }"), "{title}");
        for colour in ["#2d55d2", "#3d66e0", "#93b4ff", "#f2f4f7"] {
            assert!(!html.contains(colour), "{title}: {colour}");
        }
        let tags = tags(html);
        assert_eq!(tags.iter().filter(|tag| tag.starts_with("img ")).count(), 1, "{title}");
        assert!(!tags.iter().any(|tag| tag.starts_with("td class=\"button-back\" aria-hidden")), "{title}");
        assert_well_formed(mail.message.as_bytes());
    }
}

#[test]
fn the_logo_is_a_part_of_the_mail_that_the_html_names_and_no_mail_loads_anything() {
    let renderer = branded(BRAND);
    let mail = welcome(&renderer);
    let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
    assert_eq!(parsed.ctype.mimetype, "multipart/alternative");
    let [text, related] = parsed.subparts.as_slice() else { panic!("other parts") };
    assert_eq!((text.ctype.mimetype.as_str(), related.ctype.mimetype.as_str()), ("text/plain", "multipart/related"));
    assert_eq!(related.ctype.params["type"], "text/html");
    let [html, image] = related.subparts.as_slice() else { panic!("other parts") };
    assert_eq!(html.get_body().unwrap().replace("\r\n", "\n").trim_end(), mail.html.trim_end());
    assert_eq!(image.ctype.mimetype, "image/png");
    assert_eq!(image.get_body_raw().unwrap(), LOGO);
    let id = image.headers.get_first_value("Content-ID").unwrap();
    let id = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap();
    assert!(id.ends_with("@acme.example"), "{id}");
    assert_eq!(mail.html.matches("<img src=").count(), 1);
    assert!(mail.html.contains(&format!("<img src=\"cid:{id}\"")));
    assert_eq!(image.headers.get_first_value("Content-Disposition").unwrap(), "inline; filename=\"logo.png\"");
    assert!(!mail.html.contains("url(") && !mail.html.contains("src=\"http"));
    // A wide logo must not make the mail wider than a phone.
    assert!(
        mail.html
            .contains(".logo { height: auto !important; max-height: 40px !important; max-width: 100% !important; }")
    );
    assert!(!welcome(&branded("product = \"Acme\"\n")).html.contains(".logo"));
    // Both boundaries are in the message, and neither is a part of the other.
    let [outer, inner] = [&parsed, related].map(|part| part.ctype.params["boundary"].clone());
    assert!(!outer.contains(&inner) && !inner.contains(&outer));

    let shown = renderer.with_image_as_data(mail.html);
    assert!(shown.contains("<img src=\"data:image/png;base64,iVBOR") && !shown.contains("cid:"));
}

#[test]
fn a_branded_mail_that_is_sent_again_has_the_same_bytes() {
    let mail = example(Template::PasswordReset);
    let folder = Folder::new(&[("brand.toml", BRAND)]);
    let compose = || folder.unchecked().compose(&mail.content()).unwrap().message;
    assert_eq!(compose(), compose());
}

#[test]
fn a_brand_without_any_value_changes_no_byte() {
    let (branded, built_in) = (branded(""), renderer());
    for (language, title, mail) in every_mail_in_every_language(&built_in) {
        let [branded, built_in] =
            [&branded, &built_in].map(|renderer| renderer.compose(&mail.content()).unwrap().message);
        assert!(branded == built_in, "{title} in {language}");
    }
}

#[test]
fn each_value_of_a_brand_may_be_missing_or_stand_alone() {
    let folder = Folder::new(&[("brand.toml", BRAND)]);
    for line in BRAND.lines().filter(|line| !line.is_empty()).take(5) {
        for brand in [BRAND.replace(line, ""), line.to_owned()] {
            folder.write("brand.toml", &brand);
            let logo = folder.path().join("logo.png");
            let _ = fs::remove_file(&logo);
            if brand.contains("logo.png") {
                fs::write(logo, LOGO).unwrap();
            }
            let renderer = folder.unchecked();
            for (title, mail) in every_mail_in_every_case() {
                let mail = renderer.compose(&mail.content()).unwrap();
                let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
                let has_logo = parsed.subparts[1].ctype.mimetype == "multipart/related";
                assert_eq!(has_logo, brand.contains("logo.png"), "{title}: {brand}");
                assert_eq!(mail.html.contains("<img "), brand.contains("logo.png"), "{title}: {brand}");
                for (shown, key) in [
                    ("help@acme.example", "support"),
                    ("Help centre", "links"),
                    ("Example Road", "postal"),
                    ("Acme Cloud\n", "product"),
                ] {
                    assert_eq!(mail.text.contains(shown), brand.contains(key), "{title}: {brand}\n{}", mail.text);
                }
                assert!(!mail.text.contains("\n\n\n") && !mail.text.ends_with('\n'), "{title}: {brand}\n{}", mail.text);
            }
        }
    }
}

#[test]
fn a_hostile_product_link_address_or_text_changes_no_structure_of_the_html() {
    const HOSTILE: &str = "\\\"'><script>alert(1)</script><!-- &amp; --> </td>";
    let brand = |text: &str| {
        format!(
            "product = \"{text}\"\nsupport = \"https://acme.example/\"\nlinks = [{{ text = \"{text}\", url = \
             \"https://acme.example/?q={text}\" }}]\npostal_address = [\"{text}\"]"
        )
    };
    let catalogue = |text: &str| {
        format!(
            "[common]\nautomatic = \"{text}\"\nsupport = \"{text}: {{support}}\"\n[mails.welcome]\nheading = \"{text}\"\nsubject = \"{text}\"\n"
        )
    };
    let with = |text: &str, catalogue_text: &str| {
        let files = [("brand.toml", brand(text)), ("catalogues/en.toml", catalogue(catalogue_text))];
        Folder::new(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).renderer().unwrap()
    };
    let (plain, hostile) = (with("Acme", "Text"), with(HOSTILE, HOSTILE));
    for (title, mail) in every_mail_in_every_case() {
        let [plain, hostile] = [&plain, &hostile].map(|renderer| renderer.compose(&mail.content()).unwrap());
        let names = |html: &str| -> Vec<String> {
            tags(html).iter().map(|tag| tag.split(' ').next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(names(&hostile.html), names(&plain.html), "{title}");
        assert!(hostile.html.contains("&lt;script&gt;") && !hostile.html.contains("<script"), "{title}");
        assert!(hostile.text.contains("<script>"), "{title}: the text part is not HTML");
        assert_eq!(hostile.html.matches("href=").count(), plain.html.matches("href=").count(), "{title}");
        let parsed = mailparse::parse_mail(hostile.message.as_bytes()).unwrap();
        assert_eq!(header_names(&parsed), header_names_of(&plain), "{title}");
        assert_well_formed(hostile.message.as_bytes());
    }
}

#[test]
fn an_own_layout_and_own_texts_are_used_in_both_parts() {
    let folder = Folder::new(&[
        ("brand.toml", BRAND),
        (
            "mail.html",
            "<h1 title=\"{{ mail.product }}\">{{ mail.heading.plain }}</h1>{% if mail.link %}<a href=\"{{ mail.link.url }}\">{% endif %}",
        ),
        ("mail.txt", "{{ mail.heading.plain|wrap }} & {% if mail.link %}{{ mail.link.url }}{% endif %}"),
        ("catalogues/en.toml", "[mails.welcome]\nheading = \"Hi & welcome\"\n"),
    ]);
    let mail = welcome(&folder.renderer().unwrap());
    let url = format!("https://accounts.acme.example/verify-email?token={TOKEN}");
    assert_eq!(mail.html, format!("<h1 title=\"Acme Cloud\">Hi &amp; welcome</h1><a href=\"{url}\">"));
    assert_eq!(mail.text, format!("Hi & welcome & {url}"));
    // This layout does not show the logo, so it is not sent.
    let parsed = mailparse::parse_mail(mail.message.as_bytes()).unwrap();
    assert_eq!(parsed.subparts[1].ctype.mimetype, "text/html");
}

#[test]
fn a_new_language_is_used_and_its_missing_texts_are_english() {
    let swedish = r#"
[language]
name = "Svenska"
direction = "ltr"
[language.dates]
format = "{day} {month} {year} kl. {hour}:{minute} (UTC)"
months = ["jan", "feb", "mar", "apr", "maj", "jun", "jul", "aug", "sep", "okt", "nov", "dec"]
[common]
greeting_neutral = "Hej,"
"#;
    let renderer = Folder::new(&[("catalogues/sv.toml", swedish)]).renderer().unwrap();
    assert!(renderer.languages().any(|language| language == ("sv", "Svenska")));
    let mail = renderer.compose(&example(Template::Welcome).in_language("sv-SE").content()).unwrap();
    assert!(mail.html.contains("<html lang=\"sv\"") && mail.text.starts_with("Hej,\n"), "{}", mail.text);
    assert!(
        mail.text.contains("Your account is ready") && mail.text.contains("25 nov 2026 kl. 20:10"),
        "{}",
        mail.text
    );
    let [missing] = renderer.missing_texts() else { panic!("one note") };
    assert!(missing.to_string().contains("sv.toml"), "{missing}");
}

#[test]
fn a_layout_that_fails_for_any_mail_in_any_case_or_language_is_refused_with_its_line() {
    let in_layout = |template: &str| Folder::new(&[("mail.html", template)]).problem();
    let link = "{% if mail.link %}{{ mail.link.url }}{% endif %}";
    for (template, expected) in [
        ("\n{% if mail %}".to_owned(), "the file `mail.html` is invalid: line 2: "),
        (format!("{link}\n{{{{ mail.nothing }}}}"), "the file `mail.html` is invalid: line 2: undefined value"),
        (format!("{link}\n{{{{ brand.support.url }}}}"), "line 2: undefined value"),
        // Only some mails have details, and only some have no link.
        (
            format!("{link}\n\n{{% for detail in mail.details %}}{{{{ detail.none }}}}{{% endfor %}}"),
            "line 3: undefined value",
        ),
        ("{{ mail.link.url }}".to_owned(), "line 1: undefined value"),
        // Only in Japanese.
        (format!("{link}{{% if mail.language == 'ja' %}}{{{{ nothing }}}}{{% endif %}}"), "in the language `ja`"),
        (
            format!("{link}{{% for _ in range(99999) %}}{{% for _ in range(99999) %}}x{{% endfor %}}{{% endfor %}}"),
            "the file `mail.html` is invalid",
        ),
        ("<p>no link</p>".to_owned(), "mail.link.url is not shown"),
        (format!("{link}<p title={{{{ mail.greeting.plain }}}}>"), "a value in an attribute needs quotation marks"),
        (
            format!("{link}{{% for detail in mail.details %}}<p title={{{{ detail.value.plain }}}}>{{% endfor %}}"),
            "(in the mail `new-sign-in`",
        ),
        (
            format!(
                "{link}{{% autoescape false %}}<p title='{{{{ mail.greeting.plain|safe }}}}'>{{% endautoescape %}}"
            ),
            "line 1: ",
        ),
    ] {
        let problem = in_layout(&template);
        assert!(problem.contains(expected), "{template}: {problem}");
        assert!(!problem.contains("Ada") && !problem.contains("ada@"), "{problem}");
    }
    let in_text = Folder::new(&[("mail.txt", "{{ mail.subject }}")]).problem();
    assert!(in_text.starts_with("the file `mail.txt` is invalid: a mail has a link"), "{in_text}");
}

#[test]
fn a_text_without_its_placeholder_or_with_a_wrong_one_is_refused_with_its_line() {
    for (catalogue, expected) in [
        ("[mails.welcome]\nsubject = \"Welcome to {produkt}\"", "the file `catalogues/en.toml` is invalid: line 2: "),
        ("[common]\n\nsupport = \"Write to us\"", "line 3: common.support: {support} is missing"),
        ("[common]\nsupport = \"{product}: {support}\"", "common.support: {product} has no value here"),
        ("[mails.farewell]\nsubject = \"x\"", "line 1: "),
    ] {
        let problem = Folder::new(&[("catalogues/en.toml", catalogue)]).problem();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn a_layout_that_fails_later_is_replaced_by_the_built_in_one_for_this_mail() {
    // No example has this name, so the check does not find it.
    let layout = "{{ mail.greeting.plain }}{% if mail.link %}{{ mail.link.url }}{% endif %}\n\
                  {% if 'oom' in mail.greeting.plain %}{{ nothing }}{% endif %}";
    let folder = Folder::new(&[("brand.toml", BRAND), ("mail.html", layout), ("mail.txt", layout)]);
    let renderer = folder.renderer().unwrap();
    let reset = |name: &str| {
        let mut mail = example(Template::PasswordReset);
        mail.facts.display_name = Some(name.to_owned());
        renderer.compose(&mail.content()).unwrap()
    };
    let (usual, failed) = (reset("Ada"), reset("Boom"));
    assert!(usual.brand_failure.is_none() && usual.html.starts_with("Hello Ada,"));
    let failure = failed.brand_failure.as_ref().expect("the layout has failed").to_string();
    assert!(failure.contains("mail.txt` is invalid: line 2") && !failure.contains("Boom"), "{failure}");
    // Both parts are built in, and still have the brand.
    assert!(failed.html.starts_with("<!DOCTYPE html>") && failed.html.contains("<bdi>Boom</bdi>"));
    assert!(failed.html.contains("#0a7d4b") && failed.html.contains("cid:logo."));
    assert!(failed.text.contains("Acme Cloud Ltd") && failed.text.contains("reset-password?token="));
}

/// Templates at which minijinja panics, or takes a recursion for each of 20,000 lists.
const BREAKING: [&str; 4] = [
    "{% for x in [1] %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in range(9223372036854775807, -9223372036854775807, -1) %}{% endfor %}",
    "{{ [1][(-9223372036854775807 - 1)::(-9223372036854775807 - 1)] }}",
    "{% set ns = namespace(x=1) %}{% for i in range(19000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ nothing }}",
];

#[test]
fn a_layout_that_panics_or_nests_deeply_is_refused_and_stops_no_mail() {
    for breaking in BREAKING {
        let folder = Folder::new(&[("mail.html", breaking)]);
        assert!(folder.problem().starts_with("the file `mail.html` is invalid: "), "{breaking}");
        let mail = example(Template::PasswordReset);
        let composed = folder.unchecked().compose(&mail.content()).unwrap();
        assert!(composed.brand_failure.is_some(), "{breaking}");
        assert_eq!(composed.message, super::renderer().compose(&mail.content()).unwrap().message, "{breaking}");
    }
}

#[test]
fn an_unchecked_layout_that_always_fails_stops_no_mail() {
    let renderer = Folder::new(&[("mail.html", "{{ nothing }}")]).unchecked();
    let built_in = super::renderer();
    for (title, mail) in every_mail_in_every_case() {
        let composed = renderer.compose(&mail.content()).unwrap();
        assert!(composed.brand_failure.is_some(), "{title}");
        assert_eq!(composed.message, built_in.compose(&mail.content()).unwrap().message, "{title}");
    }
}

#[test]
fn colours_are_checked_with_the_built_in_ones_that_stay() {
    for (brand, expected) in [
        ("[colours.light]\ncard = \"#5d6878\"", "colours.light: the contrast of text"),
        ("[colours.dark]\naccent = \"#202020\"", "colours.dark: the contrast of accent"),
        ("[colours.light]\naccent = \"#0a7d4b\"\non_accent = \"#0a7d4c\"", "on_accent"),
    ] {
        let problem = Folder::new(&[("brand.toml", brand)]).problem();
        assert!(
            problem.starts_with("the file `brand.toml` is invalid: line ") && problem.contains(expected),
            "{problem}"
        );
    }
    // A dark card with light texts is possible in the light scheme, too; then the panel is as the page, whose contrast was checked.
    let brand = "[colours.light]\ncard = \"#101820\"\npage = \"#000000\"\ntext = \"#ffffff\"\nsoft = \"#cccccc\"\naccent = \"#ffcc00\"\nline = \"#333333\"";
    let mut mail = example(Template::EmailChanged);
    mail.facts.locale = None;
    let html = branded(brand).compose(&mail.content()).unwrap().html;
    assert!(html.contains(
        "class=\"panel\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" bgcolor=\"#000000\""
    ));
    let (head, body) = html.split_once("<body").unwrap();
    for colour in ["#f5f7fa", "#141a24", "#3a4352", "#e1e5eb", "#5d6878", "#2d55d2"] {
        assert!(!body.contains(colour), "{colour}");
    }
    // The dark scheme is as usual, but the button has black text in the light one.
    assert!(head.contains(".button-back { background: #3d66e0 !important; }"));
    assert!(head.contains(".button-back, .button { color: #ffffff !important; }") && body.contains("color:#000000"));
}

#[test]
fn a_right_to_left_mail_isolates_what_the_brand_adds() {
    let mail = branded(BRAND).compose(&example(Template::Welcome).in_language("ar").content()).unwrap();
    assert!(mail.html.contains("<bdi>Help centre</bdi>") && mail.html.contains("<bdi>1 Example Road, London</bdi>"));
    assert!(mail.html.contains("dir=\"ltr\" href=\"mailto:help@acme.example\""));
    assert!(mail.text.contains("\u{2066}help@acme.example\u{2069}"), "{}", mail.text);
}
