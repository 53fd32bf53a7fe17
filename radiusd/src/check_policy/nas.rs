//! Who may send: rows of `nas` that are never used.

use std::collections::HashMap;

use ipnet::IpNet;
use schema::{NamedNas, NasRow};

use super::{Finding, Kinds};
use crate::config::{Client, ClientAddress};
use crate::roster::network;

/// Tells of each NAS that is not served, in the daemon's order: the configuration goes before.
pub(super) fn look(
    clients: &[Client],
    rows: &[NasRow],
    named: &[NamedNas],
    found: &mut dyn FnMut(Finding),
) {
    let mut taken: HashMap<IpNet, String> = HashMap::new();
    for client in clients {
        if let ClientAddress::Net(net) = &client.address {
            taken.entry(net.trunc()).or_insert_with(|| format!("clients.{}", client.name));
        }
    }
    for nas in rows {
        if let Err(why) = row(nas, &mut taken) {
            let (name, row) = (nas.nasname.clone(), nas.shortname.clone());
            found(Finding { table: "nas", id: nas.id, name, row, kind: Kinds::Error, why });
        }
    }
    for nas in named.iter().filter(|nas| nas.secret.is_empty()) {
        let (table, id, kind) = ("mgmt_nas_named", 0, Kinds::Error);
        let (name, row) = (nas.identifier.clone(), nas.shortname.clone());
        found(Finding { table, id, name, row, kind, why: NO_SECRET.into() });
    }
}

const NO_SECRET: &str =
    "it has no secret, so that anybody could sign as this NAS: not used (FreeRADIUS serves it)";

fn row(nas: &NasRow, taken: &mut HashMap<IpNet, String>) -> Result<(), String> {
    if nas.secret.is_empty() {
        return Err(NO_SECRET.into());
    }
    let Some(net) = network(&nas.nasname) else {
        return match nas.nasname.parse() {
            Ok(ClientAddress::Host(_) | ClientAddress::Net(_)) => Ok(()),
            Err(allowed) => Err(format!("{allowed}: not used")),
        };
    };
    if let Some(first) = taken.get(&net.trunc()) {
        return Err(format!("{first} has this address already: not used"));
    }
    taken.insert(net.trunc(), format!("row {}", nas.id));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Tri;

    #[test]
    fn a_nas_that_is_never_served_is_named() {
        let row = |id, nasname: &str, secret: &str| NasRow {
            id,
            nasname: nasname.into(),
            shortname: "tower".into(),
            secret: secret.into(),
            ..NasRow::default()
        };
        let rows = [
            row(1, "10.0.0.1", "secret"),
            row(2, " 10.0.0.1/32", "secret"),
            row(3, "10.0.0.0/33", "secret"),
            row(4, "10.1.0.9/16", "secret"),
            row(5, "10.1.0.0/16", "secret"),
            row(6, "10.0.0.6", ""),
            row(7, "tower.example", "secret"),
            row(8, "not a name", "secret"),
            row(9, "0.0.0.0", "secret"),
            row(10, "*", "secret"),
            row(11, "192.0.2.1", "secret"),
            row(12, "2001:db8::1", "secret"),
        ];
        let clients = [Client {
            name: "office".into(),
            address: ClientAddress::Net("192.0.2.1/32".parse().unwrap()),
            secret: crate::config::Secret::new("secret".to_owned()),
            r#type: "other".into(),
            require_message_authenticator: Tri::Auto,
            limit_proxy_state: Tri::Auto,
            coa_port: 3799,
        }];
        let named = NamedNas { identifier: "roof".into(), ..NamedNas::default() };
        let mut found = Vec::new();
        look(&clients, &rows, &[named], &mut |finding| found.push(finding));
        let said: Vec<_> = found.iter().map(|finding| (finding.id, finding.why.as_str())).collect();
        let address =
            "expected an address, a prefix such as \"192.0.2.0/24\", or a host name: not used";
        assert_eq!(
            said,
            [
                (2, "row 1 has this address already: not used"),
                (3, address),
                (5, "row 4 has this address already: not used"),
                (6, NO_SECRET),
                (8, address),
                (10, "row 9 has this address already: not used"),
                (11, "clients.office has this address already: not used"),
                (0, NO_SECRET),
            ]
        );
    }
}
