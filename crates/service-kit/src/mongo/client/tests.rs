//! Tests of the client's options.
