//! The structure of an HTML document, which no value in it may change.

/// Returns the elements of a document in their order, each with the names of its attributes. What is in comments, and the
/// values of the attributes, do not count.
#[must_use]
pub fn html_structure(html: &str) -> Vec<Vec<&str>> {
    let mut elements = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        rest = match after.strip_prefix("!--") {
            Some(comment) => comment.split_once("-->").map_or("", |(_, rest)| rest),
            None => {
                let (element, rest) = tag(after);
                elements.push(element);
                rest
            }
        };
    }
    elements
}

/// Returns the name of a tag and its attributes, and what follows the tag.
fn tag(mut rest: &str) -> (Vec<&str>, &str) {
    let mut words = Vec::new();
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '>').unwrap_or(rest.len());
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
        if let Some(value) = rest.strip_prefix('=') {
            rest = after_value(value.trim_start());
        }
        if let Some(rest) = rest.strip_prefix('>') {
            return (words, rest);
        }
        if rest.is_empty() {
            return (words, rest);
        }
    }
}

fn after_value(value: &str) -> &str {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).map_or("", |(_, rest)| rest),
        _ => value.trim_start_matches(|c: char| !c.is_whitespace() && c != '>'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_of_a_document_is_its_elements_and_the_names_of_their_attributes() {
        assert_eq!(
            html_structure("<!doctype html><!-- <b x> --><p class=\"a > b\" id='c' hidden\n title = d>text</p><br/><i"),
            [&["!doctype", "html"][..], &["p", "class", "id", "hidden", "title"], &["/p"], &["br/"], &["i"]]
        );
        assert_ne!(html_structure("<p title=Ada>"), html_structure("<p title=Ada onclick=x>"));
    }

    #[test]
    fn the_structure_of_any_text_is_found_without_a_panic() {
        for text in ["<", "<<", "<a=", "<a='", "<a b=\"", "<!--", "<>", "< >", "<é=ü>", "<a =>", "a<b c=d"] {
            let _ = html_structure(text);
        }
    }
}
