//! The network of a request, and the networks that a user has logged in from.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use uuid::Uuid;

use super::keyed_hash::KeyedHash;
use crate::{
    domain::{IpPrefix, expires_at, ip_prefix::KNOWN_NETWORK_LIFETIME},
    outbox::Origin,
    store::UserRecord,
};

/// The scope of the hashes of a user's known networks.
const KNOWN_NETWORK: &str = "known-network";

/// Returns whether the user has logged in from this network. Without a user it does the same work.
pub(super) fn is_known_network(hash: &KeyedHash, user: Option<&UserRecord>, origin: &Origin, now: Timestamp) -> bool {
    let digest = known_network_digest(hash, user.map_or(Uuid::nil(), |user| user.id.into()), origin);
    user.into_iter().flat_map(|user| &user.known_networks).any(|known| {
        known.network.bytes == digest && now < expires_at(known.last_seen.to_jiff(), KNOWN_NETWORK_LIFETIME)
    })
}

/// Returns the hash of the network. It is bound to the user, so that two accounts have different hashes of one network.
pub(super) fn known_network_digest(hash: &KeyedHash, user: Uuid, origin: &Origin) -> [u8; 16] {
    let network = IpPrefix::for_known_networks(client_address(origin)).to_bytes();
    hash.digest(&[KNOWN_NETWORK.as_bytes(), user.as_bytes(), &network])
}

/// Returns the network of a request, in the granularity of the rate limits.
pub(in crate::usecase) fn client_network(origin: &Origin) -> IpPrefix {
    IpPrefix::for_rate_limit(client_address(origin))
}

/// Returns the address of the client, or 0.0.0.0 if it is unknown.
pub(super) fn client_address(origin: &Origin) -> IpAddr {
    let address = origin.address.as_deref().and_then(|address| address.parse().ok());
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
