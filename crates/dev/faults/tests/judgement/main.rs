//! The judge is judged: a history that keeps every promise passes, and one in which
//! something small is wrong is found out, by the promise that it breaks.

mod good_histories;
mod mutations;
mod scene;
mod violations;
