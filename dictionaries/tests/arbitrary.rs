//! Whatever comes in, nothing panics, and what was written is read again as the same.

use std::sync::{Arc, LazyLock};

use dictionaries::{Attribute, Dictionary, Kind, Pair, Value};
use jiff::tz::TimeZone;
use proptest::prelude::*;

static SHIPPED: LazyLock<Arc<Dictionary>> = LazyLock::new(Dictionary::shipped);

/// One attribute of each type.
static KINDS: LazyLock<Vec<Arc<Attribute>>> = LazyLock::new(|| {
    let mut kinds: Vec<Arc<Attribute>> = Vec::new();
    for attribute in SHIPPED.attributes() {
        if !kinds.iter().any(|known| known.kind == attribute.kind) {
            kinds.push(attribute.clone());
        }
    }
    kinds
});

fn any_attribute() -> impl Strategy<Value = Arc<Attribute>> {
    let one = |attributes: Vec<Arc<Attribute>>| proptest::sample::select(attributes);
    prop_oneof![one(KINDS.clone()), one(SHIPPED.attributes().cloned().collect())]
}

const WORDS: &str = "ATTRIBUTE VALUE VALUE-ALIAS VENDOR BEGIN-VENDOR END-VENDOR BEGIN-TLV END-TLV \
     $INCLUDE $INCLUDE- a b c v 0 1 26 241 255 256 0x10 1.2 241.26.9.1 string octets[16] tlv evs \
     has_tag encrypt=2 format=1,1,c parent=b # , = . é";

const PARTS: &str = "0 1 9 10 255 256 4294967296 0x 0X - + . : :: / /32 /128 * a f g \" ' ` %{ %l } \
     \\ \\n \\1 \\777 Dec Jan 2024 1969 10:11 99999999999999999999 ip in forward generic srcip tcp \
     dstport = é";

/// Some of the words, and others, joined.
fn joined(
    words: &'static str,
    more: &'static [&str],
    by: &'static str,
) -> impl Strategy<Value = String> {
    let known: Vec<&str> = words.split(' ').chain(more.iter().copied()).collect();
    let known = proptest::sample::select(known).prop_map(String::from);
    let word = prop_oneof![9 => known, 1 => "\\PC*"];
    proptest::collection::vec(word, 0..20).prop_map(move |words| words.join(by))
}

/// Text that is nearly a dictionary.
fn statements() -> impl Strategy<Value = String> {
    let attribute = "ATTRIBUTE [abc] (1|2|300|1\\.[12]|241|241\\.(1|26)|26\\.9\\.1) \
         (string|octets|integer|byte|tlv|extended|evs|octets\\[16\\])( has_tag| encrypt=[0-3]| v)?";
    let others = "VALUE [abc] [xy] [12]|VENDOR [vw] (9|429)( format=1,1(,c)?)?|\
         (BEGIN|END)-VENDOR [vw]( format=[abc])?|(BEGIN|END)-TLV [abc]|VALUE-ALIAS [abc] [abc]";
    let line = prop_oneof![4 => attribute, 3 => others, 1 => joined(WORDS, &[], " ")];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

/// Text that is nearly a value.
fn values() -> impl Strategy<Value = String> {
    joined(PARTS, &[" ", "\t", "\n", "\0"], "")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn dictionaries_of_arbitrary_text(text in prop_oneof![statements(), ".*"]) {
        if let Ok(dictionary) = Dictionary::from_text(&text) {
            for attribute in dictionary.attributes() {
                dictionary.describe(attribute);
                let found = dictionary.attribute(&attribute.name).unwrap();
                prop_assert!(Arc::ptr_eq(found, attribute));
                let at = dictionary.at(&attribute.place);
                prop_assert!(at.is_none_or(|at| at.same(attribute)));
            }
        }
    }

    #[test]
    fn names_of_arbitrary_text(text in prop_oneof!["(Attr|Vendor|Cisco|[0-9.x:*-])*", ".*"]) {
        if let Ok((attribute, _)) = SHIPPED.named(&text)
            && attribute.name.starts_with("Attr-")
        {
            let again = SHIPPED.named(&attribute.name).unwrap().0;
            prop_assert!(again.same(&attribute));
        }
    }

    #[test]
    fn values_of_arbitrary_text(attribute in any_attribute(), text in values()) {
        let Ok(value) = Value::parse(&attribute, &text, &TimeZone::UTC) else { return Ok(()) };
        let mut octets = Vec::new();
        value.encode(&mut octets);
        if attribute.flags.length.is_none() {
            prop_assert_eq!(Value::decode(&attribute, &octets).unwrap(), value.clone());
        }
        // What is printed in quotes reads as the same value.
        let printed = value.print_quoted(&attribute, &TimeZone::UTC);
        let trailing_nul = value.as_octets().is_some_and(|octets| octets.ends_with(&[0]));
        let again = Value::parse(&attribute, &printed, &TimeZone::UTC);
        let exact = match attribute.kind {
            Kind::Date | Kind::Abinary => false,
            Kind::String => !trailing_nul,
            _ => true,
        };
        if exact {
            prop_assert_eq!(again.unwrap(), value);
        }
    }

    #[test]
    fn arbitrary_octets(attribute in any_attribute(), octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let short = &octets[..octets.len().min(usize::from(octets.first().copied().unwrap_or(0)) % 40)];
        for octets in [&octets[..], short] {
            let value = Value::decode(&attribute, octets)
                .or_else(|| Value::decode_tlv(&SHIPPED, &attribute, octets));
            let Some(value) = value else { continue };
            let printed = value.print_in(&attribute, &TimeZone::UTC);
            let mut encoded = Vec::new();
            value.encode(&mut encoded);
            if let Value::Tlv(_) = value {
                let again = Value::decode_tlv(&SHIPPED, &attribute, &encoded).unwrap();
                prop_assert_eq!(again.print_in(&attribute, &TimeZone::UTC), printed);
            } else {
                prop_assert_eq!(Value::decode(&attribute, &encoded).unwrap(), value);
            }
        }
    }

    #[test]
    fn pairs_of_arbitrary_text(text in prop_oneof!["[A-Za-z:0-9*=!+-]{0,20}", ".*"]) {
        let _ = Pair::parse_list(&SHIPPED, &text, &TimeZone::UTC);
        if let Some((name, operator, value)) = Pair::split(&text) {
            let whole = text.trim();
            prop_assert!(whole.starts_with(name) && whole.ends_with(value));
            prop_assert!(!operator.is_empty() && whole.contains(operator));
        }
    }
}
