//! Which huntgroup a NAS, or one of its ports, belongs to.

use std::net::IpAddr;

use hashbrown::HashMap;

/// radhuntgroup by address; the first row in order of ids that fits names the group.
#[derive(Debug, Default)]
pub struct Huntgroups {
    by_address: HashMap<IpAddr, Vec<Place>, ahash::RandomState>,
}

#[derive(Debug)]
struct Place {
    /// `None`: every port.
    port: Option<Box<str>>,
    group: Box<str>,
}

impl Huntgroups {
    pub fn compile(rows: &[schema::Huntgroup]) -> Huntgroups {
        let mut huntgroups = Huntgroups::default();
        for row in rows {
            let Ok(address) = row.nas_ip.trim().parse() else { continue };
            let port = row.port.as_deref().filter(|port| !port.is_empty()).map(Into::into);
            let place = Place { port, group: row.group.as_str().into() };
            huntgroups.by_address.entry(address).or_default().push(place);
        }
        huntgroups
    }

    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// Of a NAS and its NAS-Port-Id or NAS-Port.
    pub fn find(&self, nas: IpAddr, port: Option<&str>) -> Option<&str> {
        let fits = |place: &&Place| place.port.is_none() || place.port.as_deref() == port;
        self.by_address.get(&nas)?.iter().find(fits).map(|place| &*place.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_row_that_fits() {
        let row = |group: &str, nas_ip: &str, port: Option<&str>| schema::Huntgroup {
            group: group.into(),
            nas_ip: nas_ip.into(),
            port: port.map(Into::into),
        };
        let rows = [
            row("seven", "10.0.0.1", Some("7")),
            row("all", "10.0.0.1", None),
            row("late", "10.0.0.1", Some("8")),
            row("bad", "nowhere", None),
            row("six", "2001:db8::1", Some("")),
        ];
        let huntgroups = Huntgroups::compile(&rows);
        let find = |nas: &str, port| huntgroups.find(nas.parse().unwrap(), port);
        assert_eq!(find("10.0.0.1", Some("7")), Some("seven"));
        assert_eq!(find("10.0.0.1", Some("8")), Some("all"));
        assert_eq!(find("10.0.0.1", None), Some("all"));
        assert_eq!(find("2001:db8::1", None), Some("six"));
        assert_eq!(find("10.0.0.2", None), None);
    }
}
