//! From a mail's content to its texts, and from the texts to the message.

use i18n::{Catalogue, FilledText, InvalidFile, Placeholder as _};

use super::{
    ComposedMail, MailContent, RenderError, Renderer, address,
    catalogue::{CatalogueTexts, DetailTexts, MailTexts, MessagePattern},
    layout::{DetailView, LayoutValues, LinkView, MailView, Parts},
    link::{LinkTarget, link_target},
    message::{self, MessageInput},
    message_case::case_of,
    network,
    placeholders::Placeholder,
    sanitize,
};
use crate::plan::MailFacts;

/// The contents of a mail, without its headers.
pub(super) struct RenderedMail {
    pub(super) subject: String,
    pub(super) parts: Parts,
    /// The URL of the link.
    pub(super) link_url: Option<String>,
    /// Why the layout of the brand could not render this mail.
    pub(super) brand_failure: Option<InvalidFile>,
}

impl Renderer {
    /// Renders the whole mail. The same content gives the same bytes, so a mail that is sent again
    /// is identical unless the brand was reloaded meanwhile.
    ///
    /// # Errors
    /// Returns an error if the recipient's address or the message id is invalid, or a value that
    /// this template needs is missing.
    pub fn compose(&self, mail: &MailContent<'_>) -> Result<ComposedMail, RenderError> {
        let facts = mail.facts;
        let to = address::normalize(&facts.to)?;
        let RenderedMail { subject, parts: Parts { text, html }, brand_failure, .. } = self.render(mail)?;
        let (envelope, message) = message::build(MessageInput {
            from: &self.from,
            to,
            to_name: display_name(facts).and_then(sanitize::clean_name),
            subject: &subject,
            date: mail.date,
            message_id: mail.message_id,
            language: &self.catalogue(facts).language.tag,
            text: &text,
            html: &html,
            // The layout of the brand may leave it out.
            image: self.brand.logo.as_ref().filter(|logo| html.contains(&logo.url())),
        })?;
        Ok(ComposedMail { subject, envelope, message, text, html, brand_failure })
    }

    /// Renders subject, text and HTML.
    pub(super) fn render(&self, mail: &MailContent<'_>) -> Result<RenderedMail, RenderError> {
        let catalogue = self.catalogue(mail.facts);
        let texts = Texts::new(self, mail, catalogue, display_name(mail.facts));
        let brand = self.brand.view(|| texts.fill(&catalogue.texts.common.support))?;
        let values = LayoutValues { mail: texts.view()?, brand };
        let (parts, brand_failure) = self.layouts.render(&values)?;
        let LayoutValues { mail: MailView { subject, link, .. }, .. } = values;
        Ok(RenderedMail { subject, parts, link_url: link.map(|link| link.url), brand_failure })
    }

    fn catalogue(&self, facts: &MailFacts) -> &Catalogue<CatalogueTexts> {
        self.catalogues.for_locale(facts.locale.as_deref())
    }
}

/// Returns the name of the recipient, for a kind of mail that names it: rows of earlier releases have it for every kind.
fn display_name(facts: &MailFacts) -> Option<&str> {
    facts.display_name.as_deref().filter(|_| facts.template.names_recipient())
}

/// Fills the patterns of one mail.
struct Texts<'a> {
    renderer: &'a Renderer,
    mail: &'a MailContent<'a>,
    catalogue: &'a Catalogue<CatalogueTexts>,
    texts: MailTexts<'a>,
    greeting_name: Option<String>,
}

impl<'a> Texts<'a> {
    fn new(
        renderer: &'a Renderer,
        mail: &'a MailContent<'a>,
        catalogue: &'a Catalogue<CatalogueTexts>,
        display_name: Option<&str>,
    ) -> Self {
        Texts {
            renderer,
            mail,
            catalogue,
            texts: catalogue.texts.of_mail(mail.facts.template, case_of(mail)),
            greeting_name: sanitize::name_in_sentence(display_name),
        }
    }

