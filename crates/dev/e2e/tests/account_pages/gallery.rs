//! Takes the pictures of docs/GALLERY.md, for `scripts/gallery`: each page light and dark, on a desktop and on a phone.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use test_support::{Browser, TestUser};

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
const MAX_HEIGHT: u32 = 1400;

#[tokio::test]
#[ignore = "writes files; scripts/gallery runs it"]
async fn the_pictures_of_the_gallery() {
    let directory = PathBuf::from(env::var_os("GALLERY_DIRECTORY").expect("scripts/gallery sets GALLERY_DIRECTORY"));
    let language = env::var("GALLERY_LANGUAGE").unwrap_or_else(|_| "en".to_owned());
    let test = "the_pictures_of_the_gallery";
    let Some(mut scene) = Scene::start(test, "gallery").await else { panic!("Chromium is not installed") };
    let mut easel = Browser::start().await.expect("Chromium is installed");
    scene.browser.set_language(&language).await;
    scene.browser.hide_scroll_bars().await;
    easel.hide_scroll_bars().await;
    let mut taken = Vec::new();
    // Nothing else runs at the same time, so a name may be as in life.
    let user = TestUser {
        username: "ada".to_owned(),
        email: "ada.lovelace@example.org".to_owned(),
        ..scene.world.test_user("ada")
    };
    tour(&mut scene, user, async |browser, page| {
        if PAGES.contains(&page) {
            take(browser, &mut easel, &directory.join(format!("{page}.png"))).await;
            taken.push(page.to_owned());
        }
    })
    .await;
    for page in PAGES {
        assert!(taken.iter().any(|it| it == page), "the tour has no page {page}");
    }
    scene.browser.set_language("ar").await;
    scene.open("/register").await;
    take(&mut scene.browser, &mut easel, &directory.join("register-ar.png")).await;
}

/// Writes the picture of a page.
async fn take(browser: &mut Browser, easel: &mut Browser, file: &Path) {
    let mut pictures = Vec::new();
    for (width, least_height, scheme) in VIEWS {
        browser.set_color_scheme(scheme).await;
        browser.set_size(width, least_height).await;
        let height = browser.evaluate("document.documentElement.scrollHeight").await.as_u64();
        let height = height.and_then(|height| u32::try_from(height).ok()).unwrap_or_default();
        let height = height.clamp(least_height, MAX_HEIGHT);
        browser.set_size(width, height).await;
        pictures.push((width, height, browser.picture().await));
    }
    fs::write(file, side_by_side(easel, &pictures).await).expect("the directory is writable");
}

/// Returns one picture of several, at three quarters of their size.
async fn side_by_side(easel: &mut Browser, pictures: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
    const GAP: u32 = 12;
    let scaled = |length: u32| length * 3 / 4;
    let images: String = pictures
        .iter()
        .map(|(width, _, png)| {
            format!("<img width={} src='data:image/png;base64,{}'>", scaled(*width), BASE64_STANDARD.encode(png))
        })
        .collect();
    let page = format!(
        "<!doctype html><style>body{{margin:0;padding:{GAP}px;display:flex;gap:{GAP}px;align-items:start;\
         background:#8b949e}}img{{display:block}}</style>{images}"
    );
    let file = tempfile::Builder::new().suffix(".html").tempfile().expect("a temporary file");
    fs::write(file.path(), page).expect("the file is writable");
    let width: u32 = pictures.iter().map(|(width, ..)| scaled(*width) + GAP).sum::<u32>() + GAP;
    let height = pictures.iter().map(|(_, height, _)| scaled(*height)).max().unwrap_or_default() + 2 * GAP;
    easel.set_size(width, height).await;
    easel.open(&format!("file://{}", file.path().display())).await;
    easel.picture().await
}
