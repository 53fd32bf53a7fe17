//! Our files against the dictionary of an installed FreeRADIUS: same names, same facts.
//!
//! It lies in /usr/share/freeradius (Debian's freeradius-common), or where
//! `FREERADIUS_DICTIONARIES` says.

use std::path::PathBuf;

use dictionaries::{Attribute, Dictionary};

/// FreeRADIUS has these since 3.2.2 or later, its modules define them, or a site does.
const OURS: [&str; 28] = [
    "PBKDF2-SHA1-Password",
    "PBKDF2-SHA256-Password",
    "PBKDF2-SHA512-Password",
    "PBKDF2-SHA256-LEGACY",
    "SQL-Group",
    "LDAP-Group",
    "Unix-Group",
    "Max-Daily-Session",
    "Daily-Session-Time",
    "Max-Weekly-Session",
    "Weekly-Session-Time",
    "Max-Monthly-Session",
    "Monthly-Session-Time",
    "Max-All-Session",
    "Max-All-Session-Time",
    "Expire-After",
    "Expire-After-Initial-Login",
    "Access-Period",
    "Max-Octets",
    "Max-All-MB",
    "CS-Total-Octets",
    "CS-Total-Octets-Daily",
    "CS-Total-Octets-Weekly",
    "CS-Total-Octets-Monthly",
    "Calix-*",
    "OpenWiFi-*",
    "RtBrick-*",
    "TPLink-*",
];

fn directory() -> PathBuf {
    let directory = std::env::var_os("FREERADIUS_DICTIONARIES");
    directory.map_or("/usr/share/freeradius".into(), PathBuf::from)
}

fn is_ours(attribute: &Attribute) -> bool {
    OURS.iter().any(|name| match name.strip_suffix('*') {
        Some(prefix) => attribute.name.starts_with(prefix),
        None => *name == &*attribute.name,
    })
}

#[test]
fn our_files_say_what_freeradius_says() {
    let theirs = Dictionary::load(&directory().join("dictionary")).unwrap();
    // Its root file leaves this one out, as some of its names collide with others.
    let digest = Dictionary::load(&directory().join("dictionary.rfc5090")).unwrap();
    let ours = Dictionary::shipped();
    let mut differences = Vec::new();
    for attribute in ours.attributes().filter(|attribute| !is_ours(attribute)) {
        let name = &*attribute.name;
        let find = |dictionary: &Dictionary| dictionary.attribute(name).cloned();
        let Some(other) = find(&theirs).or_else(|| find(&digest)) else {
            differences.push(format!("{attribute}: unknown there"));
            continue;
        };
        if attribute.to_string() != other.to_string() {
            differences.push(format!("{attribute}: there {other}"));
        }
        for (name, number) in attribute.value_names() {
            let there = other.value_named(name);
            // Vendors that we don't ship may print another name for a number.
            let prints = attribute.value_name(number);
            let there_prints = other.value_name(number);
            let known = there_prints.is_none_or(|name| attribute.value_named(name).is_some());
            let same = there == Some(number) && (prints == there_prints || !known);
            if !same && !is_login(attribute, name) {
                differences.push(format!("{attribute} {name} {number}: there {there:?}"));
            }
        }
        let newest = |dictionary: &Dictionary| {
            dictionary.at(&attribute.place).map(|newest| newest.name.clone())
        };
        if newest(&theirs).is_some_and(|theirs| newest(&ours) != Some(theirs)) {
            differences.push(format!("{} prints {:?}", attribute.place, newest(&ours)));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for vendor in ours.vendors() {
        let same = theirs.vendor(vendor.number) == Some(vendor);
        let new = ["Calix", "OpenWiFi", "RtBrick", "TPLink"].contains(&&*vendor.name);
        assert!(same || new, "{vendor:?}: there {:?}", theirs.vendor(vendor.number));
    }
}

/// FreeRADIUS makes these when it loads its modules.
fn is_login(attribute: &Attribute, name: &str) -> bool {
    let modules = ["PAP", "CHAP", "MS-CHAP", "mschap", "digest", "eap"];
    &*attribute.name == "Auth-Type" && modules.contains(&name)
}

#[test]
fn every_file_of_freeradius_loads() {
    let root = directory().join("dictionary");
    let dictionary = Dictionary::load(&root).unwrap();
    assert!(dictionary.attributes().count() > 6000);
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("dictionary.") {
            continue;
        }
        // Alone, a file may miss what another defines.
        if let Err(error) = Dictionary::load(&path) {
            let why = &*error.why;
            let missing = ["unknown attribute ", "unknown vendor ", "nothing is defined"];
            assert!(missing.iter().any(|what| why.contains(what)), "{error}");
        }
    }
}

#[test]
fn a_whole_freeradius_dictionary_fits_on_top_of_ours() {
    let both = Dictionary::shipped_with(&[directory().join("dictionary")]).unwrap();
    let theirs = Dictionary::load(&directory().join("dictionary")).unwrap();
    for attribute in theirs.attributes() {
        let found = both.attribute(&attribute.name).unwrap();
        assert_eq!(found.to_string(), attribute.to_string());
    }
}
