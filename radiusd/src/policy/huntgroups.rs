//! Which huntgroup a NAS belongs to.

use std::net::IpAddr;

use hashbrown::HashMap;

/// radhuntgroup by address; the first row in order of ids names the group. Its column nasportid
/// says nothing: the query of FreeRADIUS's wiki asks for the address alone.
#[derive(Debug, Default)]
pub struct Huntgroups {
    by_address: HashMap<IpAddr, Box<str>, ahash::RandomState>,
}

impl Huntgroups {
    pub fn compile(rows: &[schema::Huntgroup]) -> Huntgroups {
        let mut huntgroups = Huntgroups::default();
        for row in rows {
            let Ok(address) = row.nas_ip.trim().parse() else { continue };
            let group = || row.group.as_str().into();
            huntgroups.by_address.entry(address).or_insert_with(group);
        }
        huntgroups
    }

    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    pub fn find(&self, nas: IpAddr) -> Option<&str> {
        self.by_address.get(&nas).map(|group| &**group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_of_an_address() {
        let row = |group: &str, nas_ip: &str| schema::Huntgroup {
            group: group.into(),
            nas_ip: nas_ip.into(),
        };
        let rows = [
            row("first", "10.0.0.1"),
            row("second", "10.0.0.1"),
            row("bad", "nowhere"),
            row("six", "2001:db8::1"),
        ];
        let huntgroups = Huntgroups::compile(&rows);
        let find = |nas: &str| huntgroups.find(nas.parse().unwrap());
        assert_eq!(find("10.0.0.1"), Some("first"));
        assert_eq!(find("2001:db8::1"), Some("six"));
        assert_eq!(find("10.0.0.2"), None);
    }
}
