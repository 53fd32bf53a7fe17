//! Keeps the roster as the store has it: reads all at start, then what changed, as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use schema::{Change, Error, Store, Tri};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::last_known::List;
use super::names::{LookUp, Names};
use super::{Inbox, LastKnown, Roster, Users, entry};
use crate::config;
use crate::policy::{Groups, Huntgroups, compile_group};

/// Host names of clients are asked for again so often.
const RESOLVE_EVERY: Duration = Duration::from_secs(60);
/// How long a start waits for their first addresses.
const FIRST_ADDRESSES: Duration = Duration::from_secs(3);
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
    pub look_up: LookUp,
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
    names: Names,
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
            names: Names::new(Arc::clone(&options.look_up)),
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
                watch.enter(list);
                tracing::warn!(
                    clients = roster.clients().len(),
                    "the NAS are those last known; users are unknown until the store answers"
                );
            }
            (Err(error), _) => return Err(error),
        }
        if watch.names.settle(FIRST_ADDRESSES).await {
            watch.enter(Arc::clone(&watch.list));
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
                _ = resolve.tick() => self.names.ask_again(),
                others = self.names.answered() => if others {
                    self.enter(Arc::clone(&self.list));
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
            self.enter(Arc::new(list));
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

    /// With the addresses of host names that are known; others come when they are found.
    fn enter(&mut self, list: Arc<List>) {
        let before = self.roster.clients();
        let clients = entry::clients(&self.options.clients, &list, &mut self.names, &before);
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io;
    use std::net::IpAddr;

    use parking_lot::Mutex;
    use schema::{Actor, AuditKeys, NasRow, Options};

    use super::*;

    fn row(nasname: &str) -> NasRow {
        let (shortname, secret) = ("lab".into(), "testing123".into());
        NasRow { nasname: nasname.into(), shortname, secret, ..NasRow::default() }
    }

    fn actor() -> Actor {
        Actor {
            operator: None,
            name: "test".into(),
            means: "test".into(),
            source: "here".into(),
            keys: Arc::new(AuditKeys::new(vec![[7; 32]], None).unwrap()),
        }
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..6000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited for {what}");
    }

    /// While the resolver is silent for one name and fails for another, changes act and the
    /// addresses found before serve.
    #[tokio::test]
    async fn the_resolver_keeps_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("db").display());
        let store = Store::open(&Options { url, ..Options::default() }).await.unwrap();
        store.migrate().await.unwrap();
        store.add_nas(&actor(), &row("ap.example"), None).await.unwrap();
        let address = IpAddr::from([10, 0, 0, 1]);
        let answers = Arc::new(Mutex::new(HashMap::from([("ap.example", Some(address))])));
        let told = Arc::clone(&answers);
        let look_up: LookUp = Arc::new(move |name| {
            let answer = told.lock().get(name.as_str()).copied();
            Box::pin(async move {
                match answer {
                    Some(Some(address)) => Ok(vec![address]),
                    Some(None) => Err(io::Error::other("no such name")),
                    None => std::future::pending().await,
                }
            })
        });
        let options = WatchOptions {
            clients: Vec::new(),
            dictionary: Dictionary::shipped(),
            zone: TimeZone::UTC,
            users_cache: 100,
            stale_policy_max: Duration::from_secs(60),
            last_known: LastKnown::for_tests(folder.path()),
            look_up,
        };
        let (roster, watch) = Watch::start(store.clone(), options).await.unwrap();
        assert!(roster.clients().find(address).is_some(), "asked for before the start ends");
        answers.lock().insert("ap.example", None);
        let watch = tokio::spawn(watch.run());
        for name in ["silent.example", "10.0.0.2"] {
            store.add_nas(&actor(), &row(name), None).await.unwrap();
        }
        let other = IpAddr::from([10, 0, 0, 2]);
        until("another NAS", || roster.clients().find(other).is_some()).await;
        assert!(roster.clients().find(address).is_some(), "the last answer stands");
        watch.abort();
    }
}
