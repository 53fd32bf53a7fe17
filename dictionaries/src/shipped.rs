//! The dictionary that is part of the program.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use crate::dictionary::Dictionary;
use crate::parse::{ParseError, Reader, Shipped};

impl Dictionary {
    /// Our own files, parsed once.
    pub fn shipped() -> Arc<Dictionary> {
        static SHIPPED: LazyLock<Arc<Dictionary>> = LazyLock::new(|| {
            #[expect(clippy::expect_used, reason = "a test reads these very files")]
            Dictionary::shipped_with(&[]).expect("the shipped dictionary is valid")
        });
        SHIPPED.clone()
    }

    /// Our own files with the user's on top.
    pub fn shipped_with(extra: &[PathBuf]) -> Result<Arc<Dictionary>, ParseError> {
        let mut reader = Reader::default();
        reader.read_shipped("dictionary", &(shipped_file as Shipped))?;
        for path in extra {
            reader.read_file(path)?;
        }
        reader.finish().map(Arc::new)
    }

    /// A whole dictionary of someone else's, by its root file.
    pub fn load(root: &Path) -> Result<Dictionary, ParseError> {
        let mut reader = Reader::default();
        reader.read_file(root)?;
        reader.finish()
    }

    /// A dictionary that is one text and includes nothing.
    pub fn from_text(text: &str) -> Result<Dictionary, ParseError> {
        let mut reader = Reader::default();
        reader.read_text(text)?;
        reader.finish()
    }
}

fn shipped_file(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[
            ("dictionary", include_str!("../files/dictionary")),
            $((
                concat!("dictionary.", $name),
                include_str!(concat!("../files/dictionary.", $name)),
            ),)*
        ]
    };
}

/// The root file, and what it includes.
#[rustfmt::skip] // a word list
const FILES: &[(&str, &str)] = files![
    "3gpp", "3gpp2", "adtran", "aerohive", "airespace", "alcatel.esam", "alcatel.sr", "altiga",
    "alvarion", "apc", "arista", "aruba", "ascend", "ascend.illegal", "boingo", "brocade",
    "cablelabs", "calix", "cambium", "camiant", "checkpoint", "chillispot", "cisco", "cisco.asa",
    "citrix", "colubris", "compat", "dellemc", "dlink", "eltex", "ericsson",
    "ericsson.ab", "erx", "extreme", "f5", "force10", "fortinet", "foundry", "freeradius",
    "freeradius.evs5", "freeradius.internal", "h3c", "hillstone", "hp", "huawei", "iana",
    "infoblox", "juniper", "kineto", "livingston", "lucent", "meraki", "merit", "meru",
    "microsoft", "mikrotik", "mimosa", "modules", "motorola", "motorola.wimax", "netelastic",
    "netscreen", "nokia", "nomadix", "openwifi", "paloalto", "pfsense", "rfc2865", "rfc2866",
    "rfc2867", "rfc2868", "rfc2869", "rfc3162", "rfc3576", "rfc3580", "rfc4072", "rfc4372",
    "rfc4603", "rfc4675", "rfc4679", "rfc4818", "rfc4849", "rfc5090", "rfc5176", "rfc5447",
    "rfc5580", "rfc5607", "rfc5904", "rfc6519", "rfc6572", "rfc6677", "rfc6911", "rfc6929",
    "rfc6930", "rfc7055", "rfc7155", "rfc7268", "rfc7499", "rfc7930", "rfc8045", "rfc8559",
    "riverbed", "rtbrick", "ruckus", "sonicwall", "starent", "symbol", "telrad", "tplink",
    "trapeze", "ukerna", "usr", "usr.illegal", "vasexperts", "wifialliance", "wimax", "wispr",
    "zte", "zyxel",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_part_of_the_program() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("files");
        let mut there: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, there);
        let root = shipped_file("dictionary").unwrap();
        let includes = |name: &&str| root.contains(&format!("$INCLUDE {name}\n"));
        assert!(listed.iter().skip(1).all(includes));
    }

    #[test]
    fn it_is_valid() {
        let dictionary = Dictionary::shipped();
        assert_eq!(&*dictionary.standard(1).unwrap().name, "User-Name");
        assert_eq!(&*dictionary.vendor_attribute(9, 1).unwrap().name, "Cisco-AVPair");
    }
}
