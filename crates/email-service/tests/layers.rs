//! The layers of the crate: each layer imports only what is to its right.
//!
//! `ingest -> {plan, ledger}`, `sender -> {ledger, renderer, mailer}`

use std::path::{Path, PathBuf};

use test_support::{Layer, assert_every_module_is_a_layer, assert_layers};

/// Each layer, and the layers that it may import besides itself.
const LAYERS: &[Layer] = &[
    ("bson_date", &[]),
    ("plan", &["bson_date"]),
    ("ledger", &["bson_date", "plan"]),
    ("renderer", &["plan"]),
    ("metrics", &["ledger", "plan"]),
    ("mailer", &["metrics"]),
    ("ledger_gauges", &["ledger", "metrics"]),
    ("config", &["mailer"]),
    ("ingest", &["config", "ledger", "metrics", "plan"]),
    ("sender", &["ledger", "mailer", "metrics", "renderer"]),
    ("commands", &["app", "config", "ingest", "ledger", "mailer", "metrics", "plan", "renderer"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn each_layer_imports_only_what_is_to_its_right() {
    assert_layers(&source(), LAYERS);
}

#[test]
fn every_module_of_the_crate_is_a_layer_or_the_app() {
    assert_every_module_is_a_layer(&source(), LAYERS, &["app"]);
}
