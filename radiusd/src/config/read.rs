//! The list of keys, in the order of `packaging/radiusd.toml`.

use std::path::PathBuf;
use std::time::Duration;

use mgmt::TlsFiles;

use super::check;
use super::section::{Reader, Section, Shown};
use super::setting::{DatabaseUrl, Optional};
use super::source::Sources;
use super::{
    Accounting, Attempts, Client, ClientAddress, Compat, Config, Http, Log, Metrics, Radius, Store,
    Tri,
};

/// A configuration that holds, with what is worth saying about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// What is legal and unwise.
    pub warnings: Vec<String>,
    /// Every key, its value and where it comes from.
    pub shown: Vec<Shown>,
}

impl Config {
    /// Reads all sources. What is wrong comes back as one line for each mistake: where it is
    /// written, the key, and what is allowed.
    pub fn load(sources: &Sources) -> Result<Loaded, Vec<String>> {
        let (table, mistakes) = sources.gather();
        let mut reader = Reader::new(sources.base(), mistakes);
        let mut root = reader.root(table);
        let config = root_keys(&mut root);
        root.close();
        reader.finish();
        if !reader.mistakes.is_empty() {
            return Err(reader.mistakes);
        }
        let mut warnings = check::check(&config);
        warnings.extend(sources.file.as_deref().and_then(check::readable_by_all));
        Ok(Loaded { config, warnings, shown: reader.shown })
    }
}

/// Every section and key there is, `NAME` standing for a client's name.
#[must_use]
pub fn keys() -> Vec<String> {
    let mut reader = Reader::default();
    root_keys(&mut reader.root(Default::default()));
    reader.known
}

fn root_keys(root: &mut Section<'_>) -> Config {
    let default = Config::default();
    let data_dir = root.get("data_dir", default.data_dir);
    let data_dir = std::path::absolute(&data_dir).unwrap_or(data_dir);
    Config {
        radius: root.section("radius", |section| radius(section, default.radius)),
        clients: root.each("clients", client),
        store: root.section("store", |section| store(section, Store::within(&data_dir))),
        accounting: root.section("accounting", |section| accounting(section, default.accounting)),
        attempts: root.section("attempts", |section| attempts(section, default.attempts)),
        metrics: root.section("metrics", |section| Metrics {
            listen: section.get("listen", Optional(default.metrics.listen)).0,
        }),
        http: root.section("http", |section| http(section, default.http)),
        compat: root.section("compat", |section| Compat {
            escape_names: section.get("escape_names", default.compat.escape_names),
            counter_carry: section.get("counter_carry", default.compat.counter_carry),
        }),
        log: root.section("log", |section| log(section, default.log)),
        data_dir,
    }
}

fn radius(section: &mut Section<'_>, default: Radius) -> Radius {
    let second = Duration::from_secs(1);
    let radius = Radius {
        auth: section.get("auth", default.auth),
        acct: section.get("acct", default.acct),
        workers: section.within("workers", 0..=256, default.workers),
        reject_delay: section.within(
            "reject_delay",
            Duration::ZERO..=second * 10,
            default.reject_delay,
        ),
        cleanup_delay: section.within("cleanup_delay", second..=second * 60, default.cleanup_delay),
        inflight_max: section.within("inflight_max", 16..=1_000_000, default.inflight_max),
        inflight_source_max: section.within(
            "inflight_source_max",
            1..=1_000_000,
            default.inflight_source_max,
        ),
        dictionaries: section.get("dictionaries", default.dictionaries),
        users_cache: section.within("users_cache", 0..=100_000_000, default.users_cache),
        checkrad: section.get("checkrad", Optional(default.checkrad)).0,
    };
    if radius.checkrad.as_ref().is_some_and(|program| !program.is_absolute()) {
        section.reject("checkrad", "expected an absolute path");
    }
    let mut seen = Vec::new();
    for (key, addresses) in [("auth", &radius.auth), ("acct", &radius.acct)] {
        for address in addresses {
            if address.port() != 0 && seen.contains(&address) {
                section.reject(key, &format!("{address} is listed twice in radius.auth and acct"));
            }
            seen.push(address);
        }
    }
    radius
}

fn client(name: &str, section: &mut Section<'_>) -> Option<Client> {
    let address = section.required::<ClientAddress>("address");
    let secret = section.required("secret");
    let r#type = section.get("type", "other".to_owned());
    let require_message_authenticator = section.get("require_message_authenticator", Tri::Auto);
    let limit_proxy_state = section.get("limit_proxy_state", Tri::Auto);
    let coa_port = section.within("coa_port", 1..=u16::MAX, 3799);
    Some(Client {
        name: name.to_owned(),
        address: address?,
        secret: secret?,
        r#type,
        require_message_authenticator,
        limit_proxy_state,
        coa_port,
    })
}

