//! The user service: killed, stopped, raced against itself.
