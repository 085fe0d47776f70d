//! Contains nothing. Its manifest selects features of dependencies, so that they are compiled once.
