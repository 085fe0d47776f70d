//! How many guesses a password withstands_guesses, by zxcvbn: common passwords, words, names,
//! keyboard walks, dates, sequences and repetitions, also reversed and with look-alikes.

use service_kit::panics::{self, Panicked};
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

/// How much of a text is looked at from either end, in code points. The work of zxcvbn
/// grows with the square of the length, and a handful of matching parts decides.
const WINDOW_CHARS: usize = 32;

/// Whether `text` withstands_guesses so many guesses, given as their decimal logarithm.
///
/// A text longer than a window is as strong as the stronger one of its ends, so what
/// is long and not just repetition is never called weak for its first words. The second
/// end is looked at only if the first one does not suffice.
///
/// # Errors
/// [`Panicked`] when zxcvbn cannot judge it: its arithmetic leaves the range of its numbers on walks over a
/// keypad with 28 turns and more, for one. It is compiled with checks of overflow in every profile, so that
/// it says so and does not estimate nonsense.
pub(super) fn withstands_guesses(text: &str, log10: f64) -> Result<bool, Panicked> {
    let mut folded: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().map(look_alike).collect());
    // A window over a repetition may cut it in the middle, which would look like more.
    let period = repetition_period(&folded);
    folded.truncate(2 * period);
    let suffices = |window: &[char]| {
        let window: Zeroizing<String> = Zeroizing::new(window.iter().collect());
        panics::catch("password_policy", || guesses_log10(&window) >= log10)
    };
    let tail_start = folded.len().saturating_sub(WINDOW_CHARS);
    Ok(suffices(&folded[..folded.len() - tail_start])? || (tail_start > 0 && suffices(&folded[tail_start..])?))
}

/// After how many characters the text begins again; its length if it does not.
fn repetition_period(text: &[char]) -> usize {
    let repeats = |period: &usize| text[*period..].iter().zip(text).all(|(one, before)| one == before);
    (1..text.len()).find(repeats).unwrap_or(text.len())
}

fn guesses_log10(text: &str) -> f64 {
    // The logarithm of nothing is negative infinity.
    zxcvbn(text, &[]).guesses_log10().max(0.0)
}

/// One character for those that zxcvbn reads as the same letter. It tries every
/// combination of meanings: a hundred such characters cost it 1.5 s, 32 of them 0.2 s,
/// and folded like this 10 ms (measured on one core).
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

    /// A text that zxcvbn can judge.
    fn withstands_guesses(text: &str, log10: f64) -> bool {
        super::withstands_guesses(text, log10).unwrap()
    }

    /// 31 turns on a keypad.
    const WALK: &str = "15142626352358657848636353535362";

    #[test]
    fn a_walk_that_leaves_the_range_of_the_estimate_is_not_judged_whatever_follows() {
        for text in [WALK.to_owned(), format!("{WALK}{WALK}x"), format!("{WALK}hx7#Lq2!hx7#Lq2!")] {
            assert!(super::withstands_guesses(&text, 6.0).is_err(), "{text}");
        }
        // What is short of 28 turns can be judged.
        assert!(super::withstands_guesses(&WALK[..27], 6.0).is_ok());
    }

    #[test]
    fn what_everybody_chooses_is_guessed_at_once() {
        for common in ["password", "12345678", "P@$$w0rd1", "qwertyuiop", "iloveyou123", "drowssap", "19900101"] {
            assert!(!withstands_guesses(common, 5.0), "{common}");
        }
        for long in ["a".repeat(256), "password".repeat(32), "abc123".repeat(40)] {
            assert!(!withstands_guesses(&long, 5.0), "{long}");
        }
    }

    #[test]
    fn what_is_random_or_long_is_not() {
        for fine in ["hx7#Lq2!", "correct horse battery", "Grüße aus Köln", "вчера шёл дождь", "月が綺麗ですね今夜は"]
        {
            assert!(withstands_guesses(fine, 7.5), "{fine}");
        }
        let weak_start = format!("{}{}", "a".repeat(200), "hx7#Lq2! vZ");
        assert!(withstands_guesses(&weak_start, 7.5));
    }

    /// Unoptimised code would make it 30 times slower: `profile.dev.package` has it.
    #[test]
    fn nothing_that_may_be_sent_keeps_a_thread_for_long() {
        withstands_guesses("the dictionaries are built at the first use", 0.0);
        for hostile in ["4@8({[<369!|1$5+7%20", "p4ssw0rd!1|7$5+3@(", "1234567890!+%(", "ab", "İ", "\u{FDFA}"] {
            let text: String = hostile.chars().cycle().take(256).collect();
            let started = Instant::now();
            // Both ends.
            assert!(!withstands_guesses(&text, f64::INFINITY));
            // It takes some 20 ms; the rest is for a machine with other things to do.
            assert!(started.elapsed() < Duration::from_secs(1), "{hostile}: {:?}", started.elapsed());
        }
    }

    proptest! {
        /// What cannot be judged is an error, and never a panic.
        #[test]
        fn no_text_is_too_odd(any in any::<String>(), odd in "[0-9aA@$!|(\\[./ -]{0,40}", other in "\\PC{0,40}") {
            for text in [any, odd, other] {
                prop_assert!(super::withstands_guesses(&text, 0.0).unwrap_or(true));
                prop_assert!(!super::withstands_guesses(&text, f64::INFINITY).unwrap_or(false));
            }
        }
    }
}
