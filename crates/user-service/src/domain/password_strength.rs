//! Estimates how many guesses a password withstands, with zxcvbn: it knows common passwords, words, names, keyboard
//! walks, dates, sequences and repetitions, also reversed and with look-alike characters.

use service_kit::panics::{self, Panicked};
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

/// The number of code points at each end of a text that are estimated. zxcvbn's work grows with the square of the
/// length, and a few matching parts decide the result.
const WINDOW_CHARS: usize = 32;

/// Returns whether `text` withstands a number of guesses, given as its decimal logarithm.
///
/// A text longer than a window is as strong as its stronger end, so a long text is not called weak because of its first
/// words, unless it only repeats itself. The second end is estimated only if the first one does not suffice.
///
/// # Errors
/// Returns [`Panicked`] if zxcvbn cannot estimate the text: its arithmetic overflows, for example on keypad walks with
/// 28 or more turns. It is compiled with overflow checks in every profile, so that it panics instead of returning a
/// wrong number.
pub(super) fn withstands_guesses(text: &str, log10: f64) -> Result<bool, Panicked> {
    let mut folded: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().map(look_alike).collect());
    // A window could cut a repetition in the middle and so make it look stronger.
    let period = repetition_period(&folded);
    folded.truncate(2 * period);
    let suffices = |window: &[char]| {
        let window: Zeroizing<String> = Zeroizing::new(window.iter().collect());
        panics::catch("password_policy", || guesses_log10(&window) >= log10)
    };
    let tail_start = folded.len().saturating_sub(WINDOW_CHARS);
    Ok(suffices(&folded[..folded.len() - tail_start])? || (tail_start > 0 && suffices(&folded[tail_start..])?))
}

/// Returns the number of characters after which the text repeats itself, or its length if it does not.
fn repetition_period(text: &[char]) -> usize {
    let repeats = |period: &usize| text[*period..].iter().zip(text).all(|(one, before)| one == before);
    (1..text.len()).find(repeats).unwrap_or(text.len())
}

fn guesses_log10(text: &str) -> f64 {
    // The logarithm of zero is negative infinity.
    zxcvbn(text, &[]).guesses_log10().max(0.0)
}

/// Maps the characters that zxcvbn reads as the same letter to one of them. zxcvbn tries every combination of their
/// meanings: 100 such characters take 1.5 s, 32 take 0.2 s, and 32 mapped ones take 10 ms (measured on one core).
fn look_alike(c: char) -> char {
    match c {
        '{' | '[' | '<' => '(',
        '|' => '!',
        '@' => '4',
        '$' => '5',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    /// Estimates a text for which zxcvbn does not fail.
    fn withstands_guesses(text: &str, log10: f64) -> bool {
        super::withstands_guesses(text, log10).unwrap()
    }

    /// A keypad walk with 31 turns.
    const WALK: &str = "15142626352358657848636353535362";

    #[test]
    fn a_walk_that_overflows_the_estimate_is_an_error_whatever_follows() {
        for text in [WALK.to_owned(), format!("{WALK}{WALK}x"), format!("{WALK}hx7#Lq2!hx7#Lq2!")] {
            assert!(super::withstands_guesses(&text, 6.0).is_err(), "{text}");
        }
        // A walk with fewer than 28 turns can be estimated.
        assert!(super::withstands_guesses(&WALK[..27], 6.0).is_ok());
    }

    #[test]
    fn a_common_password_is_weak() {
        for common in ["password", "12345678", "P@$$w0rd1", "qwertyuiop", "iloveyou123", "drowssap", "19900101"] {
            assert!(!withstands_guesses(common, 5.0), "{common}");
        }
        for long in ["a".repeat(256), "password".repeat(32), "abc123".repeat(40)] {
            assert!(!withstands_guesses(&long, 5.0), "{long}");
        }
    }

    #[test]
    fn a_random_or_long_password_is_strong() {
        for fine in ["hx7#Lq2!", "correct horse battery", "Grüße aus Köln", "вчера шёл дождь", "月が綺麗ですね今夜は"]
        {
            assert!(withstands_guesses(fine, 7.5), "{fine}");
        }
        let weak_start = format!("{}{}", "a".repeat(200), "hx7#Lq2! vZ");
        assert!(withstands_guesses(&weak_start, 7.5));
    }

    /// zxcvbn is 30 times slower without optimisation: `profile.dev.package` optimises it.
    #[test]
    fn no_allowed_password_occupies_a_thread_for_long() {
        withstands_guesses("the dictionaries are built at the first use", 0.0);
        for hostile in ["4@8({[<369!|1$5+7%20", "p4ssw0rd!1|7$5+3@(", "1234567890!+%(", "ab", "İ", "\u{FDFA}"] {
            let text: String = hostile.chars().cycle().take(256).collect();
            let started = Instant::now();
            // This estimates both ends.
            assert!(!withstands_guesses(&text, f64::INFINITY));
            // It takes about 20 ms; the limit leaves room for a busy machine.
            assert!(started.elapsed() < Duration::from_secs(1), "{hostile}: {:?}", started.elapsed());
        }
    }

    proptest! {
        /// A text that cannot be estimated is an error, never a panic.
        #[test]
        fn no_text_causes_a_panic(any in any::<String>(), odd in "[0-9aA@$!|(\\[./ -]{0,40}", other in "\\PC{0,40}") {
            for text in [any, odd, other] {
                prop_assert!(super::withstands_guesses(&text, 0.0).unwrap_or(true));
                prop_assert!(!super::withstands_guesses(&text, f64::INFINITY).unwrap_or(false));
            }
        }
    }
}
