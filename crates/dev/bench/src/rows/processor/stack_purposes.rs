//! Parses the stacks that `perf script` prints and assigns each to a purpose. The innermost classified function
//! decides: the allocator's own frames belong to the allocator, a copy of bytes to its caller.

use std::{collections::BTreeMap, fmt};

use rustc_demangle::demangle;

/// A stack of a thread.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stack<'a> {
    pub(super) thread: &'a str,
    /// The frames, the innermost first.
    frames: Vec<Frame>,
}

#[derive(Debug, PartialEq, Eq)]
struct Frame {
    symbol: String,
    kernel: bool,
}

/// The purpose of processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    Allocator,
    AsyncRuntime,
    Crypto,
    Database,
    Http,
    Json,
    Kafka,
    KernelNetwork,
    KernelOther,
    KernelWaiting,
    Metrics,
    Other,
    Service,
    Tracing,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allocator => "allocator",
            Self::AsyncRuntime => "async runtime",
            Self::Crypto => "cryptography",
            Self::Database => "MongoDB driver and BSON",
            Self::Http => "HTTP",
            Self::Json => "JSON",
            Self::Kafka => "Kafka client",
            Self::KernelNetwork => "kernel: network",
            Self::KernelOther => "kernel: other",
            Self::KernelWaiting => "kernel: waiting and waking",
            Self::Metrics => "metrics",
            Self::Other => "other",
            Self::Service => "the service's own code",
            Self::Tracing => "logging",
        })
    }
}

/// The purpose of each crate. Crates that are not listed (the standard library, maps, futures) work for their
/// callers.
const CRATES: &[(Purpose, &[&str])] = &[
    (Purpose::Database, &["mongodb", "mongodb_internal_macros", "bson", "serde_bytes", "hickory_resolver"]),
    (Purpose::Json, &["serde_json", "jsonschema", "itoa", "ryu", "zmij", "referencing"]),
    (
        Purpose::Http,
        &[
            "actix_http",
            "actix_web",
            "actix_server",
            "actix_service",
            "actix_router",
            "actix_cors",
            "actix_codec",
            "actix_utils",
            "httparse",
            "http",
            "local_channel",
            "hyper",
            "hyper_util",
        ],
    ),
    (
        Purpose::Crypto,
        &[
            "argon2",
            "base64",
            "base64ct",
            "blake2",
            "chacha20",
            "chacha20poly1305",
            "crypto_box",
            "crypto_bigint",
            "curve25519_dalek",
            "digest",
            "getrandom",
            "hkdf",
            "hmac",
            "jwt_compact",
            "poly1305",
            "password_hash",
            "ring",
            "salsa20",
            "sha1",
            "sha2",
            "subtle",
            "zeroize",
            "zxcvbn",
        ],
    ),
    (Purpose::Tracing, &["tracing", "tracing_core", "tracing_subscriber", "tracing_log", "sharded_slab", "matchers"]),
    (Purpose::Metrics, &["prometheus"]),
    (Purpose::Kafka, &["rdkafka", "rdkafka_sys"]),
    (Purpose::AsyncRuntime, &["tokio", "tokio_util", "mio", "actix_rt"]),
    (Purpose::Service, &["user_service", "email_service", "events", "service_kit"]),
];

/// Futures that only wrap another one, which decides about the purpose.
const WRAPPER_FUTURES: &[&str] = &[
    "tracing::instrument::Instrumented",
    "tokio::task::task_local::",
    "tokio::time::timeout::",
    "tokio::task::coop::",
];

const ALLOCATOR: &[&str] = &[
    "malloc",
    "free",
    "cfree",
    "calloc",
    "realloc",
    "posix_memalign",
    "_int_malloc",
    "_int_free",
    "_int_realloc",
    "_int_memalign",
    "malloc_consolidate",
    "unlink_chunk",
    "sysmalloc",
    "systrim",
    "tcache",
];
const KERNEL_NETWORK: &[&str] = &[
    "tcp_",
    "__tcp_",
    "inet_",
    "sock_",
    "__sock_",
    "ip_",
    "__ip_",
    "skb_",
    "__skb_",
    "__alloc_skb",
    "netif_",
    "__netif_",
    "net_rx",
    "__sys_sendto",
    "__sys_recvfrom",
    "__sys_sendmsg",
    "__sys_recvmsg",
    "nf_",
    "loopback_",
    "unix_",
];
const KERNEL_WAITING: &[&str] = &[
    "futex_",
    "do_futex",
    "__x64_sys_futex",
    "ep_",
    "do_epoll",
    "__x64_sys_epoll",
    "schedule",
    "__schedule",
    "try_to_wake_up",
    "eventfd_",
    "hrtimer_",
    "do_nanosleep",
    "wake_up",
];

