//! The NAS that a request is said to come from, by its address or by a name of it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::{Refusal, Simulator};
use crate::config::ClientAddress;
use crate::roster::network;

/// Whom the daemon would take the request to be from.
pub struct Sender {
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
    pub async fn find(text: Option<&str>, at: &Simulator) -> Result<Sender, Refusal> {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let Some(text) = text else { return Ok(Sender { address: localhost, says: None }) };
        if let Ok(address) = text.parse() {
            return Ok(Sender::at(address));
        }
        let wrong = |why: String| Err(Refusal::Wrong { field: "nas", why, usage: false });
        let mut found = called(text, at).await?;
        let one = match found.len() {
            0 => return wrong(format!("there is no NAS {text}")),
            1 => found.remove(0),
            _ => return wrong(format!("{text} is more than one NAS; say its address")),
        };
        match one {
            Whereabouts::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                Ok(Sender::at(net.addr()))
            }
            Whereabouts::Net(net) => {
                let why = format!("{text} is the network {net}; say which of its addresses asks");
                Err(Refusal::Wrong { field: "nas", why, usage: true })
            }
            Whereabouts::Host(host) => Ok(Sender::at(resolve(&host).await?)),
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
async fn called(name: &str, at: &Simulator) -> Result<Vec<Whereabouts>, schema::Error> {
    let clients = at.clients.iter().filter(|client| client.name == name);
    let clients = clients.map(|client| match &client.address {
        ClientAddress::Net(net) => Whereabouts::Net(*net),
        ClientAddress::Host(host) => Whereabouts::Host(host.clone()),
    });
    let rows = at.store.find_nas(name).await?;
    let rows = rows.iter().map(|row| match network(&row.nasname) {
        Some(net) => Whereabouts::Net(net),
        None => Whereabouts::Host(row.nasname.trim().to_owned()),
    });
    let named = at.store.list_named_nas().await?;
    let named = named.into_iter().filter(|nas| nas.identifier == name || nas.shortname == name);
    let named = named.map(|nas| Whereabouts::Identifier(nas.identifier));
    Ok(clients.chain(rows).chain(named).collect())
}

async fn resolve(host: &str) -> Result<IpAddr, Refusal> {
    let wrong = |why: String| Refusal::Wrong { field: "nas", why, usage: false };
    let found = tokio::net::lookup_host((host, 0)).await;
    let mut found = found.map_err(|error| wrong(format!("{host}: {error}")))?;
    let none = || wrong(format!("{host} has no address; say one"));
    found.next().map(|address| address.ip()).ok_or_else(none)
}