fn store(section: &mut Section<'_>, default: Store) -> Store {
    let listen_url = default.listen_url.map(DatabaseUrl);
    Store {
        url: section.get("url", DatabaseUrl(default.url)).0,
        pool: section.within("pool", 1..=1_000, default.pool),
        listen_url: section.get("listen_url", Optional(listen_url)).0.map(|url| url.0),
        stale_policy_max: section.within(
            "stale_policy_max",
            Duration::from_secs(5)..=Duration::from_secs(30 * 86_400),
            default.stale_policy_max,
        ),
        timezone: section.get("timezone", default.timezone),
    }
}

fn accounting(section: &mut Section<'_>, default: Accounting) -> Accounting {
    let ms = Duration::from_millis;
    Accounting {
        batch_max: section.within("batch_max", 1..=10_000, default.batch_max),
        queue_max: section.within("queue_max", 100..=10_000_000, default.queue_max),
        // A NAS repeats after some seconds, and a worker that stops waits for five.
        spill_after: section.within("spill_after", ms(10)..=ms(3_000), default.spill_after),
        journal_max_bytes: section.within(
            "journal_max_bytes",
            1 << 16..=1 << 44,
            default.journal_max_bytes,
        ),
        usage: section.get("usage", default.usage),
        archive_after_days: section.within(
            "archive_after_days",
            0..=36_500,
            default.archive_after_days,
        ),
    }
}

fn attempts(section: &mut Section<'_>, default: Attempts) -> Attempts {
    Attempts {
        rate_max: section.within("rate_max", 0..=10_000_000, default.rate_max),
        keep_days: section.within("keep_days", 0..=36_500, default.keep_days),
        traces_max: section.within("traces_max", 0..=10_000_000, default.traces_max),
        traces_per_user: section.within("traces_per_user", 0..=1_000, default.traces_per_user),
    }
}

fn http(section: &mut Section<'_>, default: Http) -> Http {
    let http = Http {
        listen: section.get("listen", Optional(default.listen)).0,
        insecure: section.get("insecure", default.insecure),
        public_url: section.get("public_url", Optional(default.public_url)).0,
        trusted_proxies: section.get("trusted_proxies", default.trusted_proxies),
        tls: section.section("tls", tls),
    };
    let is_open = http.listen.is_some_and(|address| !address.ip().is_loopback());
    if is_open && http.tls.is_none() && !http.insecure {
        section.reject(
            "listen",
            "plain HTTP beyond loopback shows every password to the network; expected \
             [http.tls], a loopback address (and a proxy with TLS before it), or \
             http.insecure = true",
        );
    }
    http
}

fn tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    let certificate = section.get("certificate", Optional(None::<PathBuf>)).0;
    let private_key = section.get("private_key", Optional(None::<PathBuf>)).0;
    match (certificate, private_key) {
        (Some(certificate), Some(private_key)) => Some(TlsFiles { certificate, private_key }),
        (None, None) => None,
        (Some(_), None) => {
            section.reject("certificate", "it needs http.tls.private_key beside it");
            None
        }
        (None, Some(_)) => {
            section.reject("private_key", "it needs http.tls.certificate beside it");
            None
        }
    }
}

fn log(section: &mut Section<'_>, default: Log) -> Log {
    let log = Log {
        level: section.get("level", default.level),
        format: section.get("format", default.format),
    };
    if !log.level.split(',').all(is_log_directive) {
        section.reject(
            "level",
            "expected error, warn, info, debug, trace or off, also per module: \
             \"info,radiusd::server=debug\"",
        );
    }
    log
}

