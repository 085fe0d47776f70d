//! What a client can do wrong: each refusal has its problem, and nothing has changed afterwards.

mod access;
mod bodies;
mod cases;
mod refusals;
mod values;