/// Parses the output of `perf script -F comm,ip,sym,dso`: a line with the thread's name, a line for each frame
/// from the innermost on, an empty line.
pub(super) fn parse(printed: &str) -> impl Iterator<Item = Stack<'_>> {
    printed.split("\n\n").filter_map(|block| {
        let mut lines = block.lines().filter(|line| !line.trim().is_empty());
        let thread = lines.next()?.trim();
        let frames: Vec<Frame> = lines.filter_map(frame).collect();
        (!frames.is_empty()).then_some(Stack { thread, frames })
    })
}

/// Parses a line such as `   55d0c0ffee mongodb::cmap::conn::stream (/path/to/user-service)`.
fn frame(line: &str) -> Option<Frame> {
    let (_, rest) = line.trim().split_once(' ')?;
    let (symbol, place) = rest.rsplit_once(" (")?;
    // The hashes of crates and functions are removed.
    let symbol = format!("{:#}", demangle(symbol));
    Some(Frame { symbol, kernel: place.starts_with("[kernel") || place.starts_with("[guest.kernel") })
}

/// Returns folded stacks in the format of flame graph programs: `thread;outer;inner 12`.
pub(super) fn folded(stacks: &[Stack<'_>]) -> String {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for stack in stacks {
        let frames = stack.frames.iter().rev().map(|frame| frame.symbol.replace(';', ":"));
        let line = std::iter::once(stack.thread.to_owned()).chain(frames).collect::<Vec<_>>().join(";");
        *counts.entry(line).or_default() += 1;
    }
    counts.iter().map(|(line, count)| format!("{line} {count}\n")).collect()
}

/// Returns the share of each purpose in all stacks, the largest first.
pub(super) fn shares(stacks: &[Stack<'_>]) -> Vec<(Purpose, f64)> {
    let mut counts: BTreeMap<Purpose, u32> = BTreeMap::new();
    for stack in stacks {
        *counts.entry(stack.purpose()).or_default() += 1;
    }
    let mut shares: Vec<_> =
        counts.into_iter().map(|(purpose, count)| (purpose, f64::from(count) / stacks.len() as f64)).collect();
    shares.sort_by(|one, other| other.1.total_cmp(&one.1));
    shares
}

impl Stack<'_> {
    fn purpose(&self) -> Purpose {
        if self.frames.first().is_some_and(|frame| frame.kernel) {
            return self.kernel_purpose();
        }
        self.frames.iter().find_map(Frame::purpose).unwrap_or(Purpose::Other)
    }

    /// Classifies by all frames in the kernel, because interrupts run on top of any function.
    fn kernel_purpose(&self) -> Purpose {
        let kernel = || self.frames.iter().take_while(|frame| frame.kernel);
        let any =
            |prefixes: &[&str]| kernel().any(|frame| prefixes.iter().any(|prefix| frame.symbol.starts_with(prefix)));
        if any(KERNEL_NETWORK) {
            Purpose::KernelNetwork
        } else if any(KERNEL_WAITING) {
            Purpose::KernelWaiting
        } else {
            Purpose::KernelOther
        }
    }
}

impl Frame {
    fn purpose(&self) -> Option<Purpose> {
        let symbol = self.symbol.trim_start_matches("__libc_").trim_start_matches("__GI___libc_");
        if ALLOCATOR.iter().any(|name| symbol == *name || symbol.starts_with("tcache_")) {
            return Some(Purpose::Allocator);
        }
        if symbol.starts_with("rd_kafka_") || symbol.starts_with("rd_") {
            return Some(Purpose::Kafka);
        }
        let purpose_of = |name| CRATES.iter().find(|(_, crates)| crates.contains(&name)).map(|(purpose, _)| *purpose);
        let purpose = crates_in(symbol).find_map(purpose_of)?;
        // Derived code works for the format that calls it.
        let derived = purpose == Purpose::Service && crates_in(symbol).any(|name| name == "serde_core");
        (!derived).then_some(purpose)
    }
}

