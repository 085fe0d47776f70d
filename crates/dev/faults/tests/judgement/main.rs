//! Tests of the checker: a history that keeps every promise passes, and one with a small error is reported under
//! the promise that it breaks. A recovery that misses a goal is reported under that goal.

mod history_builder;
mod mutations;
mod rate_limits;
mod recovery;
mod states;
mod valid_histories;
mod violations;
