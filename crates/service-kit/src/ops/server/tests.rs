//! Tests of the ops endpoint over HTTP.
