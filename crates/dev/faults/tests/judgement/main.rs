//! The judge is judged: a history that keeps every promise passes, and one in which
//! something small is wrong is found out, by the promise that it breaks.

mod history_builder;
mod mutations;
mod valid_histories;
mod violations;
