//! Clients: programs with tokens of their own, scopes, introspection, revocation, and their administration.

mod administration;
mod audit;
mod commands;
mod introspection;
mod revocation;
mod scopes;
mod tokens;
