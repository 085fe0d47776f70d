//! Tests of the checker: a history that keeps every promise passes, and one with a small error is reported under
//! the promise that it breaks.

mod history_builder;
mod mutations;
mod valid_histories;
mod violations;
