//! Invalid requests: each one gets its problem and changes nothing.

mod access;
mod bodies;
mod cases;
mod invitations;
mod refusals;
mod values;
