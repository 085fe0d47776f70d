//! WCAG 2.2 AA, as far as a program can find barriers: axe-core at every page, light and dark, in the width of a phone, with
//! the keyboard, and from right to left.

use std::{env, fs, path::PathBuf};

use serde_json::Value;
use test_support::{Browser, LANGUAGES, report_skipped};

use crate::{Scene, attacks::assert_forms_are_tested, tour::tour};

/// `scripts/axe` contains the same version.
const AXE: &str = "axe-core-4.14.1/axe.min.js";
/// The narrowest window of WCAG 2.2 (1.4.10 Reflow): 1280 pixels at a zoom of 400 %.
const NARROW: u32 = 320;
const WIDE: u32 = 1280;
const HEIGHT: u32 = 900;
/// Each violation with its elements and what is wrong there.
const RUN: &str = "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], \
    resultTypes: ['violations'] }).then(found => found.violations.map(violation => violation.id + ': ' + violation.nodes.map(\
    node => node.html + ' ' + node.any.concat(node.all, node.none).map(check => check.message).join('; ')).join(' | ')))";

/// Returns the program of axe-core. Without it, it reports the test as skipped and returns `None`.
pub(crate) fn axe(test: &str) -> Option<String> {
    let path = PathBuf::from(env::var_os("LOCAL_STACK_PARTS").unwrap_or_default()).join(AXE);
    let program = fs::read_to_string(&path);
    if program.is_err() {
        report_skipped(test, "axe-core is not there; scripts/axe fetches it");
    }
    program.ok()
}

/// Returns the barriers of the page, each with its elements.
pub(crate) async fn barriers(browser: &mut Browser, axe: &str) -> Vec<String> {
    if browser.evaluate("typeof axe").await == "undefined" {
        // The policy of the page does not apply to the protocol.
        browser.evaluate(&format!("{axe}; undefined")).await;
    }
    match browser.evaluate(RUN).await {
        Value::Array(found) => found.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect(),
        other => panic!("axe-core returned {other}"),
    }
}

/// Presses the Tab key through the whole page, and returns what a reader without a mouse would miss: a field, link or button
/// that is not reached in the order of the page, or whose focus is not shown.
async fn keyboard_problems(browser: &mut Browser) -> Vec<String> {
    let mut problems = Vec::new();
    let reachable = "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]\
        .filter(element => element.tabIndex >= 0 && element.checkVisibility())\
        .map(element => element.matches('input, select, textarea') ? element.name : element.innerText.trim())";
    let expected = browser.evaluate(reachable).await;
    let order = browser.focus_order().await;
    if expected != Value::from(order.clone()) {
        problems.push(format!("the Tab key reaches {order:?}, not {expected}"));
    }
    // From the end back, so that each has been seen with its focus.
    for _ in &order {
        browser.press("Shift+Tab").await;
        let is_shown = browser
            .evaluate(
                "(style => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)\
            (getComputedStyle(document.activeElement))",
            )
            .await;
        if is_shown != true {
            problems.push(format!("the focus on {:?} is not shown", browser.focused().await));
        }
    }
    problems
}

/// Checks a page light and dark, wide and narrow, and returns what is wrong.
pub(crate) async fn problems(browser: &mut Browser, axe: &str, schemes: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    for scheme in schemes {
        browser.set_color_scheme(scheme).await;
        for barrier in barriers(browser, axe).await {
            problems.push(format!("{scheme}: {barrier}"));
        }
    }
    browser.set_size(NARROW, HEIGHT).await;
    let overflow = browser.overflow().await;
    if overflow > 0 {
        problems.push(format!("{overflow} pixels wider than {NARROW}"));
    }
    // A target has 24 pixels, or a distance to the others (2.5.8); they are nearest to each other here.
    for barrier in barriers(browser, axe).await {
        problems.push(format!("{NARROW} pixels wide: {barrier}"));
    }
    browser.set_size(WIDE, HEIGHT).await;
    problems.extend(keyboard_problems(browser).await);
    problems
}

/// Makes the tour in a language, and checks that no page has a problem.
async fn assert_no_barriers(test: &str, language: &str, schemes: &[&str]) {
    let Some(axe) = axe(test) else { return };
    let Some(mut scene) = Scene::start(test, &format!("axe{language}")).await else { return };
    scene.browser.set_language(language).await;
    scene.browser.set_size(WIDE, HEIGHT).await;
    scene.browser.record_policy_violations().await;
    let mut found = Vec::new();
    let user = scene.world.test_user("ada");
    tour(&mut scene, user, async |browser, page| {
        let problems = problems(browser, &axe, schemes).await;
        found.extend(problems.into_iter().map(|problem| format!("{page}, {problem}")));
        let direction = if language == "ar" { "rtl" } else { "ltr" };
        let shown = "document.documentElement.lang + ' ' + getComputedStyle(document.querySelector('main')).direction";
        assert_eq!(browser.evaluate(shown).await, format!("{language} {direction}"), "{page}");
        // What a reader types in Latin letters is written from left to right in any language.
        let mirrored = "[...document.querySelectorAll('[type=email], [autocomplete=one-time-code], pre, .codes')]\
            .filter(element => getComputedStyle(element).direction !== 'ltr').map(element => element.outerHTML).join()";
        assert_eq!(browser.evaluate(mirrored).await, "", "{page}");
        assert_forms_are_tested(browser, page).await;
        let blocked = browser.evaluate("policyViolations.join()").await;
        assert_eq!(blocked, "", "the policy of {page} blocks a part of it");
    })
    .await;
    assert!(found.is_empty(), "{} problems in {language}:\n{}", found.len(), found.join("\n"));
    // A check that can find nothing would find nothing.
    scene.browser.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<input>')").await;
    let barriers = barriers(&mut scene.browser, &axe).await;
    assert!(barriers.iter().any(|barrier| barrier.starts_with("label:")), "{barriers:?}");
}

#[tokio::test]
async fn no_page_has_a_barrier_light_or_dark_or_in_a_narrow_window() {
    let test = "no_page_has_a_barrier_light_or_dark_or_in_a_narrow_window";
    assert_no_barriers(test, "en", &["light", "dark"]).await;
}

#[tokio::test]
async fn no_page_from_right_to_left_has_a_barrier() {
    assert_no_barriers("no_page_from_right_to_left_has_a_barrier", "ar", &["light"]).await;
}

#[tokio::test]
#[ignore = "takes minutes; scripts/nightly runs it"]
async fn no_page_has_a_barrier_in_any_language() {
    for language in LANGUAGES {
        assert_no_barriers("no_page_has_a_barrier_in_any_language", language, &["light", "dark"]).await;
    }
}
