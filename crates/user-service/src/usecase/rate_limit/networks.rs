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
/// The scope of the hashes of a user's places.
const SIGN_IN_PLACE: &str = "sign-in-place";

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

/// Returns the hash of a place: a device name, and the network of the request. It is bound to the user, too.
pub(super) fn sign_in_place_digest(hash: &KeyedHash, user: Uuid, device: Option<&str>, origin: &Origin) -> [u8; 16] {
    let network = IpPrefix::for_known_networks(client_address(origin)).to_bytes();
    let device = device.unwrap_or_default().as_bytes();
    hash.digest(&[SIGN_IN_PLACE.as_bytes(), user.as_bytes(), device, &network])
}

/// Returns the network of a request, in the granularity of the rate limits.
pub(in crate::usecase) fn client_network(origin: &Origin) -> IpPrefix {
    IpPrefix::for_rate_limit(client_address(origin))
}

/// Returns the network of a request, in the granularity of the known networks, or `None` if it is unknown.
pub(in crate::usecase) fn known_client_network(origin: &Origin) -> Option<IpPrefix> {
    known_address(origin).map(IpPrefix::for_known_networks)
}

/// Returns the address of the client, or 0.0.0.0 if it is unknown.
pub(super) fn client_address(origin: &Origin) -> IpAddr {
    known_address(origin).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn known_address(origin: &Origin) -> Option<IpAddr> {
    origin.address.as_deref().and_then(|address| address.parse().ok())
}
