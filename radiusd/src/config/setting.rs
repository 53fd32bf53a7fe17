//! How each type of value is written, and what is said when it isn't.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::section::Setting;
use super::source::Value;
use super::{ClientAddress, LogFormat, PublicUrl, Secret, Tri};

/// The text of a value, if it is text. Numbers and words from a file aren't.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Untyped(text) | Value::String(text) => Some(text),
        _ => None,
    }
}

impl Setting for String {
    fn read(value: &Value, _: &Path) -> Result<String, String> {
        text(value).map(str::to_owned).ok_or_else(|| "expected text in quotes".into())
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for PathBuf {
    fn read(value: &Value, _: &Path) -> Result<PathBuf, String> {
        match text(value) {
            Some(text) if !text.is_empty() => Ok(PathBuf::from(text)),
            _ => Err("expected a path in quotes".into()),
        }
    }
    fn show(&self) -> String {
        format!("{:?}", self.display().to_string())
    }
}

impl Setting for bool {
    fn read(value: &Value, _: &Path) -> Result<bool, String> {
        match value {
            Value::Bool(yes) => Ok(*yes),
            Value::Untyped(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(true),
                "false" | "no" | "off" | "0" => Ok(false),
                _ => Err("expected true or false".into()),
            },
            _ => Err("expected true or false, without quotes".into()),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Numbers are whole ones; a file writes them without quotes.
macro_rules! number {
    ($type:ty) => {
        impl Setting for $type {
            fn read(value: &Value, _: &Path) -> Result<$type, String> {
                let number = match value {
                    Value::Integer(number) => <$type>::try_from(*number).ok(),
                    Value::Untyped(text) => text.replace('_', "").parse().ok(),
                    _ => None,
                };
                number.ok_or_else(|| "expected a whole number, not negative, without quotes".into())
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}
number!(u16);
number!(u32);
number!(usize);

impl Setting for Duration {
    fn read(value: &Value, _: &Path) -> Result<Duration, String> {
        let seconds = match value {
            Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
            Value::Untyped(text) | Value::String(text) => duration(text),
            _ => None,
        };
        let allowed = "expected a time such as \"500ms\", \"1s\", \"2m\", or a number of seconds";
        seconds.ok_or_else(|| allowed.into())
    }
    fn show(&self) -> String {
        match (self.subsec_nanos(), self.as_secs()) {
            (0, seconds) if seconds > 0 && seconds % 60 == 0 => format!("\"{}m\"", seconds / 60),
            (0, seconds) => format!("\"{seconds}s\""),
            _ => format!("\"{}ms\"", self.as_millis()),
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

impl Setting for SocketAddr {
    fn read(value: &Value, _: &Path) -> Result<SocketAddr, String> {
        let address = text(value).and_then(|text| text.trim().parse().ok());
        let allowed = "expected ADDRESS:PORT such as \"127.0.0.1:1812\" or \"[::1]:1812\"";
        address.ok_or_else(|| allowed.into())
    }
    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

/// A list; outside a file also with commas between its items.
impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value, base: &Path) -> Result<Vec<T>, String> {
        match value {
            Value::Array(items) => items.iter().map(|item| T::read(item, base)).collect(),
            Value::Untyped(text) => {
                let text = text.trim();
                let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
                // "[::1]:1812" has both brackets only if it is a list
                inner
                    .unwrap_or(text)
                    .split(',')
                    .map(|item| item.trim().trim_matches('"'))
                    .filter(|item| !item.is_empty())
                    .map(|item| T::read(&Value::Untyped(item.to_owned()), base))
                    .collect()
            }
            other => match T::read(other, base) {
                Ok(_) => Err("expected a list, in brackets: [ … ]".into()),
                Err(allowed) => Err(format!("expected a list, in brackets; in it: {allowed}")),
            },
        }
    }
    fn show(&self) -> String {
        format!("[{}]", self.iter().map(T::show).collect::<Vec<_>>().join(", "))
    }
}

/// A value that may be `"off"`.
pub(super) struct Optional<T>(pub Option<T>);

impl<T: Setting> Setting for Optional<T> {
    const HIDDEN: bool = T::HIDDEN;

    fn read(value: &Value, base: &Path) -> Result<Optional<T>, String> {
        match text(value) {
            Some("off") => Ok(Optional(None)),
            _ => match T::read(value, base) {
                Ok(value) => Ok(Optional(Some(value))),
                Err(allowed) => Err(format!("{allowed}; or \"off\"")),
            },
        }
    }
    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| "\"off\"".into(), T::show)
    }
}

impl Setting for Secret {
    const HIDDEN: bool = true;

    fn read(value: &Value, base: &Path) -> Result<Secret, String> {
        let allowed = "expected text in quotes, \"file:PATH\", \"env:NAME\" or \"credential:NAME\"";
        Secret::resolve(text(value).ok_or(allowed)?, base)
    }
    fn show(&self) -> String {
        "\"…\"".into()
    }
}

/// The URL of a store, which may hold a password.
pub(super) struct DatabaseUrl(pub Secret);

impl Setting for DatabaseUrl {
    const HIDDEN: bool = true;

    fn read(value: &Value, base: &Path) -> Result<DatabaseUrl, String> {
        let url = Secret::read(value, base)?;
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if known.iter().any(|scheme| url.reveal().starts_with(scheme)) {
            return Ok(DatabaseUrl(url));
        }
        Err("expected \"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST/DATABASE\", also through \
             \"file:PATH\", \"env:NAME\" or \"credential:NAME\""
            .into())
    }
    fn show(&self) -> String {
        match self.0.reveal() {
            url if url.starts_with("sqlite:") => format!("{url:?}"),
            _ => "\"postgres://…\"".into(),
        }
    }
}

impl Setting for TimeZone {
    fn read(value: &Value, _: &Path) -> Result<TimeZone, String> {
        match text(value) {
            Some("system") => Ok(TimeZone::system()),
            Some(name) => TimeZone::get(name).map_err(|_| {
                "expected \"system\" or a zone's name such as \"Europe/Vienna\"".into()
            }),
            None => Err("expected a zone's name in quotes".into()),
        }
    }
    fn show(&self) -> String {
        let system = *self == TimeZone::system();
        format!("{:?}", if system { "system" } else { self.iana_name().unwrap_or("system") })
    }
}

impl FromStr for ClientAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<ClientAddress, String> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(ClientAddress::Net(address.into()));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(ClientAddress::Net(net.trunc()));
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() < 64
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        let numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let host = text.strip_suffix('.').unwrap_or(text);
        if !numeric && host.len() < 254 && host.split('.').all(label) {
            return Ok(ClientAddress::Host(host.to_ascii_lowercase()));
        }
        Err("expected an address, a prefix such as \"192.0.2.0/24\", or a host name".into())
    }
}

impl Setting for ClientAddress {
    fn read(value: &Value, _: &Path) -> Result<ClientAddress, String> {
        text(value).unwrap_or_default().parse()
    }
    fn show(&self) -> String {
        match self {
            ClientAddress::Net(net) => format!("\"{net}\""),
            ClientAddress::Host(host) => format!("{host:?}"),
        }
    }
}

impl Setting for IpNet {
    fn read(value: &Value, _: &Path) -> Result<IpNet, String> {
        let text = text(value).unwrap_or_default().trim();
        let net = text.parse::<IpNet>().map(|net| net.trunc());
        let net = net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map_err(|_| "expected an address or a prefix such as \"192.0.2.0/24\"".into())
    }
    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for PublicUrl {
    fn read(value: &Value, _: &Path) -> Result<PublicUrl, String> {
        let allowed = "expected a URL such as \"https://radius.example\", without a path";
        let url = text(value).filter(|url| mgmt::check_public_url(url).is_ok());
        url.map(|url| PublicUrl(url.to_owned())).ok_or_else(|| allowed.into())
    }
    fn show(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Setting for Tri {
    fn read(value: &Value, _: &Path) -> Result<Tri, String> {
        match value {
            Value::Bool(true) => Ok(Tri::Yes),
            Value::Bool(false) => Ok(Tri::No),
            Value::Untyped(text) | Value::String(text) => {
                match text.to_ascii_lowercase().as_str() {
                    "auto" => Ok(Tri::Auto),
                    "yes" | "true" => Ok(Tri::Yes),
                    "no" | "false" => Ok(Tri::No),
                    _ => Err("expected \"auto\", \"yes\" or \"no\"".into()),
                }
            }
            _ => Err("expected \"auto\", \"yes\" or \"no\"".into()),
        }
    }
    fn show(&self) -> String {
        match self {
            Tri::Auto => "\"auto\"",
            Tri::Yes => "\"yes\"",
            Tri::No => "\"no\"",
        }
        .into()
    }
}

impl Setting for LogFormat {
    fn read(value: &Value, _: &Path) -> Result<LogFormat, String> {
        match text(value) {
            Some("text") => Ok(LogFormat::Text),
            Some("json") => Ok(LogFormat::Json),
            _ => Err("expected \"text\" or \"json\"".into()),
        }
    }
    fn show(&self) -> String {
        match self {
            LogFormat::Text => "\"text\"".into(),
            LogFormat::Json => "\"json\"".into(),
        }
    }
}