    fn view(&self) -> Result<MailView, RenderError> {
        let (texts, language, common) = (self.texts, &self.catalogue.language, &self.catalogue.texts.common);
        let greeting = match self.greeting_name {
            Some(_) => &common.greeting,
            None => &common.greeting_neutral,
        };
        Ok(MailView {
            language: language.tag.clone(),
            is_rtl: language.is_rtl,
            fonts: language.fonts.iter().map(|family| format!("{family},")).collect(),
            colon: common.colon.clone(),
            colon_at_end: common.colon.trim_end().to_owned(),
            product: self.renderer.product.clone(),
            subject: self.fill(texts.subject)?.plain,
            preheader: self.fill(texts.preheader)?.plain,
            heading: self.fill(texts.heading)?,
            greeting: self.fill(greeting)?,
            paragraphs: self.fill_all(texts.paragraphs)?,
            details: self.details()?,
            link: self.link()?,
            not_you_title: self.fill(texts.not_you_title.unwrap_or(&common.not_you))?.plain,
            not_you: self.fill(texts.not_you)?,
            reason: self.fill(texts.reason.unwrap_or(&common.reason))?,
            automatic: self.fill(&common.automatic)?.plain,
        })
    }

    fn details(&self) -> Result<Vec<DetailView>, RenderError> {
        let fill = |detail: &DetailTexts| {
            Ok(DetailView { label: self.fill(&detail.label)?.plain, value: self.fill(&detail.value)? })
        };
        self.texts.details.iter().map(fill).collect()
    }

    fn link(&self) -> Result<Option<LinkView>, RenderError> {
        let Some(texts) = self.texts.link else {
            return Ok(None);
        };
        let (page, link) = match (link_target(self.mail.facts.template), self.mail.link) {
            (LinkTarget::Nothing, _) | (LinkTarget::PageIfToken(_), None) => return Ok(None),
            (LinkTarget::Page(_), None) => return Err(self.missing("link_token")),
            (LinkTarget::Page(page) | LinkTarget::PageIfToken(page), Some(link)) => (page, link),
        };
        Ok(Some(LinkView {
            paragraphs: self.fill_all(&texts.paragraphs)?,
            button: self.fill(&texts.button)?.plain,
            url: self.renderer.links.to(page, link.token),
            fallback: self.fill(&self.catalogue.texts.common.link_fallback)?.plain,
            expiry: self.fill(&texts.expiry)?,
        }))
    }

    fn fill_all(&self, patterns: &[MessagePattern]) -> Result<Vec<FilledText>, RenderError> {
        patterns.iter().map(|pattern| self.fill(pattern)).collect()
    }

    fn fill(&self, pattern: &MessagePattern) -> Result<FilledText, RenderError> {
        let count = self.mail.facts.values.remaining;
        pattern
            .fill(&self.catalogue.language, count, |placeholder| self.value(placeholder))
            .map_err(|placeholder| self.missing(placeholder.as_str()))
    }

    fn value(&self, placeholder: Placeholder) -> Option<String> {
        let (facts, values) = (self.mail.facts, &self.mail.facts.values);
        let format = |at| self.catalogue.language.dates.format(at);
        match placeholder {
            Placeholder::Product => Some(self.renderer.product.clone()),
            Placeholder::To => sanitize::clean_address(&facts.to),
            Placeholder::Name => self.greeting_name.clone(),
            Placeholder::EventTime => Some(format(facts.event_time)),
            Placeholder::LinkExpiresAt => self.mail.link.map(|link| format(link.expires_at)),
            Placeholder::NewEmail => values.new_email.as_deref().and_then(sanitize::clean_address),
            Placeholder::OldEmail => values.old_email.as_deref().and_then(sanitize::clean_address),
            Placeholder::MaskedEmail => values.old_email.as_deref().map(address::mask),
            Placeholder::Username => sanitize::name_in_sentence(values.username.as_deref()),
            Placeholder::Inviter => sanitize::name_of_inviter(values.inviter.as_deref()),
            Placeholder::Remaining => values.remaining.map(|count| count.to_string()),
            Placeholder::LockedUntil => values.locked_until.map(format),
            Placeholder::Device => sanitize::name_in_sentence(values.device.as_deref()).or_else(|| self.unknown()),
            Placeholder::Network => {
                values.network.as_deref().and_then(network::shortened_address).or_else(|| self.unknown())
            }
            Placeholder::Support => self.renderer.brand.support.as_ref().map(|support| support.shown.clone()),
        }
    }

    /// Returns the text in place of a value that is not known.
    fn unknown(&self) -> Option<String> {
        Some(self.catalogue.texts.common.unknown.to_string())
    }

    fn missing(&self, value: &'static str) -> RenderError {
        RenderError::MissingValue { template: self.mail.facts.template.as_str(), value }
    }
}
