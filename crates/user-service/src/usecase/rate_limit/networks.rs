//! The networks that requests come from, and those that a user has logged in from.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use uuid::Uuid;

use super::keyed_hash::KeyedHash;
use crate::{
    domain::{IpPrefix, expiry::expires_at, ip_prefix::KNOWN_FOR},
    outbox::Origin,
    store::UserRecord,
};

/// What is remembered of a user's networks.
const KNOWN_NETWORK: &str = "known-network";

/// Where there is no user there is as much to compute.
pub(super) fn is_known_network(hash: &KeyedHash, user: Option<&UserRecord>, origin: &Origin, now: Timestamp) -> bool {
    let here = known_network_digest(hash, user.map_or(Uuid::nil(), |user| user.id.into()), origin);
    user.into_iter()
        .flat_map(|user| &user.known_networks)
        .any(|known| known.network.bytes == here && now < expires_at(known.last_seen.to_jiff(), KNOWN_FOR))
}

/// Bound to the user: the same network of two accounts looks different.
pub(super) fn known_network_digest(hash: &KeyedHash, user: Uuid, origin: &Origin) -> [u8; 16] {
    let network = IpPrefix::remembered(client_address(origin)).to_bytes();
    hash.digest(&[KNOWN_NETWORK.as_bytes(), user.as_bytes(), &network])
}

/// Returns the network that a request comes from, as coarse as throttles tell clients apart.
pub(in crate::usecase) fn client_network(origin: &Origin) -> IpPrefix {
    IpPrefix::throttled(client_address(origin))
}

pub(super) fn client_address(origin: &Origin) -> IpAddr {
    let address = origin.address.as_deref().and_then(|address| address.parse().ok());
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
