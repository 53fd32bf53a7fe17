//! Keeps the roster as the store has it: reads all at start, then what changed, as it is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dictionaries::Dictionary;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use proto::Secret;
use schema::{Change, Error, NasRow, Store, Tri};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::clients::{Clients, Learned, Nas};
use super::last_known::List;
use super::{Inbox, LastKnown, Roster, Users};
use crate::config::{self, ClientAddress};
use crate::policy::{Groups, Huntgroups, compile_group};

/// Host names of clients are asked for again so often.
const RESOLVE_EVERY: Duration = Duration::from_secs(60);
/// How long the store may take to begin to tell of changes.
const LISTENING: Duration = Duration::from_secs(2);
/// After a failed read the store is asked again so soon.
const RETRY: Duration = Duration::from_millis(500);

/// What the roster is made with.
pub struct WatchOptions {
    pub clients: Vec<config::Client>,
    pub dictionary: Arc<Dictionary>,
    pub zone: TimeZone,
    pub users_cache: usize,
    pub stale_policy_max: Duration,
    pub last_known: LastKnown,
}

/// The task that keeps a roster up to date.
pub struct Watch {
    store: Store,
    roster: Arc<Roster>,
    options: WatchOptions,
    changes: mpsc::Receiver<Change>,
    learned: UnboundedReceiver<i64>,
    /// What has to be read again.
    stale: Stale,
    /// There was word from the store since all was last read.
    heard: bool,
    /// The last read failed, and that was said.
    failing: bool,
    /// What the clients were made of.
    list: Arc<List>,
    /// What lies in the data directory.
    kept: Option<Arc<List>>,
}

#[derive(Clone, Copy, Default)]
struct Stale {
    groups: bool,
    nas: bool,
    huntgroups: bool,
}

impl Stale {
    const ALL: Stale = Stale { groups: true, nas: true, huntgroups: true };

    fn any(self) -> bool {
        self.groups || self.nas || self.huntgroups
    }
}

impl Watch {
    /// Reads everything once. While the store is away, the NAS are those last known, if there are
    /// any, and nothing else is known.
    pub async fn start(store: Store, options: WatchOptions) -> Result<(Arc<Roster>, Watch), Error> {
        let changes = store.changes();
        let (sender, learned) = mpsc::unbounded_channel();
        let roster = Arc::new(Roster {
            clients: Default::default(),
            groups: Default::default(),
            huntgroups: Default::default(),
            // What a user with three rows and a group takes, and a little more.
            users: Users::new(options.users_cache as u64 * 600),
            inbox: Inbox::default(),
            learned: sender,
            away: AtomicBool::new(false),
            stale_policy_max: options.stale_policy_max,
        });
        let mut watch = Watch {
            store,
            roster: Arc::clone(&roster),
            options,
            changes,
            learned,
            stale: Stale::ALL,
            heard: true,
            failing: false,
            list: Arc::default(),
            kept: None,
        };
        watch.kept = watch.options.last_known.load().map(Arc::new);
        match (watch.first_read().await, watch.kept.clone()) {
            (Ok(()), _) => {}
            (Err(error @ Error::Away(_)), Some(list)) => {
                roster.missed(&error);
                watch.heard = false;
                watch.enter(list).await;
                tracing::warn!(
                    clients = roster.clients().len(),
                    "the NAS are those last known; users are unknown until the store answers"
                );
            }
            (Err(error), _) => return Err(error),
        }
        Ok((roster, watch))
    }

    /// The store tells of changes before it is read, so none is missed.
    async fn first_read(&mut self) -> Result<(), Error> {
        if self.store.is_open() {
            // From here on every change is told; should that take long, it is told again then.
            let begun = async {
                while !matches!(self.changes.recv().await, Some(Change::Everything) | None) {}
            };
            let _ = tokio::time::timeout(LISTENING, begun).await;
        }
        self.refresh().await
    }

