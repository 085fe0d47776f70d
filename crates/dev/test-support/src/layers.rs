//! Checks the layers of a crate: each layer imports only the layers that it may.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A module of a crate, and the modules that it may import besides itself.
pub type Layer = (&'static str, &'static [&'static str]);

/// Checks that the files of each layer import only allowed modules, that each layer has files, and that each public
/// module of the crate is a layer or listed in `above`, the modules above all layers. `folder` is that of the crate.
///
/// # Panics
/// Panics with all violations, or if a file of the crate cannot be read.
pub fn assert_layers(folder: &Path, layers: &[Layer], above: &[&str]) {
    let source = &folder.join("src");
    assert_every_module_is_a_layer(source, layers, above);
    let mut violations = Vec::new();
    for (layer, allowed) in layers {
        let files = rust_files(source, layer);
        assert!(!files.is_empty(), "the layer {layer} has no files");
        for file in files {
            let text = fs::read_to_string(&file).expect("the source can be read");
            for imported in imported_modules(&text) {
                if imported != *layer && !allowed.contains(&imported.as_str()) {
                    let name = file.strip_prefix(source).unwrap_or(&file).display();
                    violations.push(format!("{name} imports {imported}"));
                }
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

fn assert_every_module_is_a_layer(source: &Path, layers: &[Layer], above: &[&str]) {
    let text = fs::read_to_string(source.join("lib.rs")).expect("the source can be read");
    for module in text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        let known = above.contains(&module) || layers.iter().any(|(layer, _)| *layer == module);
        assert!(known, "the module {module} is not in a layer");
    }
}

fn rust_files(source: &Path, layer: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = Some(source.join(format!("{layer}.rs"))).into_iter().filter(|file| file.exists()).collect();
    let mut folders = vec![source.join(layer)];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("the source can be read").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(entry);
            }
        }
    }
    found
}

/// Returns the modules of the crate that a file imports: `x` for `crate::x`, and each first segment in `crate::{…}`.
fn imported_modules(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(first_segments(group));
        } else {
            found.insert(leading_identifier(rest));
        }
    }
    found.retain(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
    found
}

fn first_segments(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => head = true,
            _ if head && depth == 0 && !c.is_whitespace() => {
                heads.push(leading_identifier(&group[at..]));
                head = false;
            }
            _ => {}
        }
    }
    heads
}

fn leading_identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_every_form() {
        let text = "use crate::store::Users;\nuse crate::{\n    domain::{A, B},\n    http::x,\n};\nlet x = crate::relay::go();";
        let expected = ["domain", "http", "relay", "store"].map(str::to_owned);
        assert_eq!(imported_modules(text), BTreeSet::from(expected));
    }
}
