//! What is legal in a configuration and yet unwise.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Client, ClientAddress, Config, Tri};

/// One sentence for each thing worth a second look.
pub(super) fn check(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let radius = &config.radius;
    if radius.auth.is_empty() && radius.acct.is_empty() {
        warnings.push("radius.auth and radius.acct are empty: no request can arrive".to_owned());
    }
    if radius.reject_delay > radius.cleanup_delay {
        warnings.push(
            "radius.reject_delay is longer than radius.cleanup_delay: a reject leaves after its \
             request is forgotten, so a retransmission is decided anew"
                .to_owned(),
        );
    }
    if config.metrics.listen.is_some_and(|address| public(address.ip())) {
        warnings.push("metrics.listen is an address that others may reach".to_owned());
    }
    if config.store.listen_url.is_some() && config.store.url.reveal().starts_with("sqlite:") {
        warnings.push("store.listen_url does nothing for SQLite".to_owned());
    }
    if config.accounting.queue_max < config.accounting.batch_max {
        warnings.push(
            "accounting.queue_max is below accounting.batch_max: no batch ever fills".to_owned(),
        );
    }
    for (index, client) in config.clients.iter().enumerate() {
        client_warnings(client, &mut warnings);
        let before = config.clients.get(..index).unwrap_or_default();
        if let Some(twin) = before.iter().find(|twin| twin.address == client.address) {
            warnings.push(format!(
                "clients.{} and clients.{} have the same address: the first one is used",
                twin.name, client.name
            ));
        }
    }
    warnings
}

fn client_warnings(client: &Client, warnings: &mut Vec<String>) {
    let name = &client.name;
    let local = match &client.address {
        ClientAddress::Net(net) => net.addr().is_loopback(),
        ClientAddress::Host(_) => false,
    };
    if !local && client.secret.reveal().len() < 12 {
        warnings.push(format!(
            "clients.{name}.secret is short: one captured packet is enough to guess it"
        ));
    }
    if !local && client.require_message_authenticator == Tri::No {
        warnings.push(format!(
            "clients.{name}.require_message_authenticator = \"no\": whoever sits between can turn \
             a reject into an accept (BlastRADIUS)"
        ));
    }
    if let ClientAddress::Net(net) = &client.address
        && net.prefix_len() == 0
    {
        warnings.push(format!("clients.{name}.address is everyone"));
    }
}

/// Unspecified counts: it includes every public address this machine has.
fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

/// A file that holds a secret in plain text and that every user of the machine can read.
pub(super) fn readable_by_all(file: &Path) -> Option<String> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    let text = std::fs::read_to_string(file).ok()?;
    let outside = ["file:", "env:", "credential:"];
    let plain = text.lines().map(str::trim).any(|line| {
        let value =
            line.strip_prefix("secret").map(|rest| rest.trim_start_matches([' ', '=', '"']));
        value.is_some_and(|value| !outside.iter().any(|word| value.starts_with(word)))
    });
    (mode & 0o004 != 0 && plain).then(|| {
        format!(
            "{}: it holds a secret and every user of this machine can read it; \"file:…\" and \
             \"credential:…\" keep it elsewhere",
            file.display()
        )
    })
}
