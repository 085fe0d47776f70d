//! The shape of the crate: each layer imports only what is to its right.
//!
//! `http -> usecase -> {outbox, tokens, keys, relay} -> store -> {hashing, domain}`

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A layer, and the layers that it may import besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("breached_passwords", &["domain"]),
    ("hashing", &["domain"]),
    ("store", &["domain", "hashing"]),
    ("keys", &["domain", "store"]),
    ("metrics", &["store"]),
    ("tokens", &["keys"]),
    ("outbox", &["domain", "store"]),
    ("relay", &["metrics", "store"]),
    ("usecase", &["breached_passwords", "domain", "hashing", "keys", "metrics", "outbox", "relay", "store", "tokens"]),
    ("http", &["domain", "keys", "outbox", "usecase"]),
    ("housekeeping", &["usecase"]),
    ("config", &["hashing"]),
    ("commands", &["app", "config", "domain", "http", "store", "usecase"]),
];

#[test]
fn each_layer_imports_only_what_is_to_its_right() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (layer, allowed) in LAYERS {
        let files = rust_files(&source, layer);
        assert!(!files.is_empty(), "no files in layer {layer}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for imported in imports(&text) {
                if imported != *layer && !allowed.contains(&imported.as_str()) {
                    wrong.push(format!("{} imports {imported}", file.strip_prefix(&source).unwrap().display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_import_is_found_in_every_form() {
    let text =
        "use crate::store::Users;\nuse crate::{\n    domain::{A, B},\n    http::x,\n};\nlet x = crate::relay::go();";
    let expected = ["domain", "http", "relay", "store"].map(str::to_owned);
    assert_eq!(imports(text), BTreeSet::from(expected));
}

#[test]
fn every_module_of_the_crate_is_a_layer_or_the_app() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text = fs::read_to_string(source.join("lib.rs")).unwrap();
    for module in text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(module == "app" || LAYERS.iter().any(|(layer, _)| *layer == module), "{module} has no layer");
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

/// The modules of the crate that a file names: `crate::x` and each head in `crate::{…}`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(heads(group));
        } else {
            found.insert(identifier(rest));
        }
    }
    found.retain(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
    found
}

fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => head = true,
            _ if head && depth == 0 && !c.is_whitespace() => {
                heads.push(identifier(&group[at..]));
                head = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
