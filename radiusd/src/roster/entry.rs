//! What the configuration and the rows of `nas` make of a client.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use proto::Secret;
use schema::{NamedNas, NasRow, Tri};

use super::clients::{COA_PORT, Clients, Learned, Nas, Seen};
use super::last_known::List;
use super::names::Names;
use crate::config::{self, ClientAddress};

/// The configuration's clients, then the table's; of two with one address the first stays.
pub fn clients(
    of_config: &[config::Client],
    list: &List,
    names: &mut Names,
    before: &Clients,
) -> Clients {
    let mut clients = Clients::default();
    let mut used = HashSet::new();
    for client in of_config {
        let networks = match &client.address {
            ClientAddress::Net(network) => vec![*network],
            ClientAddress::Host(name) => {
                used.insert(name.as_str());
                names.addresses(name)
            }
        };
        for network in networks {
            add(&mut clients, configured(client, network, before_of(before, network)));
        }
    }
    for row in &list.nas {
        // Whoever knows that there is none could sign as this NAS.
        if row.secret.is_empty() {
            tracing::warn!(nas.name = row.nasname, nas.id = row.id, "no secret: not used");
            continue;
        }
        let networks = match network(&row.nasname) {
            Some(network) => vec![network],
            None => {
                used.insert(row.nasname.trim());
                names.addresses(row.nasname.trim())
            }
        };
        let is_one = networks.len() == 1;
        for network in networks {
            add(&mut clients, listed(row, network, is_one, before_of(before, network)));
        }
    }
    for nas in &list.named {
        if nas.secret.is_empty() {
            tracing::warn!(nas.name = nas.identifier, "no secret: not used");
            continue;
        }
        clients.add_identified(nas.identifier.as_bytes(), Arc::new(identified(nas)));
    }
    names.keep(&used);
    clients
}

fn add(clients: &mut Clients, nas: Nas) {
    let (name, network) = (nas.name.clone(), nas.network);
    if !clients.add(Arc::new(nas)) {
        tracing::warn!(nas.name = %name, %network, "another client has this address: not used");
    }
}

/// What was seen of this address so far.
fn before_of(before: &Clients, network: IpNet) -> (Arc<Learned>, Arc<Seen>) {
    match before.find(network.addr()) {
        Some(nas) if nas.network == network => (Arc::clone(&nas.learned), Arc::clone(&nas.seen)),
        _ => Default::default(),
    }
}

fn configured(
    client: &config::Client,
    network: IpNet,
    (learned, seen): (Arc<Learned>, Arc<Seen>),
) -> Nas {
    Nas {
        name: client.name.as_str().into(),
        shortname: client.name.as_str().into(),
        r#type: client.r#type.as_str().into(),
        secret: Secret::new(client.secret.reveal().as_bytes()),
        network,
        require_message_authenticator: rule(client.require_message_authenticator),
        limit_proxy_state: rule(client.limit_proxy_state),
        coa_port: client.coa_port,
        row: None,
        listed: None,
        learned,
        seen,
    }
}

fn rule(rule: config::Tri) -> Tri {
    match rule {
        config::Tri::Auto => Tri::Auto,
        config::Tri::Yes => Tri::Yes,
        config::Tri::No => Tri::No,
    }
}

fn listed(
    row: &NasRow,
    network: IpNet,
    is_one: bool,
    (learned, seen): (Arc<Learned>, Arc<Seen>),
) -> Nas {
    Nas {
        name: row.nasname.as_str().into(),
        shortname: row.shortname.as_str().into(),
        r#type: row.r#type.as_str().into(),
        secret: Secret::new(row.secret.as_bytes()),
        network,
        require_message_authenticator: row.require_message_authenticator,
        limit_proxy_state: row.limit_proxy_state,
        coa_port: row.coa_port.unwrap_or(COA_PORT),
        row: is_one.then_some(row.id),
        listed: Some(row.id),
        learned,
        seen,
    }
}

fn identified(nas: &NamedNas) -> Nas {
    Nas {
        name: nas.identifier.as_str().into(),
        shortname: nas.shortname.as_str().into(),
        r#type: nas.r#type.as_str().into(),
        secret: Secret::new(nas.secret.as_bytes()),
        network: IpNet::from(IpAddr::from([0, 0, 0, 0])),
        // Its address proves nothing (`deviations.md` 8).
        require_message_authenticator: Tri::Yes,
        limit_proxy_state: nas.limit_proxy_state,
        coa_port: COA_PORT,
        row: None,
        listed: None,
        learned: Arc::default(),
        seen: Arc::default(),
    }
}

/// `nasname` as an address or a prefix; none for a host name.
pub fn network(nasname: &str) -> Option<IpNet> {
    let text = nasname.trim();
    if text == "*" {
        return "0.0.0.0/0".parse().ok();
    }
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    // FreeRADIUS: 0.0.0.0 is any address.
    Some(if network.addr().is_unspecified() {
        IpNet::new(network.addr(), 0).ok()?
    } else {
        network
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_addresses() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1/32")),
            (" 10.0.0.0/8 ", Some("10.0.0.0/8")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("0.0.0.0", Some("0.0.0.0/0")),
            ("*", Some("0.0.0.0/0")),
            ("ap1.example.com", None),
        ] {
            assert_eq!(network(text).map(|net| net.to_string()).as_deref(), expected, "{text}");
        }
    }
}