    /// Runs until the store's announcements end.
    pub async fn run(mut self) {
        let mut resolve = tokio::time::interval(RESOLVE_EVERY);
        resolve.reset();
        loop {
            let retry = self.stale.any() && self.store.is_open();
            tokio::select! {
                change = self.changes.recv() => match change {
                    Some(change) => self.note(change),
                    None => return,
                },
                row = self.learned.recv() => if let Some(row) = row {
                    self.write_down(row).await;
                },
                _ = resolve.tick() => if self.has_host_names() {
                    self.enter(Arc::clone(&self.list)).await;
                },
                () = tokio::time::sleep(RETRY), if retry => {}
            }
            // Many changes at once are one read.
            while let Ok(change) = self.changes.try_recv() {
                self.note(change);
            }
            if self.heard || retry {
                let failed = self.refresh().await.err();
                if let (Some(error), false) = (&failed, self.failing) {
                    tracing::warn!(%error, "policy could not be read again");
                }
                self.failing = failed.is_some();
            }
        }
    }

    fn note(&mut self, change: Change) {
        let users = &self.roster.users;
        match change {
            Change::Users(keys) => keys.iter().for_each(|key| users.changed(key)),
            Change::AllUsers => users.all_changed(),
            Change::Groups(_) | Change::AllGroups => self.stale.groups = true,
            Change::Nas => self.stale.nas = true,
            Change::Huntgroups => self.stale.huntgroups = true,
            Change::Everything => {
                users.all_doubtful();
                self.stale = Stale::ALL;
                self.roster.answered();
            }
            Change::OtherWriter | Change::Heartbeat => {}
        }
        self.heard = true;
    }

    /// Reads what has to be read. Only then the word from the store counts: what is known is as
    /// the store has it.
    async fn refresh(&mut self) -> Result<(), Error> {
        if self.stale.groups {
            let rows = self.store.groups_rows(None).await?;
            let compile = |rows| compile_group(rows, &self.options.dictionary, &self.options.zone);
            let groups: Groups = rows.iter().map(compile).collect();
            self.roster.groups.store(Arc::new(groups));
            self.stale.groups = false;
        }
        if self.stale.huntgroups {
            let rows = self.store.huntgroups().await?;
            self.roster.huntgroups.store(Arc::new(Huntgroups::compile(&rows)));
            self.stale.huntgroups = false;
        }
        if self.stale.nas {
            let list = List::read(&self.store).await?;
            self.enter(Arc::new(list)).await;
            self.stale.nas = false;
            self.keep().await;
        }
        if std::mem::take(&mut self.heard) {
            self.roster.users.heard();
        }
        Ok(())
    }

    /// Writes the list to the data directory when it has changed.
    async fn keep(&mut self) {
        if self.kept.as_ref() == Some(&self.list) {
            return;
        }
        let (last_known, list) = (self.options.last_known.clone(), Arc::clone(&self.list));
        match tokio::task::spawn_blocking(move || last_known.keep(&list)).await {
            Ok(Ok(())) => self.kept = Some(Arc::clone(&self.list)),
            Ok(Err(error)) => tracing::warn!(%error, "the NAS last known cannot be kept"),
            Err(error) => tracing::warn!(%error, "the NAS last known cannot be kept"),
        }
    }

    fn has_host_names(&self) -> bool {
        self.options.clients.iter().any(|client| matches!(client.address, ClientAddress::Host(_)))
            || self.roster.clients().has_host_names
    }

    /// The configuration's clients, then the table's; of two with one address the first stays.
    async fn enter(&mut self, list: Arc<List>) {
        let before = self.roster.clients();
        let mut clients = Clients::default();
        for client in &self.options.clients {
            let networks = match &client.address {
                ClientAddress::Net(network) => vec![*network],
                ClientAddress::Host(name) => resolve(name).await,
            };
            for network in networks {
                let nas = configured(client, network, learned(&before, network));
                add(&mut clients, nas);
            }
        }
        for row in &list.nas {
            let networks = match network(&row.nasname) {
                Some(network) => vec![network],
                None => {
                    clients.has_host_names = true;
                    resolve(row.nasname.trim()).await
                }
            };
            for network in networks {
                let nas = listed(row, network, learned(&before, network));
                add(&mut clients, nas);
            }
        }
        for nas in &list.named {
            let network = IpNet::from(IpAddr::from([0, 0, 0, 0]));
            let known = Nas {
                name: nas.identifier.as_str().into(),
                shortname: nas.shortname.as_str().into(),
                secret: Secret::new(nas.secret.as_bytes()),
                network,
                // Its address proves nothing (`deviations.md` 8).
                require_message_authenticator: Tri::Yes,
                limit_proxy_state: nas.limit_proxy_state,
                row: None,
                learned: Arc::default(),
            };
            clients.add_identified(nas.identifier.as_bytes(), Arc::new(known));
        }
        self.roster.clients.store(Arc::new(clients));
        self.list = list;
    }