/// Returns the crates in a function's path, in order: `bson` and `serde` for `<bson::Raw as
/// serde::Deserialize>::f`.
fn crates_in(symbol: &str) -> impl Iterator<Item = &str> {
    // A path begins after a character that cannot be part of a name.
    symbol.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':')).filter_map(|path| {
        let (name, rest) = path.split_once("::")?;
        let wrapper = WRAPPER_FUTURES.iter().any(|wrapper| path.starts_with(wrapper));
        (!name.is_empty() && !rest.is_empty() && !wrapper).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
tokio-rt-worker
\t    55d0 malloc (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t    55d1 alloc::vec::Vec<T,A>::reserve (/bin/user-service)
\t    55d2 <bson::raw::RawDocumentBuf as serde::de::Deserialize>::deserialize (/bin/user-service)

actix-rt|system
\t    ffff tcp_sendmsg ([kernel.kallsyms])
\t    fffe __x64_sys_sendto ([kernel.kallsyms])
\t    55d3 __send (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t    55d4 _ZN10actix_http2h110dispatcher4poll17h0123456789abcdefE (/bin/user-service)

actix-rt|system
\t    55d5 __memmove_avx_unaligned_erms (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t    55d6 core::ptr::drop_in_place<mongodb::Cursor<user_service::store::UserRecord>> (/bin/user-service)
";

    fn stack_of(symbols: &[&'static str]) -> Stack<'static> {
        Stack {
            thread: "t",
            frames: symbols.iter().map(|&symbol| Frame { symbol: symbol.to_owned(), kernel: false }).collect(),
        }
    }

    #[test]
    fn stacks_are_read_with_their_threads_and_the_innermost_frame_first() {
        let stacks: Vec<_> = parse(PRINTED).collect();
        assert_eq!(
            stacks.iter().map(|stack| stack.thread).collect::<Vec<_>>(),
            ["tokio-rt-worker", "actix-rt|system", "actix-rt|system"]
        );
        assert_eq!(stacks[1].frames[0], Frame { symbol: "tcp_sendmsg".to_owned(), kernel: true });
        assert_eq!(stacks[1].frames[3], Frame { symbol: "actix_http::h1::dispatcher::poll".to_owned(), kernel: false });
    }

    #[test]
    fn a_stack_has_the_purpose_of_its_innermost_classified_frame() {
        let purposes: Vec<_> = parse(PRINTED).map(|stack| stack.purpose()).collect();
        assert_eq!(purposes, [Purpose::Allocator, Purpose::KernelNetwork, Purpose::Database]);
        let of = |symbols: &[&'static str]| stack_of(symbols).purpose();
        assert_eq!(
            of(&["core::fmt::write", "<serde_json::ser::Serializer<W> as serde::ser::Serializer>::x"]),
            Purpose::Json
        );
        assert_eq!(of(&["core::ops::function::FnOnce::call_once", "std::sys::backtrace::x"]), Purpose::Other);
        let carried = "<tracing::instrument::Instrumented<user_service::http::answer> as core::future::Future>::poll";
        assert_eq!(of(&[carried]), Purpose::Service);
        let derived = "user_service::store::_::<impl serde_core::de::Deserialize for user_service::store::User>::x";
        assert_eq!(of(&[derived, "bson::de::raw::RawDeserializer::deserialize_hint"]), Purpose::Database);
        assert_eq!(of(&["sha2::sha256::compress256", "user_service::tokens::verify"]), Purpose::Crypto);
    }

    #[test]
    fn shares_are_of_all_stacks_and_the_largest_comes_first() {
        let stacks =
            [stack_of(&["bson::a"]), stack_of(&["serde_json::a"]), stack_of(&["bson::b"]), stack_of(&["mongodb::c"])];
        assert_eq!(shares(&stacks), [(Purpose::Database, 0.75), (Purpose::Json, 0.25)]);
        assert_eq!(shares(&[]), []);
    }

    #[test]
    fn folded_stacks_begin_with_the_thread_and_are_counted() {
        let stacks = [stack_of(&["inner", "outer;x"]), stack_of(&["inner", "outer;x"]), stack_of(&["outer;x"])];
        assert_eq!(folded(&stacks), "t;outer:x 1\nt;outer:x;inner 2\n");
    }
}
