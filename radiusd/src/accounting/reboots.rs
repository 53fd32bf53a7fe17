//! The times at which NASes said that they begin or end: sessions end there whose Stop never came.

use std::collections::HashMap;

use schema::Reboot;

use super::newest::Position;

#[derive(Clone, Debug, Default)]
pub struct Reboots {
    /// Of each NAS in order of time.
    of: HashMap<String, Vec<Reboot>>,
}

impl Reboots {
    pub fn new(reboots: impl IntoIterator<Item = Reboot>) -> Reboots {
        let mut of: HashMap<String, Vec<Reboot>> = HashMap::new();
        for reboot in reboots {
            of.entry(reboot.nasipaddress.clone()).or_default().push(reboot);
        }
        for of_one in of.values_mut() {
            of_one.sort_by_key(|reboot| (reboot.at, reboot.off));
        }
        Reboots { of }
    }

    /// The one that ended a session of which nothing later is known than `head`. In the very
    /// second of an Accounting-On a session is a new one, in that of an Accounting-Off an old one.
    pub fn closing(&self, nas: &str, head: Position) -> Option<&Reboot> {
        self.of.get(nas)?.iter().find(|reboot| ends(reboot, head))
    }
}

pub fn ends(reboot: &Reboot, head: Position) -> bool {
    let time = head.time();
    reboot.at > time || (reboot.off && reboot.at == time)
}
