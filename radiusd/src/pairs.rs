//! `Attribute=value` as people write it, and pairs as they are printed.

use std::sync::Arc;

use dictionaries::{Dictionary, Kind, NameError, Pair, Value, ValueError};
use jiff::tz::TimeZone;

use crate::config::Config;
use crate::exit::{self, Failure};

/// The shipped dictionary with the site's own files on top.
pub fn dictionary(config: &Config) -> Result<Arc<Dictionary>, Failure> {
    Dictionary::shipped_with(&config.radius.dictionaries)
        .map_err(|error| Failure::new(exit::CONFIG, format!("radius.dictionaries: {error}")))
}

/// Reads `Attribute=value`; the value as FreeRADIUS reads one.
pub fn pair(text: &str, dictionary: &Dictionary, zone: &TimeZone) -> Result<Pair, Failure> {
    let wrong = |why: String| Failure::new(exit::USAGE, format!("{text}: {why}"));
    let Some((name, value)) = text.split_once('=') else {
        return Err(wrong("expected Attribute=value".into()));
    };
    let name = name.trim_end_matches([':', '+']).trim();
    let (attribute, tag) =
        dictionary.named(name).map_err(|error| wrong(unknown(&error, name, dictionary)))?;
    let value =
        Value::parse(&attribute, value.trim(), zone).map_err(|error| wrong(unreadable(&error)))?;
    Ok(Pair { attribute, tag, value })
}

/// All of them, or what is wrong with the first that isn't.
pub fn pairs(
    texts: &[String],
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Result<Vec<Pair>, Failure> {
    texts.iter().map(|text| pair(text, dictionary, zone)).collect()
}

/// What is wrong with a name, and which ones are like it.
pub fn unknown(error: &NameError, name: &str, dictionary: &Dictionary) -> String {
    let near = nearest(name, dictionary);
    if near.is_empty() {
        return error.to_string();
    }
    format!("{error}; is it {}?", near.join(", "))
}

/// Names at most a few changes away.
fn nearest(name: &str, dictionary: &Dictionary) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = dictionary
        .attributes()
        .map(|attribute| {
            let distance =
                strsim::damerau_levenshtein(&lower, &attribute.name.to_ascii_lowercase());
            (distance, &*attribute.name)
        })
        .filter(|(distance, _)| *distance <= 2.max(lower.len() / 4))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

fn unreadable(error: &ValueError) -> String {
    match error {
        ValueError::HostName(_) => format!("{error}; give its address"),
        ValueError::Expansion(_) => format!("{error}, and there is nothing to expand it from"),
        other => other.to_string(),
    }
}

/// A pair as FreeRADIUS's tools print it.
pub fn print(pair: &Pair) -> String {
    let Pair { attribute, tag, value } = pair;
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let text = value.print(attribute);
    match attribute.kind {
        Kind::String => {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{}{tag} = \"{text}\"", attribute.name)
        }
        _ => format!("{}{tag} = {text}", attribute.name),
    }
}
