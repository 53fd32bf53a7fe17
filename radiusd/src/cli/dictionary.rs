//! `radiusd dictionary`: attributes looked up; pairs to octets and back.

use clap::Subcommand;
use dictionaries::{Attribute, Dictionary, Encrypt, Place as Number};
use proto::{Code, Packet, Request, Secret};
use radiusd::exit::{self, Failure};
use radiusd::pairs;

use super::{Place, input, say};

#[derive(Subcommand)]
pub(super) enum Command {
    /// What the dictionary says of an attribute: its number, type, flags and named values
    Show {
        /// Names, numbers such as Attr-26.9.1, or patterns such as 'Mikrotik-*'
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Pairs to the octets that a packet carries, in hex
    Encode {
        #[arg(required = true, value_name = "ATTRIBUTE=VALUE")]
        pairs: Vec<String>,
        /// For attributes that are hidden; - reads standard input
        #[arg(long)]
        secret: Option<String>,
        /// The request's authenticator, 32 hex digits [default: zeros]
        #[arg(long, value_name = "HEX")]
        authenticator: Option<String>,
    },
    /// Octets in hex, of attributes or of a whole packet, to pairs
    Decode {
        #[arg(required = true)]
        hex: Vec<String>,
        /// For attributes that are hidden; - reads standard input
        #[arg(long)]
        secret: Option<String>,
        /// The authenticator of the request that an answer belongs to, 32 hex digits
        #[arg(long, value_name = "HEX")]
        authenticator: Option<String>,
    },
}

impl Command {
    pub fn run(&self, place: &Place) -> Result<(), Failure> {
        let config = place.load_readable()?.config;
        let dictionary = pairs::dictionary(&config)?;
        match self {
            Command::Show { names } => names.iter().try_for_each(|name| show(name, &dictionary)),
            Command::Encode { pairs, secret, authenticator } => {
                let pairs = pairs::pairs(pairs, &dictionary, &config.store.timezone)?;
                let hidden = pairs.iter().any(|pair| pair.attribute.flags.encrypt != Encrypt::No);
                if hidden && secret.is_none() {
                    let why = "an attribute among these is hidden with the secret: --secret";
                    return Err(Failure::new(exit::USAGE, why));
                }
                let secret = secret_of(secret.as_deref())?;
                let authenticator = octets_16(authenticator.as_deref())?.unwrap_or_default();
                let mut request = Request::with(Code::AccessRequest, 0, authenticator, false);
                for pair in &pairs {
                    let refused = request.pair(&pair.attribute, pair.tag, &pair.value, &secret);
                    refused.map_err(|why| {
                        Failure::new(exit::DATA, format!("{}: {why}", pair.attribute.name))
                    })?;
                }
                let octets = request.finish(&secret);
                say(hex::encode(octets.get(20..).unwrap_or_default()))
            }
            Command::Decode { hex, secret, authenticator } => {
                let octets = octets(&hex.concat())?;
                let secret = secret_of(secret.as_deref())?;
                decode(&octets, &secret, octets_16(authenticator.as_deref())?, &dictionary)
            }
        }
    }
}

fn show(name: &str, dictionary: &Dictionary) -> Result<(), Failure> {
    if let Some((before, after)) = name.split_once('*') {
        let (before, after) = (before.to_ascii_lowercase(), after.to_ascii_lowercase());
        let matches = |attribute: &Attribute| {
            let name = attribute.name.to_ascii_lowercase();
            name.len() >= before.len() + after.len()
                && name.starts_with(&before)
                && name.ends_with(&after)
        };
        let mut found = dictionary.attributes().filter(|one| matches(one)).peekable();
        if found.peek().is_none() {
            return Err(Failure::new(exit::FAILURE, format!("no attribute is named {name}")));
        }
        return found.try_for_each(|attribute| say(line(attribute)));
    }
    let found = dictionary
        .named(name)
        .map_err(|error| Failure::new(exit::FAILURE, pairs::unknown(&error, name, dictionary)))?;
    let attribute = found.0;
    say(line(&attribute))?;
    if let Number::Wire { vendor, .. } = &attribute.place
        && let Some(vendor) = dictionary.vendor(*vendor)
    {
        say(format_args!("    vendor {} ({})", vendor.name, vendor.number))?;
    }
    attribute.values().try_for_each(|(number, name)| say(format_args!("    {number:>10}  {name}")))
}

/// Name, number, type and flags.
fn line(attribute: &Attribute) -> String {
    let number = match &attribute.place {
        Number::Internal(number) => format!("internal {number}"),
        wire => wire.to_string(),
    };
    let flags = &attribute.flags;
    let words = [
        (flags.has_tag, "tagged"),
        (flags.encrypt == Encrypt::User, "hidden as User-Password"),
        (flags.encrypt == Encrypt::Tunnel, "hidden as Tunnel-Password"),
        (flags.encrypt == Encrypt::Ascend, "hidden as Ascend does"),
        (flags.concat, "long values go on"),
    ];
    let words = words.iter().filter(|(yes, _)| *yes).map(|(_, word)| format!(", {word}"));
    let words: String = words.collect();
    format!("{:32} {number:16} {}{words}", attribute.name, attribute.kind)
}

fn decode(
    octets: &[u8],
    secret: &Secret,
    authenticator: Option<[u8; 16]>,
    dictionary: &Dictionary,
) -> Result<(), Failure> {
    let length =
        octets.get(2..4).map(|length| usize::from(length[0]) << 8 | usize::from(length[1]));
    let whole = length == Some(octets.len()) && octets.len() >= 20;
    let mut wrapped = vec![u8::from(Code::AccessRequest), 0, 0, 0];
    wrapped.extend(authenticator.unwrap_or_default());
    wrapped.extend_from_slice(octets);
    let length = u16::try_from(wrapped.len()).unwrap_or(u16::MAX).to_be_bytes();
    wrapped[2..4].copy_from_slice(&length);
    let octets = if whole { octets } else { &wrapped };
    let packet = Packet::parse(octets)
        .map_err(|malformed| Failure::new(exit::DATA, format!("malformed: {malformed}")))?;
    if whole {
        say(format_args!("{} {}", packet.code().as_str(), packet.identifier()))?;
    }
    let found = match authenticator {
        Some(authenticator) if whole => packet.pairs_of_reply(dictionary, secret, &authenticator),
        _ => packet.pairs(dictionary, secret),
    };
    found.iter().try_for_each(|pair| say(pairs::print(pair)))
}

fn secret_of(argument: Option<&str>) -> Result<Secret, Failure> {
    match argument {
        None => Ok(Secret::new(b"")),
        Some(argument) => Ok(Secret::new(input::secret(argument)?.reveal().as_bytes())),
    }
}

/// Hex with or without 0x, blanks and colons.
fn octets(text: &str) -> Result<Vec<u8>, Failure> {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    hex::decode(digits).map_err(|error| Failure::new(exit::DATA, format!("hex: {error}")))
}

fn octets_16(text: Option<&str>) -> Result<Option<[u8; 16]>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let octets = <[u8; 16]>::try_from(octets(text)?);
    octets
        .map(Some)
        .map_err(|_| Failure::new(exit::USAGE, "--authenticator: expected 32 hex digits"))
}
