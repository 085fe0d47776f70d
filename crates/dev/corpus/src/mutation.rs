//! Mutates known inputs, which finds more errors than random inputs.

use std::fmt::Debug;

use proptest::{prelude::*, sample::Index};

/// The maximum length of a mutated input, in units.
const MAX_UNITS: usize = 64 * 1024;

/// One mutation. Positions are counted in units (bytes or characters).
#[derive(Debug, Clone)]
enum Mutation<T> {
    Replace(Index, T),
    Insert(Index, Vec<T>),
    Remove(Index, Index),
    /// Repeats the part between two positions the given number of times.
    Repeat(Index, Index, usize),
    /// Replaces the end of the input by the end of another input.
    Splice(Index, Index, Index),
    Truncate(Index),
}

/// Generates inputs from the known ones with up to four mutations.
pub(crate) fn mutated_inputs<T: Clone + Debug + 'static>(
    cases: Vec<Vec<T>>,
    unit: BoxedStrategy<T>,
) -> BoxedStrategy<Vec<T>> {
    let index = any::<Index>;
    let mutation = prop_oneof![
        4 => (index(), unit.clone()).prop_map(|(at, unit)| Mutation::Replace(at, unit)),
        3 => (index(), prop::collection::vec(unit, 1..5)).prop_map(|(at, units)| Mutation::Insert(at, units)),
        3 => (index(), index()).prop_map(|(a, b)| Mutation::Remove(a, b)),
        2 => (index(), index(), 1_usize..40).prop_map(|(a, b, times)| Mutation::Repeat(a, b, times)),
        3 => (index(), index(), index()).prop_map(|(at, other, from)| Mutation::Splice(at, other, from)),
        1 => index().prop_map(Mutation::Truncate),
    ];
    (index(), prop::collection::vec(mutation, 0..5))
        .prop_map(move |(chosen, mutations)| {
            let start = chosen.get(&cases).clone();
            mutations.into_iter().fold(start, |input, mutation| mutation.apply(input, &cases))
        })
        .boxed()
}

impl<T: Clone> Mutation<T> {
    fn apply(self, mut input: Vec<T>, cases: &[Vec<T>]) -> Vec<T> {
        // There is one position more than units: the end.
        let position = |at: &Index| at.index(input.len() + 1);
        let range = |a: &Index, b: &Index| {
            let (a, b) = (position(a), position(b));
            a.min(b)..a.max(b)
        };
        match self {
            Self::Replace(at, unit) => {
                let at = position(&at);
                if let Some(old) = input.get_mut(at) {
                    *old = unit;
                }
            }
            Self::Insert(at, units) => {
                let at = position(&at);
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
                input.truncate(position(&at));
                let other = other.get(cases);
                input.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
            Self::Truncate(at) => input.truncate(position(&at)),
        }
        input.truncate(MAX_UNITS);
        input
    }
}
