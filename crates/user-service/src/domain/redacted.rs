//! Debug output for values that must not get into logs.

/// Implements `Debug` for a type with a secret or personal data: it writes only the name of the type.
macro_rules! redacted_debug {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "([REDACTED])"))
            }
        }
    };
}

pub(crate) use redacted_debug;
