//! Takes a picture of a page in Chromium, for `scripts/pictures`:
//!
//! `cargo run -p e2e --example take_picture -- URL FILE WIDTH HEIGHT light|dark`

use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};
use test_support::Browser;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, file, width, height, scheme] = arguments.as_slice() else {
        bail!("arguments: URL FILE WIDTH HEIGHT light|dark");
    };
    ensure!(matches!(scheme.as_str(), "light" | "dark"), "the colour scheme is light or dark, not {scheme}");
    let mut browser = Browser::start().await.context("Chromium is not installed")?;
    browser.set_size(width.parse()?, height.parse()?).await;
    browser.set_color_scheme(scheme).await;
    browser.open(url).await;
    fs::write(file, browser.picture().await).with_context(|| format!("cannot write {file}"))
}
