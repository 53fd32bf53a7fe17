//! The words of a dictionary's statements: numbers, types, flags, formats.

use smallvec::SmallVec;

use crate::attribute::{Encrypt, Flags, Format, Kind, Place};

/// What attributes, values and vendors may be called at most.
pub(crate) const MAX_NAME: usize = 127;

pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.starts_with("Attr-") {
        return Err(format!("{name}: names that begin with Attr- stand for numbers"));
    }
    if name.len() > MAX_NAME {
        return Err("the attribute's name is too long".into());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    match name.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!("{c:?} may not be part of an attribute's name")),
        None => Ok(()),
    }
}

/// Decimal or 0x.
pub(crate) fn number(text: &str) -> Option<u32> {
    match text.get(..2) {
        Some("0x" | "0X") => u32::from_str_radix(text.get(2..)?, 16).ok(),
        _ if text.starts_with('+') => None,
        _ => text.parse().ok(),
    }
}

pub(crate) fn numbers(text: &str) -> Result<SmallVec<[u32; 4]>, String> {
    let numbers: Option<SmallVec<[u32; 4]>> = text.split('.').map(number).collect();
    numbers.ok_or_else(|| format!("{text} is no number"))
}

pub(crate) fn read_kind(word: &str) -> Result<(Kind, Option<u8>), String> {
    let unknown = || format!("unknown type {word}");
    let Some(length) = word.strip_prefix("octets[") else {
        return Kind::named(word).map(|kind| (kind, None)).ok_or_else(unknown);
    };
    let length = length.strip_suffix(']').and_then(number).ok_or_else(unknown)?;
    match u8::try_from(length) {
        Ok(length @ 1..=253) => Ok((Kind::Octets, Some(length))),
        _ => Err(format!("{length} octets do not fit an attribute")),
    }
}

pub(crate) fn read_flags(words: &str) -> Result<Flags, String> {
    let mut flags = Flags::default();
    for word in words.trim_end_matches(',').split(',').filter(|_| !words.is_empty()) {
        match word {
            "has_tag" | "has_tag=1" => flags.has_tag = true,
            "encrypt=0" => flags.encrypt = Encrypt::No,
            "encrypt=1" => flags.encrypt = Encrypt::User,
            "encrypt=2" => flags.encrypt = Encrypt::Tunnel,
            "encrypt=3" => flags.encrypt = Encrypt::Ascend,
            "concat" => flags.concat = true,
            "array" => flags.array = true,
            "virtual" => flags.virtual_ = true,
            "secret" => flags.secret = true,
            _ => return Err(format!("unknown flag or vendor {word}")),
        }
    }
    Ok(flags)
}

pub(crate) fn check_flags(place: &Place, kind: Kind, flags: Flags) -> Result<(), String> {
    let Flags { has_tag, encrypt, concat, array, virtual_, length, .. } = flags;
    let hidden = encrypt != Encrypt::No;
    let wrong = |flag: &str| Err(format!("{flag} does not go with {kind}"));
    if has_tag && !matches!(kind, Kind::String | Kind::Integer) {
        return wrong("has_tag");
    }
    match (encrypt, kind) {
        (Encrypt::User, Kind::String) => {}
        (Encrypt::User, Kind::Octets) if length.is_some() => {}
        (Encrypt::User, Kind::Octets) => return Err("encrypt=1 needs octets[n]".into()),
        (Encrypt::User, _) => return wrong("encrypt=1"),
        (Encrypt::Ascend, kind) if kind != Kind::String => return wrong("encrypt=3"),
        (Encrypt::Tunnel, kind) if kind.is_container() => return wrong("encrypt=2"),
        _ => {}
    }
    let packs = matches!(
        kind,
        Kind::Ipaddr | Kind::Ipv6addr | Kind::Byte | Kind::Short | Kind::Integer | Kind::Date
    );
    if array && !packs && kind != Kind::String {
        return wrong("array");
    }
    if concat && (kind != Kind::Octets || has_tag || array || hidden || length.is_some()) {
        return Err("concat is for octets without other flags".into());
    }
    if length.is_some() && (has_tag || array || !matches!(encrypt, Encrypt::No | Encrypt::User)) {
        return Err("octets[n] does not go with other flags".into());
    }
    match place {
        Place::Wire { vendor, path } => {
            if virtual_ {
                return Err("virtual is for internal attributes".into());
            }
            if concat && (*vendor != 0 || path.len() > 1) {
                return Err("concat is for standard attributes".into());
            }
            if has_tag && path.len() > 1 {
                return Err("has_tag does not go with what lives inside another".into());
            }
            Ok(())
        }
        Place::Internal(_) => Ok(()),
    }
}

pub(crate) fn read_format(word: &str) -> Result<Format, String> {
    let wrong = || format!("{word} is no format like format=1,1");
    let (widths, continuation) = match strip_option(word, "format").ok_or_else(wrong)? {
        "1,1,c" => ("1,1", true),
        other if other.ends_with(",c") => return Err("only format=1,1 has continuations".into()),
        other => (other, false),
    };
    let (type_octets, length_octets) = widths.split_once(',').ok_or_else(wrong)?;
    match (type_octets.parse(), length_octets.parse()) {
        (Ok(type_octets @ (1 | 2 | 4)), Ok(length_octets @ 0..=2)) => {
            Ok(Format { type_octets, length_octets, continuation })
        }
        _ => Err(wrong()),
    }
}

pub(crate) fn strip_option<'a>(word: &'a str, option: &str) -> Option<&'a str> {
    let (key, value) = word.split_once('=')?;
    key.eq_ignore_ascii_case(option).then_some(value)
}
