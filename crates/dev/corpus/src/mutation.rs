//! A few changes to a known input: what finds more than chance alone.

use std::fmt::Debug;

use proptest::{prelude::*, sample::Index};

/// The longest input that changes make.
const MAX_UNITS: usize = 64 * 1024;

/// One change; places are counted in units (bytes or characters).
#[derive(Debug, Clone)]
enum Change<T> {
    Replace(Index, T),
    Insert(Index, Vec<T>),
    Remove(Index, Index),
    /// Says a part of it again, so many times.
    Repeat(Index, Index, usize),
    /// Goes on as another input does from a place of that.
    Splice(Index, Index, Index),
    Truncate(Index),
}

/// Inputs that come of the known ones by up to four changes.
pub(crate) fn of<T: Clone + Debug + 'static>(cases: Vec<Vec<T>>, unit: BoxedStrategy<T>) -> BoxedStrategy<Vec<T>> {
    let index = any::<Index>;
    let change = prop_oneof![
        4 => (index(), unit.clone()).prop_map(|(at, unit)| Change::Replace(at, unit)),
        3 => (index(), prop::collection::vec(unit, 1..5)).prop_map(|(at, units)| Change::Insert(at, units)),
        3 => (index(), index()).prop_map(|(a, b)| Change::Remove(a, b)),
        2 => (index(), index(), 1_usize..40).prop_map(|(a, b, times)| Change::Repeat(a, b, times)),
        3 => (index(), index(), index()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
        1 => index().prop_map(Change::Truncate),
    ];
    (index(), prop::collection::vec(change, 0..5))
        .prop_map(move |(chosen, changes)| {
            let start = chosen.get(&cases).clone();
            changes.into_iter().fold(start, |input, change| change.applied(input, &cases))
        })
        .boxed()
}

impl<T: Clone> Change<T> {
    fn applied(self, mut input: Vec<T>, cases: &[Vec<T>]) -> Vec<T> {
        // One place more than there are units: the end.
        let place = |at: &Index| at.index(input.len() + 1);
        let range = |a: &Index, b: &Index| {
            let (a, b) = (place(a), place(b));
            a.min(b)..a.max(b)
        };
        match self {
            Self::Replace(at, unit) => {
                let at = place(&at);
                if let Some(old) = input.get_mut(at) {
                    *old = unit;
                }
            }
            Self::Insert(at, units) => {
                let at = place(&at);
                input.splice(at..at, units);
            }
            Self::Remove(a, b) => drop(input.drain(range(&a, &b))),
            Self::Repeat(a, b, times) => {
                let range = range(&a, &b);
                let part = input[range.clone()].to_vec();
                let again = part.iter().cloned().cycle().take(part.len() * times);
                input.splice(range.end..range.end, again.collect::<Vec<_>>());
            }
            Self::Splice(at, other, from) => {
                input.truncate(place(&at));
                let other = other.get(cases);
                input.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
            Self::Truncate(at) => input.truncate(place(&at)),
        }
        input.truncate(MAX_UNITS);
        input
    }
}
