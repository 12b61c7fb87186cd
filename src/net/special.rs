//! Addresses that are not global unicast, by the IANA special-purpose registries (RFC 6890 and its successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind whose addresses a name is never trusted to stand for: metadata services of clouds live there.
pub(super) const LINK_LOCAL: &str = "a link-local";

/// Blocks of IPv4 with the length of their prefix, and what they are for.
const IPV4: [([u8; 4], u8, &str); 15] = [
    ([0, 0, 0, 0], 8, "a this-network"),
    ([10, 0, 0, 0], 8, "a private"),
    ([100, 64, 0, 0], 10, "a carrier's shared"),
    ([127, 0, 0, 0], 8, "a loopback"),
    ([169, 254, 0, 0], 16, LINK_LOCAL),
    ([172, 16, 0, 0], 12, "a private"),
    ([192, 0, 0, 0], 24, "a protocol's"),
    ([192, 0, 2, 0], 24, "a documentation"),
    ([192, 88, 99, 0], 24, "a relay's"),
    ([192, 168, 0, 0], 16, "a private"),
    ([198, 18, 0, 0], 15, "a benchmark's"),
    ([198, 51, 100, 0], 24, "a documentation"),
    ([203, 0, 113, 0], 24, "a documentation"),
    ([224, 0, 0, 0], 4, "a multicast"),
    // Broadcast among them.
    ([240, 0, 0, 0], 4, "a reserved"),
];

/// Blocks of IPv6 inside and outside of 2000::/3, of which all else is global unicast.
const IPV6: [([u16; 8], u8, &str); 10] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "the unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "a loopback"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "a unique local"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LINK_LOCAL),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "a multicast"),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "a benchmark's"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "a documentation"),
    // All other assignments to protocols: ORCHID, AS112 and their like. Teredo is judged by what it embeds.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "a protocol's"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "a documentation"),
    ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, ""),
];

/// The addresses by which another one is judged: those of IPv4 that an IPv6 address stands for, else the address itself.
pub(super) fn faces(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(v6) = address else { return vec![address] };
    let parts = v6.segments();
    let pair = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Mapped (RFC 4291 §2.5.5.2), translated (RFC 2765 §2.1), through NAT64 (RFC 6052 §2.1).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![pair(high, low)],
        // 6to4 (RFC 3056 §2).
        [0x2002, high, low, ..] => vec![pair(high, low)],
        // Teredo (RFC 4380 §4): its server, and its client with all bits turned.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            vec![pair(high, low), pair(!client_high, !client_low)]
        }
        _ => vec![address],
    }
}

/// What an address is when it is not global unicast. It has no IPv4 address in it: see [`faces`].
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    let name = match address {
        IpAddr::V4(v4) => IPV4.iter().find(|(block, prefix, _)| covers4((*block).into(), *prefix, v4)).map(|row| row.2),
        IpAddr::V6(v6) => {
            let row = IPV6.iter().find(|(block, prefix, _)| covers6((*block).into(), *prefix, v6));
            Some(row.map_or("a reserved", |row| row.2))
        }
    };
    name.filter(|name| !name.is_empty())
}

pub(super) fn covers4(block: Ipv4Addr, prefix: u8, address: Ipv4Addr) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    block.to_bits() & mask == address.to_bits() & mask
}

pub(super) fn covers6(block: Ipv6Addr, prefix: u8, address: Ipv6Addr) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    block.to_bits() & mask == address.to_bits() & mask
}
