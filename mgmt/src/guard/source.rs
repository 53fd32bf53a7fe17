//! The address that a request comes from, as far as proxies that are trusted tell.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use super::Context;
use crate::Peer;

pub(crate) fn source(parts: &Parts, context: &Context) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(Peer(peer))| peer.ip());
    behind(peer, &parts.headers, context.trusted_proxies())
}

/// The last address that no trusted proxy has. What stands before it anybody may have written.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut source = peer.to_canonical();
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).collect();
    for hop in hops.iter().rev() {
        if !trusted.iter().any(|net| net.contains(&source)) {
            break;
        }
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        source = hop.to_canonical();
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 192.0.2.7".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.2".parse().unwrap());
        let trusted: Vec<IpNet> =
            vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        assert_eq!(behind(address("127.0.0.1"), &headers, &trusted), address("192.0.2.7"));
        assert_eq!(behind(address("::ffff:127.0.0.1"), &headers, &trusted), address("192.0.2.7"));
        assert_eq!(behind(address("127.0.0.1"), &headers, &[]), address("127.0.0.1"));
        assert_eq!(behind(address("198.51.100.9"), &headers, &trusted), address("198.51.100.9"));
        let lies = HeaderMap::from_iter([(
            axum::http::HeaderName::from_static("x-forwarded-for"),
            "nonsense".parse().unwrap(),
        )]);
        assert_eq!(behind(address("127.0.0.1"), &lies, &trusted), address("127.0.0.1"));
    }
}
