//! The ways to log in, as a dictionary numbers them: looked up once, not for every request.

use dictionaries::{Dictionary, Pair, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Pap,
    Chap,
    MsChap,
    Digest,
}

impl Method {
    const ALL: [Method; 4] = [Method::Pap, Method::Chap, Method::MsChap, Method::Digest];

    /// As Auth-Type names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Pap => "PAP",
            Method::Chap => "CHAP",
            Method::MsChap => "MS-CHAP",
            Method::Digest => "digest",
        }
    }

    /// By what an Auth-Type prints as.
    fn named(name: &str) -> Option<Method> {
        let alias = (name.eq_ignore_ascii_case("mschap")).then_some(Method::MsChap);
        Method::ALL.into_iter().find(|method| name.eq_ignore_ascii_case(method.name())).or(alias)
    }
}

/// What Auth-Type becomes for each of them, and which number means which.
#[derive(Debug, Default)]
pub struct Methods {
    chosen: [Option<Pair>; Method::ALL.len()],
    numbered: Box<[(u32, Method)]>,
}

impl Methods {
    /// Empty for a dictionary that has no Auth-Type: then nobody gets in by a password.
    pub fn of(dictionary: &Dictionary) -> Methods {
        let Some(attribute) = dictionary.attribute("Auth-Type") else { return Methods::default() };
        let chosen = Method::ALL.map(|method| {
            let value = Value::Integer(attribute.value_named(method.name())?);
            Some(Pair { attribute: attribute.clone(), tag: None, value })
        });
        let numbered = attribute
            .values()
            .filter_map(|(number, name)| Some((number, Method::named(name)?)))
            .collect();
        Methods { chosen, numbered }
    }

    pub(super) fn pair(&self, method: Method) -> Option<&Pair> {
        let at = Method::ALL.iter().position(|known| *known == method)?;
        self.chosen.get(at)?.as_ref()
    }

    pub(super) fn numbered(&self, number: u64) -> Option<Method> {
        let found = self.numbered.iter().find(|(known, _)| u64::from(*known) == number);
        found.map(|(_, method)| *method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_dictionary_has_them_all() {
        let methods = Methods::of(&Dictionary::shipped());
        for method in Method::ALL {
            let pair = methods.pair(method).unwrap();
            assert_eq!(methods.numbered(pair.value.as_u64().unwrap()), Some(method));
        }
        assert_eq!(methods.numbered(4), None, "Reject");
    }
}
