//! Tests of the healthcheck.