/// A level, or `module=level`. The filter itself would take any word for a module that says all.
fn is_log_directive(text: &str) -> bool {
    let (module, level) = text.split_once('=').unwrap_or(("radiusd", text));
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    let is_named = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    levels.iter().any(|known| level.trim().eq_ignore_ascii_case(known))
        && module.trim().split("::").all(is_named)
        && tracing_subscriber::EnvFilter::try_new(text.trim()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    /// The configuration in a file of this text, with these `--set`.
    fn load(text: &str, set: &[&str]) -> Result<Loaded, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("radiusd.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("word"), "a secret of some length\n").unwrap();
        let set = set.iter().map(|&text| text.to_owned()).collect();
        Config::load(&Sources { file: Some(file), set, ..Sources::default() })
    }

    /// The one mistake in a file of this text, without the folder.
    fn mistake(text: &str) -> String {
        let mistakes = load(text, &[]).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        mistakes[0].rsplit_once("/").map_or(mistakes[0].clone(), |(_, rest)| rest.to_owned())
    }

    #[test]
    fn nothing_said_is_the_default() {
        let loaded = Config::load(&Sources::default()).unwrap();
        assert_eq!(loaded.config, Config::default());
        assert_eq!(loaded.warnings, Vec::<String>::new());
        assert!(loaded.shown.iter().all(|shown| shown.origin == "default"));
        assert!(keys().contains(&"clients.NAME.secret".to_owned()));
    }

    #[test]
    fn every_type_is_read() {
        let loaded = load(
            r#"
            data_dir = "/srv/radius"
            [radius]
            auth = ["127.0.0.1:0", "[::1]:0"]
            acct = []
            workers = 3
            reject_delay = "250ms"
            cleanup_delay = 7.5
            dictionaries = ["/etc/dictionary.ours"]
            [clients.office]
            address = "192.0.2.77/24"
            secret = "file:word"
            require_message_authenticator = true
            [clients.'tower.example']
            address = "Tower.Example"
            secret = "another long secret"
            limit_proxy_state = "no"
            [store]
            timezone = "UTC"
            [metrics]
            listen = "off"
            [log]
            format = "json"
            "#,
            &[],
        );
        let Loaded { config, warnings, .. } = loaded.unwrap();
        assert_eq!(config.radius.auth.len(), 2);
        assert_eq!(config.radius.acct, vec![]);
        assert_eq!(config.radius.reject_delay, Duration::from_millis(250));
        assert_eq!(config.radius.cleanup_delay, Duration::from_millis(7_500));
        assert_eq!(config.store.url.reveal(), "sqlite:/srv/radius/radiusd.db");
        assert_eq!(config.metrics.listen, None);
        assert_eq!(config.log.format, LogFormat::Json);
        let [office, tower] = config.clients.as_slice() else { panic!("{:?}", config.clients) };
        assert_eq!(office.address, ClientAddress::Net("192.0.2.0/24".parse().unwrap()));
        assert_eq!(office.secret.reveal(), "a secret of some length");
        assert_eq!(office.require_message_authenticator, Tri::Yes);
        assert_eq!(tower.name, "tower.example");
        assert_eq!(tower.address, ClientAddress::Host("tower.example".into()));
        assert_eq!(tower.limit_proxy_state, Tri::No);
        assert!(warnings.iter().any(|warning| warning.contains("can read it")), "{warnings:?}");
    }

    #[test]
    fn a_mistake_names_file_line_key_and_what_is_allowed() {
        let expected = "radiusd.toml:2: radius.workers = \"many\": expected a whole number, \
                        not negative, without quotes";
        assert_eq!(mistake("[radius]\nworkers = \"many\""), expected);
        let expected = "radiusd.toml:1: radius.reject_delay = \"11s\": expected \"0s\" to \"10s\"";
        assert_eq!(mistake("radius.reject_delay = 11"), expected);
        for level in
            ["a=b=c", "loud", "info,loud", "radiusd=loud", "=info", "a::=info", "", "info,"]
        {
            let mistake = mistake(&format!("[log]\nlevel = \"{level}\""));
            assert!(mistake.starts_with("radiusd.toml:2: log.level"), "{mistake}");
        }
        assert!(mistake("[http]\nlisten = \"0.0.0.0:80\"").contains("http.insecure"));
        assert!(mistake("[http]\npublic_url = \"radius.example/x\"").contains("without a path"));
        let half = mistake("[http.tls]\ncertificate = \"c\"");
        assert!(half.contains("http.tls.certificate") && half.contains("private_key"), "{half}");
        assert!(mistake("[http]\ntrusted_proxies = [\"x\"]").ends_with("24\""));
        assert!(mistake("radius = 1").contains("expected a section, [radius]"));
        assert!(mistake("[clients.x]\nsecret = \"s\"").contains("clients.x needs the key address"));
        assert!(mistake("[radius]\nauth = \"127.0.0.1:1\"").contains("in brackets"));
        assert!(mistake("[radius]\nworkers = 1\nworkers = 2").starts_with("radiusd.toml:3: "));
        let twice = "[radius]\nauth = [\"127.0.0.1:1\"]\nacct = [\"127.0.0.1:1\"]";
        assert!(mistake(twice).starts_with("radiusd.toml:3: radius.acct"));
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        for (text, nearest) in [
            ("[radius]\nreject_dely = 1", "radius.reject_delay"),
            ("[raduis]\nworkers = 1", "radius.workers"),
            ("[accounting]\nkeep_days = 1", "attempts.keep_days"),
            ("[client.office]\nsecret = \"s\"", "clients.NAME.secret"),
            ("datadir = \"/tmp\"", "data_dir"),
            ("[strore]", "store"),
        ] {
            let mistake = mistake(text);
            assert!(mistake.ends_with(&format!("the nearest one is {nearest}")), "{mistake}");
        }
    }

    #[test]
    fn no_mistake_shows_a_secret() {
        let text = "[store]\nurl = \"mysql://root:geheim@db/radius\"\n[clients.x]\naddress = \"!\"\n\
                    secret = 12345678";
        let mistakes = load(text, &[]).unwrap_err().join("\n");
        assert!(!mistakes.contains("geheim") && !mistakes.contains("12345678"), "{mistakes}");
        assert!(mistakes.contains("sqlite:PATH") && mistakes.contains("clients.x.secret = …"));
    }

    /// The shipped file with each key switched on, pieces of it taken out, doubled, exchanged and
    /// damaged: it holds or every mistake is said, in lines that show no secret. `FUZZ_SECONDS`
    /// asks for more.
    #[test]
    fn fuzz_configuration() {
        const SIGNS: &[u8] = b"\"'[]{}=#.,-0 9\n\\\xff";
        let shipped = include_str!("../../../packaging/radiusd.toml");
        let mut text: Vec<u8> = shipped
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if key.split_once(" = ").is_some_and(|(k, _)| !k.contains(' ')) => key,
                _ => line,
            })
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| [line.as_bytes(), b"\n"].concat())
            .collect();
        text.extend(b"[clients.office]\naddress = \"192.0.2.0/24\"\nsecret = \"gEHEIm\"\n");
        assert!(load(std::str::from_utf8(&text).unwrap(), &[]).is_ok());
        let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
        let end = std::time::Instant::now() + Duration::from_secs_f64(seconds.unwrap_or(2.0));
        let mut seed = 2866_u64;
        let mut below = |limit: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % limit.max(1)
        };
        let (mut held, mut refused) = (0, 0);
        while std::time::Instant::now() < end {
            let mut damaged = text.clone();
            for _ in 0..=below(3) {
                if damaged.is_empty() {
                    break;
                }
                let (at, from) = (below(damaged.len()), below(text.len()));
                let length = 1 + below(40);
                let piece = text[from..(from + length).min(text.len())].to_vec();
                let until = (at + length).min(damaged.len());
                match below(5) {
                    0 => damaged[at] = SIGNS[below(SIGNS.len())],
                    1 => drop(damaged.drain(at..until)),
                    2 => drop(damaged.splice(at..at, piece)),
                    3 => drop(damaged.splice(at..until, piece)),
                    _ => damaged.truncate(at + 1),
                }
            }
            let Ok(damaged) = String::from_utf8(damaged) else { continue };
            match load(&damaged, &[]) {
                Ok(loaded) => {
                    held += 1;
                    let shown = loaded.shown.iter().any(|shown| shown.value.contains("gEHEIm"));
                    let said = loaded.warnings.iter().any(|warning| warning.contains("gEHEIm"));
                    assert!(!shown && !said, "{damaged}");
                }
                Err(mistakes) => {
                    refused += 1;
                    assert!(!mistakes.is_empty() && mistakes.iter().all(|one| one.contains(':')));
                }
            }
        }
        assert!(held > 0 && refused > 0, "{held} held, {refused} refused");
    }

    #[test]
    fn later_places_win() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("radiusd.toml");
        let text = "[radius]\nworkers = 1\nusers_cache = 1\ninflight_max = 100\n[clients.Office]\n\
                    address = \"::1\"\nsecret = \"s\"";
        std::fs::write(&file, text).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let sources = Sources {
            file: Some(file),
            environment: vec![
                pair("RADIUSD__RADIUS__WORKERS", "2"),
                pair("RADIUSD__RADIUS__USERS_CACHE", "2"),
                pair("RADIUSD__RADIUS__AUTH", "127.0.0.1:1, [::1]:1"),
                pair("RADIUSD__CLIENTS__OFFICE__SECRET", "0123456789012345"),
            ],
            set: vec![
                "radius.workers=3".into(),
                r#"clients."a b".address=::2"#.into(),
                r#"clients."a b".secret=s"#.into(),
            ],
            options: vec![("--acct", "radius.acct", vec!["127.0.0.1:9".into()])],
        };
        let Loaded { config, shown, .. } = Config::load(&sources).unwrap();
        let radius = &config.radius;
        assert_eq!((radius.inflight_max, radius.users_cache, radius.workers), (100, 2, 3));
        assert_eq!(radius.auth.len(), 2);
        assert_eq!(radius.acct, vec!["127.0.0.1:9".parse().unwrap()]);
        let names: Vec<_> = config.clients.iter().map(|client| client.name.as_str()).collect();
        assert_eq!(names, ["Office", "a b"]);
        let origin = |key| shown.iter().find(|shown| shown.key == key).unwrap().origin.as_str();
        assert_eq!(origin("clients.Office.secret"), "environment RADIUSD__CLIENTS__OFFICE__SECRET");
        assert_eq!(origin("radius.acct"), "--acct");
        let bad = Sources { set: vec!["radius.workers".into()], ..Sources::default() };
        assert!(Config::load(&bad).unwrap_err()[0].contains("section.key=value"));
    }
}
