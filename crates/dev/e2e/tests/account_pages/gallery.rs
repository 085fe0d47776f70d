//! Takes the pictures of docs/GALLERY.md, for `scripts/gallery`: each page light and dark, on a desktop and on a phone.

use std::{env, fs, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use test_support::Browser;

use crate::{Scene, tour::tour};

/// The pages of the gallery, of all that the tour has.
const PAGES: [&str; 20] = [
    "start",
    "register",
    "register-refused",
    "check-mail",
    "sign-in",
    "code",
    "home",
    "profile",
    "email",
    "password",
    "sessions",
    "second-factor",
    "second-factor-set-up",
    "recovery-codes",
    "history",
    "export",
    "delete",
    "confirm-identity",
    "reset-password",
    "signed-out",
];
/// Width and least height of each window, with the colour scheme.
const VIEWS: [(u32, u32, &str); 4] = [(760, 640, "light"), (760, 640, "dark"), (390, 640, "light"), (390, 640, "dark")];
/// What is below is cut off.
const MAX_HEIGHT: u64 = 1400;

#[tokio::test]
#[ignore = "writes files; scripts/gallery runs it"]
async fn the_pictures_of_the_gallery() {
    let directory = PathBuf::from(env::var_os("GALLERY_DIRECTORY").expect("scripts/gallery sets GALLERY_DIRECTORY"));
    let languages = env::var("GALLERY_LANGUAGE").unwrap_or_else(|_| "en".to_owned());
    let test = "the_pictures_of_the_gallery";
    let Some(mut scene) = Scene::start(test, "gallery").await else { panic!("Chromium is not installed") };
    let mut easel = Browser::start().await.expect("Chromium is installed");
    scene.browser.set_language(&languages).await;
    scene.browser.hide_scroll_bars().await;
    easel.hide_scroll_bars().await;
    let mut taken = Vec::new();
    tour(&mut scene, "ada", async |browser, page| {
        if !PAGES.contains(&page) {
            return;
        }
        let mut pictures = Vec::new();
        for (width, least_height, scheme) in VIEWS {
            browser.set_color_scheme(scheme).await;
            browser.set_size(width, least_height).await;
            let height = browser.evaluate("document.documentElement.scrollHeight").await.as_u64().unwrap_or_default();
            let height = height.clamp(least_height.into(), MAX_HEIGHT);
            browser.set_size(width, u32::try_from(height).expect("it is clamped")).await;
            pictures.push((width, height, browser.picture().await));
        }
        let sheet = side_by_side(&mut easel, &pictures).await;
        fs::write(directory.join(format!("{page}.png")), sheet).expect("the directory is writable");
        taken.push(page.to_owned());
    })
    .await;
    for page in PAGES {
        assert!(taken.iter().any(|it| it == page), "the tour has no page {page}");
    }
}

/// Returns one picture of several, at half of their size.
async fn side_by_side(easel: &mut Browser, pictures: &[(u32, u64, Vec<u8>)]) -> Vec<u8> {
    const GAP: u32 = 12;
    let images: String = pictures
        .iter()
        .map(|(width, _, png)| {
            format!("<img width={} src='data:image/png;base64,{}'>", width / 2, BASE64_STANDARD.encode(png))
        })
        .collect();
    let page = format!(
        "<!doctype html><style>body{{margin:0;padding:{GAP}px;display:flex;gap:{GAP}px;align-items:start;\
         background:#8b949e}}img{{display:block}}</style>{images}"
    );
    let file = tempfile::Builder::new().suffix(".html").tempfile().expect("a temporary file");
    fs::write(file.path(), page).expect("the file is writable");
    let width: u32 = pictures.iter().map(|(width, ..)| width / 2 + GAP).sum::<u32>() + GAP;
    let height = pictures.iter().map(|(_, height, _)| height / 2).max().unwrap_or_default() + u64::from(2 * GAP);
    easel.set_size(width, u32::try_from(height).expect("pictures are small")).await;
    easel.open(&format!("file://{}", file.path().display())).await;
    easel.picture().await
}
