//! Checks that every mail can be rendered with a brand, before the brand is used.

use branding::html_structure;
use i18n::InvalidFile;

use super::{ExampleMail, MailContent, RenderError, Renderer, layout::Parts};
use crate::plan::{MailFacts, MailValues};

const TOKEN: &str = "EXAMPLE-NOT-A-REAL-TOKEN-EXAMPLE-NOT-A-REAL";

/// A name that ends an attribute or an element where it is not escaped, or stands without quotation marks.
const HOSTILE_NAME: &str = "A\" b='c' d=e <i>&amp;{{ f }}";

const HOSTILE_ADDRESS: &str = "\"a\\\" b='c' d=e <i>&amp;{{ f }}\"@example.org";

impl Renderer {
    /// Renders every mail in every case and language: with all values, without each optional one, and with texts of
    /// users that try to change the structure of the HTML.
    ///
    /// # Errors
    /// Returns the first mail that the layout of the brand cannot render, or whose link it does not show.
    pub(super) fn check(&self) -> Result<(), RenderError> {
        for (language, _) in self.languages() {
            for example in ExampleMail::all(TOKEN) {
                self.check_mail(&example.clone().in_language(language)).map_err(|failure| RenderError::Layout {
                    failure,
                    mail: example.name(),
                    language: language.to_owned(),
                })?;
            }
        }
        Ok(())
    }

    fn check_mail(&self, example: &ExampleMail) -> Result<(), InvalidFile> {
        for without in without_each_value(example) {
            self.check_parts(&without.content())?;
        }
        let Some(usual) = self.check_parts(&example.content())? else { return Ok(()) };
        let mut hostile = example.clone();
        set_hostile_values(&mut hostile.facts);
        let hostile = self.check_parts(&hostile.content())?;
        let is_same = hostile.is_none_or(|hostile| html_structure(&hostile.html) == html_structure(&usual.html));
        if is_same {
            return Ok(());
        }
        let problem = "a text of a user changes the elements or attributes of the mail: a value in an attribute needs quotation marks";
        Err(self.layouts.invalid_html(problem))
    }

    /// Renders both parts. Returns `None` if a value is missing without which this mail cannot be.
    fn check_parts(&self, mail: &MailContent<'_>) -> Result<Option<Parts>, InvalidFile> {
        let (parts, url) = match self.render(mail) {
            Ok(rendered) => match rendered.brand_failure {
                Some(failure) => return Err(failure),
                None => (rendered.parts, rendered.link_url),
            },
            Err(RenderError::File(failure)) => return Err(failure),
            Err(_) => return Ok(None),
        };
        if let Some(url) = url {
            self.layouts.check_link(&parts, &url)?;
        }
        Ok(Some(parts))
    }
}

/// Returns the mail without each of its values. A mail that cannot do without it is not rendered without it.
fn without_each_value(mail: &ExampleMail) -> impl Iterator<Item = ExampleMail> {
    type Remove = fn(&mut ExampleMail) -> bool;
    // A new value belongs here, too.
    let MailValues {
        username: _,
        new_email: _,
        old_email: _,
        remaining: _,
        locked_until: _,
        totp_disabled_by: _,
        undone_change: _,
        inviter: _,
        device: _,
        network: _,
    } = &mail.facts.values;
    const REMOVALS: &[Remove] = &[
        |mail| mail.link_token.take().is_some(),
        |mail| mail.facts.display_name.take().is_some(),
        |mail| mail.facts.values.username.take().is_some(),
        |mail| mail.facts.values.new_email.take().is_some(),
        |mail| mail.facts.values.old_email.take().is_some(),
        |mail| mail.facts.values.remaining.take().is_some(),
        |mail| mail.facts.values.locked_until.take().is_some(),
        |mail| mail.facts.values.totp_disabled_by.take().is_some(),
        |mail| mail.facts.values.undone_change.take().is_some(),
        |mail| mail.facts.values.inviter.take().is_some(),
        |mail| mail.facts.values.device.take().is_some(),
        |mail| mail.facts.values.network.take().is_some(),
    ];
    REMOVALS.iter().filter_map(move |remove| {
        let mut without = mail.clone();
        remove(&mut without).then_some(without)
    })
}

/// Replaces each text that a user has chosen, so that the mail still has the same values.
fn set_hostile_values(facts: &mut MailFacts) {
    let values = &mut facts.values;
    for name in [&mut facts.display_name, &mut values.username, &mut values.device].into_iter().flatten() {
        HOSTILE_NAME.clone_into(name);
    }
    for address in [&mut values.new_email, &mut values.old_email].into_iter().flatten() {
        HOSTILE_ADDRESS.clone_into(address);
    }
}