    /// `auto` has become `yes` for this row.
    async fn write_down(&self, row: i64) {
        let clients = self.roster.clients();
        let Some(nas) = clients.with_row(row) else { return };
        let settle = |rule: Tri, seen: &AtomicBool| match rule {
            Tri::Auto if seen.load(Ordering::Relaxed) => Tri::Yes,
            rule => rule,
        };
        let require = settle(nas.require_message_authenticator, &nas.learned.signs);
        let limit = settle(nas.limit_proxy_state, &nas.learned.clean);
        if require != nas.require_message_authenticator {
            tracing::info!(nas.name = %nas.name, "always signs: Message-Authenticator is now required");
        }
        if limit != nas.limit_proxy_state {
            tracing::info!(nas.name = %nas.name, "Proxy-State is now refused in unsigned packets");
        }
        if let Err(error) = self.store.set_nas_transport(row, require, limit).await {
            tracing::warn!(nas.name = %nas.name, %error, "a rule that was learned is not stored");
        }
    }
}

fn add(clients: &mut Clients, nas: Nas) {
    let (name, network) = (nas.name.clone(), nas.network);
    if !clients.add(Arc::new(nas)) {
        tracing::warn!(nas.name = %name, %network, "another client has this address: not used");
    }
}

/// What `auto` has seen of this address so far.
fn learned(before: &Clients, network: IpNet) -> Arc<Learned> {
    match before.find(network.addr()) {
        Some(nas) if nas.network == network => Arc::clone(&nas.learned),
        _ => Arc::default(),
    }
}

fn configured(client: &config::Client, network: IpNet, learned: Arc<Learned>) -> Nas {
    Nas {
        name: client.name.as_str().into(),
        shortname: client.name.as_str().into(),
        secret: Secret::new(client.secret.reveal().as_bytes()),
        network,
        require_message_authenticator: rule(client.require_message_authenticator),
        limit_proxy_state: rule(client.limit_proxy_state),
        row: None,
        learned,
    }
}

fn rule(rule: config::Tri) -> Tri {
    match rule {
        config::Tri::Auto => Tri::Auto,
        config::Tri::Yes => Tri::Yes,
        config::Tri::No => Tri::No,
    }
}

fn listed(row: &NasRow, network: IpNet, learned: Arc<Learned>) -> Nas {
    Nas {
        name: row.nasname.as_str().into(),
        shortname: row.shortname.as_str().into(),
        secret: Secret::new(row.secret.as_bytes()),
        network,
        require_message_authenticator: row.require_message_authenticator,
        limit_proxy_state: row.limit_proxy_state,
        row: Some(row.id),
        learned,
    }
}

/// `nasname` as an address or a prefix; none for a host name.
fn network(nasname: &str) -> Option<IpNet> {
    let text = nasname.trim();
    if text == "*" {
        return "0.0.0.0/0".parse().ok();
    }
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    // FreeRADIUS: 0.0.0.0 is any address.
    Some(if network.addr().is_unspecified() {
        IpNet::new(network.addr(), 0).ok()?
    } else {
        network
    })
}

async fn resolve(name: &str) -> Vec<IpNet> {
    match tokio::time::timeout(Duration::from_secs(3), tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(addresses)) => {
            let mut networks: Vec<IpNet> =
                addresses.map(|address| IpNet::from(address.ip())).collect();
            networks.sort();
            networks.dedup();
            networks
        }
        _ => {
            tracing::warn!(nas.name = name, "the host name of a client cannot be resolved");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_addresses() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1/32")),
            (" 10.0.0.0/8 ", Some("10.0.0.0/8")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("0.0.0.0", Some("0.0.0.0/0")),
            ("*", Some("0.0.0.0/0")),
            ("ap1.example.com", None),
        ] {
            assert_eq!(network(text).map(|net| net.to_string()).as_deref(), expected, "{text}");
        }
    }
}
