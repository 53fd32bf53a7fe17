//! Ascend's data filters: `ip in forward tcp dstport = 80`, and the 32 octets they are.

use std::fmt::Write;

use crate::text::{hex_octet, scan};

const LENGTH: usize = 32;
const GENERIC: u8 = 0;
const IP: u8 = 1;
const IPX: u8 = 2;

const COMPARISONS: [(&str, u8); 4] = [("<", 1), ("=", 2), (">", 3), ("!=", 4)];
const PROTOCOLS: [(&str, u8); 5] = [("0", 0), ("icmp", 1), ("tcp", 6), ("udp", 17), ("ospf", 89)];
const SERVICES: [(&str, u16); 18] = [
    ("ftp-data", 20),
    ("ftp", 21),
    ("telnet", 23),
    ("smtp", 25),
    ("nameserver", 42),
    ("domain", 53),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("www", 80),
    ("kerberos", 88),
    ("hostname", 101),
    ("nntp", 119),
    ("ntp", 123),
    ("exec", 512),
    ("login", 513),
    ("cmd", 514),
    ("talk", 517),
];

type Filter = [u8; LENGTH];

/// Reads a filter, or its octets as `0x…`, which are padded.
pub(crate) fn read(text: &str) -> Option<Box<[u8]>> {
    let mut filter = [0; LENGTH];
    if let Some("0x" | "0X") = text.get(..2) {
        let (pairs, _) = text.as_bytes().get(2..)?.as_chunks::<2>();
        if pairs.len() > LENGTH {
            return None;
        }
        let octets = pairs.iter().map_while(|pair| hex_octet(*pair));
        filter.iter_mut().zip(octets).for_each(|(place, octet)| *place = octet);
        return Some(filter.into());
    }
    let text = text.split('#').next()?.to_ascii_lowercase();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [kind, direction, action, words @ ..] = words.as_slice() else { return None };
    let kind = match *kind {
        "generic" => GENERIC,
        "ip" => IP,
        "ipx" => IPX,
        _ => return None,
    };
    let direction = match *direction {
        "in" => 1,
        "out" => 0,
        _ => return None,
    };
    let forward = match *action {
        "forward" => 1,
        "drop" => 0,
        _ => return None,
    };
    put(&mut filter, 0, &[kind, forward, direction])?;
    match kind {
        _ if words.is_empty() => {}
        GENERIC => read_generic(words, &mut filter)?,
        IPX => read_ipx(words, &mut filter)?,
        _ => read_ip(words, &mut filter)?,
    }
    Some(filter.into())
}

fn put(filter: &mut Filter, at: usize, octets: &[u8]) -> Option<()> {
    filter.get_mut(at..at.checked_add(octets.len())?)?.copy_from_slice(octets);
    Some(())
}

