//! The NAS that a request is said to come from, by its address or by a name of it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use radiusd::config::ClientAddress;
use radiusd::exit::{self, Failure};

use super::place::Desk;

/// Whom the daemon would take the request to be from.
pub(super) struct Sender {
    pub address: IpAddr,
    says: Option<(&'static str, String)>,
}

/// Where one of those who may send is.
enum Whereabouts {
    Net(IpNet),
    /// To be resolved.
    Host(String),
    /// Anywhere: it is known by its NAS-Identifier.
    Identifier(String),
}

impl Sender {
    /// With nothing said it is this machine, which puts nothing into the request.
    pub fn find(text: Option<&str>, desk: &Desk) -> Result<Sender, Failure> {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let Some(text) = text else { return Ok(Sender { address: localhost, says: None }) };
        if let Ok(address) = text.parse() {
            return Ok(Sender::at(address));
        }
        let mut found = called(text, desk)?;
        let one = match found.len() {
            0 => return Err(Failure::new(exit::FAILURE, format!("there is no NAS {text}"))),
            1 => found.remove(0),
            _ => {
                let why = format!("{text} is more than one NAS; say its address");
                return Err(Failure::new(exit::FAILURE, why));
            }
        };
        match one {
            Whereabouts::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                Ok(Sender::at(net.addr()))
            }
            Whereabouts::Net(net) => {
                let why = format!("{text} is the network {net}; say which of its addresses asks");
                Err(Failure::new(exit::USAGE, why))
            }
            Whereabouts::Host(host) => Ok(Sender::at(resolve(&host, desk)?)),
            Whereabouts::Identifier(identifier) => {
                Ok(Sender { address: localhost, says: Some(("NAS-Identifier", identifier)) })
            }
        }
    }

    fn at(address: IpAddr) -> Sender {
        let says = match address {
            IpAddr::V4(address) => Some(("NAS-IP-Address", address.to_string())),
            IpAddr::V6(_) => None,
        };
        Sender { address, says }
    }

    /// What it puts into its requests, unless they say it already.
    pub fn says(&self) -> Option<&(&'static str, String)> {
        self.says.as_ref()
    }
}

/// Of the configuration and the tables, those that an operator may call so.
fn called(name: &str, desk: &Desk) -> Result<Vec<Whereabouts>, Failure> {
    let clients = desk.config.clients.iter().filter(|client| client.name == name);
    let clients = clients.map(|client| match &client.address {
        ClientAddress::Net(net) => Whereabouts::Net(*net),
        ClientAddress::Host(host) => Whereabouts::Host(host.clone()),
    });
    let rows = desk.wait(desk.store.find_nas(name))?;
    let rows = rows.iter().map(|row| match radiusd::network(&row.nasname) {
        Some(net) => Whereabouts::Net(net),
        None => Whereabouts::Host(row.nasname.trim().to_owned()),
    });
    let named = desk.wait(desk.store.list_named_nas())?;
    let named = named.into_iter().filter(|nas| nas.identifier == name || nas.shortname == name);
    let named = named.map(|nas| Whereabouts::Identifier(nas.identifier));
    Ok(clients.chain(rows).chain(named).collect())
}

fn resolve(host: &str, desk: &Desk) -> Result<IpAddr, Failure> {
    let found = desk.wait(async {
        let found = tokio::net::lookup_host((host, 0)).await;
        found.map(Vec::from_iter).map_err(|error| Failure::io(host, &error))
    })?;
    let none = || Failure::new(exit::FAILURE, format!("{host} has no address; say one"));
    found.first().map(|address| address.ip()).ok_or_else(none)
}
