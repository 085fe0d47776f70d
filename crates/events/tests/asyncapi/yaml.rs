//! Writes JSON values as YAML 1.2 for people: one member per line, and quotes only where they are needed.

use serde_json::{Map, Value};

/// Returns a mapping as a document, with its members in the given order.
pub(crate) fn document(sections: &[(&str, Value)]) -> String {
    let mut text = String::new();
    for (name, value) in sections {
        text.push_str(&scalar(name));
        member(value, 0, &mut text);
    }
    text
}

/// Writes what follows the name of a member: on the same line, or as a block below it.
fn member(value: &Value, indent: usize, text: &mut String) {
    text.push(':');
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            object(members, indent + 2, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            array(items, indent + 2, text);
        }
        Value::String(lines) if is_block(lines) => {
            text.push_str(" |-\n");
            for line in lines.lines() {
                if !line.is_empty() {
                    text.push_str(&" ".repeat(indent + 2));
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        inline => {
            text.push(' ');
            text.push_str(&flow(inline));
            text.push('\n');
        }
    }
}

fn object(members: &Map<String, Value>, indent: usize, text: &mut String) {
    for (name, value) in members {
        text.push_str(&" ".repeat(indent));
        text.push_str(&scalar(name));
        member(value, indent, text);
    }
}

fn array(items: &[Value], indent: usize, text: &mut String) {
    for item in items {
        text.push_str(&" ".repeat(indent));
        text.push_str("- ");
        match item {
            // The first member stands beside the dash.
            Value::Object(members) if !members.is_empty() => {
                let mut block = String::new();
                object(members, indent + 2, &mut block);
                text.push_str(&block[indent + 2..]);
            }
            item => {
                text.push_str(&flow(item));
                text.push('\n');
            }
        }
    }
}

/// Returns a value on one line. JSON is YAML, so only strings may need less.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        value => value.to_string(),
    }
}

/// Returns a string without quotes where every reader of YAML takes it for this string, else as JSON.
fn scalar(text: &str) -> String {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b))
    };
    let has_meaning = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if is_word(text) && !has_meaning.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// Returns whether a text of several lines can be written line by line.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && text.split('\n').all(|line| line.trim() == line && !line.contains(char::is_control))
        && !text.starts_with('\n')
        && !text.ends_with('\n')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_written_as_people_write_it() {
        let value = json!({
            "empty": [{}, []],
            "items": [{ "a": 1, "b": [true, null] }, "text"],
            "text": "One.\n\nTwo: three.",
        });
        let expected = "\
section:
  empty:
    - {}
    - []
  items:
    - a: 1
      b:
        - true
        - null
    - text
  text: |-
    One.

    Two: three.
";
        assert_eq!(document(&[("section", value)]), expected);
    }

    #[test]
    fn a_string_that_a_reader_could_take_for_something_else_is_quoted() {
        for text in
            ["", "1.0", "0000000001", "no", "True", "null", "- a", "a: b", "a #b", "#/a", "$ref", "~", " a", "ü"]
        {
            assert_eq!(scalar(text), Value::from(text).to_string());
        }
        for text in ["user.registered.v1", "application/json", "ce_type", "content-type"] {
            assert_eq!(scalar(text), text);
        }
    }

    #[test]
    fn a_text_of_several_lines_is_a_block_only_if_nothing_of_it_can_be_lost() {
        assert!(is_block("a\n\nb"));
        for text in ["a", "a\n", "\na", "a\n b", "a \nb", "a\r\nb", "a\u{7}\nb"] {
            assert!(!is_block(text), "{text:?}");
        }
    }
}
