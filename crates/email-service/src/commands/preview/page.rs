//! The page with every mail in every language.

use i18n::{TemplateSource, Templates};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::TOKEN;
use crate::renderer::{ExampleMail, RenderError, Renderer};

const PAGE: &str = "page.html";
const STYLES: &str = "page.css";
const PROBLEM: &str = "problem.html";

/// The size of the largest page. It contains every mail in every language.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Every mail in every language.
#[derive(Serialize)]
pub(super) struct PreviewPage {
    product: String,
    pub(super) languages: Vec<PreviewLanguage>,
    pub(super) templates: Vec<PreviewGroup>,
    /// What an operator should know about the brand.
    notes: Vec<String>,
    /// Identifies what a served page shows. `None` for a page that stands alone.
    version: Option<String>,
}

#[derive(Serialize)]
pub(super) struct PreviewLanguage {
    tag: String,
    name: String,
}

/// A kind of mail in one of its cases, in every language.
#[derive(Serialize)]
pub(super) struct PreviewGroup {
    name: String,
    pub(super) mails: Vec<PreviewMail>,
}

#[derive(Serialize)]
pub(super) struct PreviewMail {
    language: String,
    subject: String,
    /// The path of its HTML on the server.
    pub(super) path: String,
    pub(super) html: String,
    text: String,
    html_bytes: usize,
    text_bytes: usize,
    bytes: usize,
}

impl PreviewPage {
    /// Renders all mails.
    pub(super) fn new(renderer: &Renderer) -> Result<Self, RenderError> {
        let languages: Vec<PreviewLanguage> = renderer
            .languages()
            .map(|(tag, name)| PreviewLanguage { tag: tag.to_owned(), name: name.to_owned() })
            .collect();
        let mut templates = Vec::new();
        for example in ExampleMail::all(TOKEN) {
            let mails = languages.iter().map(|language| PreviewMail::new(renderer, example.clone(), &language.tag));
            templates.push(PreviewGroup { name: example.name(), mails: mails.collect::<Result<_, _>>()? });
        }
        let notes = renderer.missing_texts().iter().map(ToString::to_string).collect();
        Ok(Self { product: renderer.product().to_owned(), languages, templates, notes, version: None })
    }

    /// Returns the page as one document that loads nothing.
    pub(super) fn document(&self) -> anyhow::Result<String> {
        Ok(templates()?.render(PAGE, self)?)
    }

    /// Returns the page for the server, which loads its parts from there.
    pub(super) fn served(&mut self) -> anyhow::Result<ServedPage> {
        let mut digest = Sha256::new();
        let languages = self.languages.iter().flat_map(|language| [&language.tag, &language.name]);
        let mails = self.mails().flat_map(|mail| [&mail.path, &mail.subject, &mail.text, &mail.html]);
        for part in languages.chain(mails).chain(&self.notes).chain([&self.product]) {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let version = hex::encode(digest.finalize());
        self.version = Some(version.clone());
        let templates = templates()?;
        Ok(ServedPage { html: templates.render(PAGE, self)?, styles: templates.render(STYLES, self)?, version })
    }

    pub(super) fn mails(&self) -> impl Iterator<Item = &PreviewMail> {
        self.templates.iter().flat_map(|template| &template.mails)
    }

    pub(super) fn into_mails(self) -> impl Iterator<Item = PreviewMail> {
        self.templates.into_iter().flat_map(|template| template.mails)
    }
}

/// A page for the server, with its style sheet.
pub(super) struct ServedPage {
    pub(super) html: String,
    pub(super) styles: String,
    /// Identifies what the page shows.
    pub(super) version: String,
}

impl ServedPage {
    /// Returns the page that says why there are no mails.
    pub(super) fn of_problem(problem: &str) -> anyhow::Result<Self> {
        #[derive(Serialize)]
        struct Values<'a> {
            problem: &'a str,
            version: &'a str,
            languages: [PreviewLanguage; 0],
        }
        let version = hex::encode(Sha256::digest(problem));
        let (templates, values) = (templates()?, Values { problem, version: &version, languages: [] });
        Ok(Self { html: templates.render(PROBLEM, &values)?, styles: templates.render(STYLES, &values)?, version })
    }
}

impl PreviewMail {
    fn new(renderer: &Renderer, example: ExampleMail, language: &str) -> Result<Self, RenderError> {
        let path = format!("/mails/{}/{language}", example.name());
        let composed = renderer.compose(&example.in_language(language).content())?;
        Ok(Self {
            language: language.to_owned(),
            subject: composed.subject,
            path,
            html_bytes: composed.html.len(),
            text_bytes: composed.text.len(),
            html: renderer.with_image_as_data(composed.html),
            text: composed.text,
            bytes: composed.message.as_bytes().len(),
        })
    }
}

fn templates() -> anyhow::Result<Templates> {
    let sources = [
        (PAGE, TemplateSource::new(PAGE, include_str!("../../../templates/preview/page.html"))),
        (STYLES, TemplateSource::new(STYLES, include_str!("../../../templates/preview/page.css"))),
        (PROBLEM, TemplateSource::new(PROBLEM, include_str!("../../../templates/preview/problem.html"))),
    ];
    Ok(Templates::new(sources)?.with_max_bytes(MAX_BYTES))
}