fn value<N: Copy>(table: &[(&str, N)], word: &str) -> Option<N> {
    table.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

/// `srcip`, `dstip`, `srcport`, `dstport`, `est` and a protocol, each once, in any order.
fn read_ip(mut words: &[&str], filter: &mut Filter) -> Option<()> {
    let mut seen = Vec::new();
    while let [keyword, rest @ ..] = words {
        let keyword = match *keyword {
            known @ ("srcip" | "dstip" | "srcport" | "dstport" | "est") => known,
            _ => "protocol",
        };
        if seen.contains(&keyword) {
            return None;
        }
        seen.push(keyword);
        words = match (keyword, rest) {
            ("srcip" | "dstip", [address, rest @ ..]) => {
                let (address, bits) = read_address(address)?;
                let (place, mask) = if keyword == "srcip" { (4, 12) } else { (8, 13) };
                put(filter, place, &address.to_be_bytes())?;
                put(filter, mask, &[bits])?;
                rest
            }
            ("srcport" | "dstport", [comparison, port, rest @ ..]) => {
                let (place, compare) = if keyword == "srcport" { (16, 20) } else { (18, 21) };
                put(filter, compare, &[value(&COMPARISONS, comparison)?])?;
                let port = port.parse().ok().or_else(|| value(&SERVICES, port))?;
                put(filter, place, &port.to_be_bytes())?;
                rest
            }
            ("est", rest) => {
                put(filter, 15, &[1])?;
                rest
            }
            ("protocol", rest) => {
                let word = words.first()?;
                let number = scan(word, 10);
                let named = || value(&PROTOCOLS, word);
                let number =
                    if number.rest.is_empty() { Some(number.wrapped as u8) } else { named() };
                put(filter, 14, &[number?])?;
                rest
            }
            _ => return None,
        };
    }
    Some(())
}

/// `10.0.0.0/8`. Without a mask it is the one of the address's class.
fn read_address(text: &str) -> Option<(u32, u8)> {
    let (quad, bits) = match text.split_once('/') {
        Some((quad, bits)) => (quad, Some(bits.parse::<u8>().ok().filter(|bits| *bits <= 32)?)),
        None => (text, None),
    };
    let mut numbers: Vec<u8> =
        quad.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    if numbers.len() > 4 {
        return None;
    }
    if bits.is_none() && numbers.len() < 4 {
        // FreeRADIUS forgets the last number of an incomplete address.
        numbers.pop();
    }
    let mut octets = [0; 4];
    octets.iter_mut().zip(numbers).for_each(|(place, octet)| *place = octet);
    let bits = match (bits, octets) {
        (Some(bits @ 1..), _) => bits,
        (_, [0, 0, 0, 0]) => 0,
        (_, [..=127, ..]) => 8,
        (_, [..=191, ..]) => 16,
        (_, [..=223, ..]) => 24,
        _ => 32,
    };
    Some((u32::from_be_bytes(octets), bits))
}

/// `offset mask value`, perhaps `==` or `!=`, perhaps `more`.
fn read_generic(words: &[&str], filter: &mut Filter) -> Option<()> {
    let [offset, mask, expected, options @ ..] = words else { return None };
    put(filter, 4, &offset.parse::<u16>().ok()?.to_be_bytes())?;
    put(filter, 6, &[0, 6])?;
    put(filter, 10, &six_octets(mask)?)?;
    put(filter, 16, &six_octets(expected)?)?;
    let (mut compares, mut more) = (0, 0);
    for option in options {
        let seen = match *option {
            "==" => &mut compares,
            "!=" => {
                put(filter, 22, &[1])?;
                &mut compares
            }
            "more" => {
                put(filter, 8, &[0, 1])?;
                &mut more
            }
            _ => return None,
        };
        *seen = 1u8.checked_sub(*seen).filter(|first| *first == 1)?;
    }
    Some(())
}

fn six_octets(digits: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let mut pairs = pairs.iter();
    for octet in &mut octets {
        *octet = hex_octet(*pairs.next()?)?;
    }
    Some(octets)
}

/// `srcipxnet n srcipxnode n`, perhaps `srcipxsock = n`; the same for `dst`.
fn read_ipx(mut words: &[&str], filter: &mut Filter) -> Option<()> {
    let mut seen = [false; 2];
    while let [net_word, net, node_word, node, rest @ ..] = words {
        let (side, place, compare) = match (*net_word, *node_word) {
            ("srcipxnet", "srcipxnode") => (seen.first_mut()?, 4, 28),
            ("dstipxnet", "dstipxnode") => (seen.last_mut()?, 16, 29),
            _ => return None,
        };
        if std::mem::replace(side, true) {
            return None;
        }
        let hex = |text: &str| scan(text.strip_prefix("0x").unwrap_or(text), 16).wrapped;
        put(filter, place, &(hex(net) as u32).to_be_bytes())?;
        let node = six_octets(node.strip_prefix("0x").unwrap_or(node))?;
        put(filter, place.saturating_add(4), &node)?;
        words = match rest {
            ["srcipxsock" | "dstipxsock", comparison, socket, rest @ ..] => {
                let socket = u16::try_from(hex(socket)).ok()?;
                put(filter, place.saturating_add(10), &socket.to_be_bytes())?;
                put(filter, compare, &[value(&COMPARISONS, comparison)?])?;
                rest
            }
            rest => rest,
        };
    }
    words.is_empty().then_some(())
}

/// `None` for what is no filter.
pub(crate) fn print(octets: &[u8]) -> Option<String> {
    let filter: &Filter = octets.try_into().ok()?;
    let [kind, forward, direction, _, rest @ ..] = filter;
    let kind_name = match *kind {
        GENERIC => "generic",
        IP => "ip",
        IPX => "ipx",
        _ => "??",
    };
    let direction = if direction & 1 == 1 { "in" } else { "out" };
    let action = if forward & 1 == 1 { "forward" } else { "drop" };
    let mut out = format!("{kind_name} {direction} {action}");
    match *kind {
        GENERIC => print_generic(rest, &mut out)?,
        IP => print_ip(rest, &mut out)?,
        IPX => print_ipx(rest, &mut out)?,
        _ => {}
    }
    Some(out)
}

fn name(table: &[(&'static str, u8)], value: u8) -> &'static str {
    table.iter().find(|(_, known)| *known == value).map_or("??", |(name, _)| *name)
}

fn print_ip(filter: &[u8; 28], out: &mut String) -> Option<()> {
    let [a, b, c, d, e, f, g, h, source_bits, bits, protocol, established, rest @ ..] = filter;
    let [source_high, source_low, high, low, source_compare, compare, ..] = rest;
    if [a, b, c, d] != [&0; 4] {
        write!(out, " srcip {a}.{b}.{c}.{d}/{source_bits}").ok()?;
    }
    if [e, f, g, h] != [&0; 4] {
        write!(out, " dstip {e}.{f}.{g}.{h}/{bits}").ok()?;
    }
    write!(out, " {}", name(&PROTOCOLS, *protocol)).ok()?;
    let ports = [
        ("srcport", source_compare, [*source_high, *source_low]),
        ("dstport", compare, [*high, *low]),
    ];
    for (keyword, compare, port) in ports.into_iter().filter(|(_, compare, _)| **compare > 0) {
        let port = u16::from_be_bytes(port);
        write!(out, " {keyword} {} {port}", name(&COMPARISONS, *compare)).ok()?;
    }
    if *established != 0 {
        out.push_str(" est");
    }
    Some(())
}

fn print_generic(filter: &[u8; 28], out: &mut String) -> Option<()> {
    let [offset_high, offset_low, length_high, length_low, more @ .., _, _] = filter;
    let [more_high, more_low, mask @ ..] = more;
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low])).min(6);
    let (mask, rest) = mask.split_at_checked(6)?;
    let (expected, rest) = rest.split_at_checked(6)?;
    let digits = |octets: &[u8]| {
        let octets = octets.iter().take(length);
        octets.map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    let offset = u16::from_be_bytes([*offset_high, *offset_low]);
    let compare = if rest.first() == Some(&0) { "==" } else { "!=" };
    write!(out, " {offset} {} {} {compare}", digits(mask), digits(expected)).ok()?;
    if [*more_high, *more_low] != [0, 0] {
        out.push_str(" more");
    }
    Some(())
}

fn print_ipx(filter: &[u8; 28], out: &mut String) -> Option<()> {
    let (source, rest) = filter.split_at_checked(12)?;
    let (destination, rest) = rest.split_at_checked(12)?;
    let [source_compare, compare, ..] = rest else { return None };
    let sides = [("src", source, source_compare), ("dst", destination, compare)];
    for (side, octets, compare) in sides {
        let [a, b, c, d, node @ .., high, low] = octets else { return None };
        let net = u32::from_be_bytes([*a, *b, *c, *d]);
        if net == 0 {
            continue;
        }
        let node: String = node.iter().map(|octet| format!("{octet:02x}")).collect();
        write!(out, " {side}ipxnet 0x{net:04x} {side}ipxnode 0x{node}").ok()?;
        if *compare > 0 {
            let socket = u16::from_be_bytes([*high, *low]);
            let compare = name(&COMPARISONS, *compare);
            write!(out, " {side}ipxsock {compare} 0x{socket:04x}").ok()?;
        }
    }
    Some(())
}
