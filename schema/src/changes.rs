//! What any program altered of the policy, told as it happens.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::engine::{Engine, postgres, sqlite};
use crate::store::{self, Inner};
use crate::{Error, Store, additions};

/// How many changes a receiver may be behind.
const BEHIND_MAX: usize = 1_024;
/// How often the listening connection is heard, and how often policy counts as changed where
/// nothing tells.
const BEAT: Duration = Duration::from_millis(1_800);
/// Silence for so long means that the listening connection is lost.
const LOST: Duration = Duration::from_secs(5);
/// A listening connection that was lost is made anew after so long.
const AGAIN: Duration = Duration::from_millis(20);
/// How often SQLite is asked whether another process has written.
const ASK: Duration = Duration::from_millis(100);

/// Keys are MD5 of a name in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Rows of these users in radcheck, radreply or radusergroup.
    Users(Vec<[u8; 16]>),
    AllUsers,
    /// Rows of these groups in radgroupcheck or radgroupreply.
    Groups(Vec<[u8; 16]>),
    AllGroups,
    /// `nas` or our settings beside it.
    Nas,
    Huntgroups,
    /// Another program, or another radiusd, writes sessions.
    OtherWriter,
    /// Anything: the watch has (again) begun, or nothing tells what changed. Only sent while the
    /// store answers, so it never is a reason to forget what can't be read again.
    Everything,
    /// The store was heard, and every change committed up to a moment before has been told.
    Heartbeat,
}

/// Who wants to hear of changes.
#[derive(Default)]
pub(crate) struct Subscribers {
    list: Mutex<Listeners>,
}

#[derive(Default)]
struct Listeners {
    subscribers: Vec<Subscriber>,
    /// A task watches the store for them.
    watched: bool,
}

struct Subscriber {
    sender: mpsc::Sender<Change>,
    /// It was too slow and has missed something.
    missed: bool,
}

impl Subscribers {
    fn publish(&self, change: &Change) {
        self.list.lock().subscribers.retain_mut(|subscriber| subscriber.tell(change));
    }

    /// False, and nobody watches any more, when nobody is left.
    fn keep_watching(&self) -> bool {
        let mut list = self.list.lock();
        list.subscribers.retain(|subscriber| !subscriber.sender.is_closed());
        list.watched = !list.subscribers.is_empty();
        list.watched
    }
}

impl Subscriber {
    /// False when it has gone.
    fn tell(&mut self, change: &Change) -> bool {
        use mpsc::error::TrySendError::{Closed, Full};
        if self.missed {
            match self.sender.try_send(Change::Everything) {
                Ok(()) => self.missed = false,
                Err(Full(_)) => return true,
                Err(Closed(_)) => return false,
            }
        }
        match self.sender.try_send(change.clone()) {
            Ok(()) => true,
            Err(Full(_)) => {
                self.missed = *change != Change::Heartbeat;
                true
            }
            Err(Closed(_)) => false,
        }
    }
}

impl Store {
    /// Begins to watch; needs a tokio runtime. Starts with `Everything`, once the store is open,
    /// and ends when the receiver is dropped. A reader that falls behind gets `Everything` in place of what it
    /// missed.
    pub fn changes(&self) -> mpsc::Receiver<Change> {
        let (sender, receiver) = mpsc::channel(BEHIND_MAX);
        let mut subscriber = Subscriber { sender, missed: false };
        let mut list = self.inner.subscribers.list.lock();
        if list.watched && self.is_open() {
            subscriber.tell(&Change::Everything);
        }
        list.subscribers.push(subscriber);
        if !list.watched {
            list.watched = true;
            tokio::spawn(watch(Arc::downgrade(&self.inner)));
        }
        receiver
    }

    /// The key under which changes of `name` are told.
    pub fn change_key(name: &str) -> [u8; 16] {
        use md5::{Digest, Md5};
        Md5::digest(name.as_bytes()).into()
    }

    /// What this process has changed itself; on PostgreSQL the triggers tell it once more.
    pub(crate) fn publish(&self, change: Change) {
        self.inner.subscribers.publish(&change);
    }
}

/// Watches until the store or the last receiver is gone.
async fn watch(store: Weak<Inner>) {
    let mut version = None;
    loop {
        let Some(inner) = store.upgrade() else { return };
        if !inner.subscribers.keep_watching() {
            return;
        }
        match inner.engine() {
            Err(_) => {
                drop(inner);
                tokio::time::sleep(ASK).await;
            }
            Ok(Engine::Sqlite(database)) => {
                follow_version(database, &inner.subscribers, &mut version).await;
            }
            Ok(Engine::Postgres(database)) => {
                let listened = listen(database, &inner.subscribers).await;
                if listened.is_err() && answers(&inner).await {
                    // The store can be read, but nothing tells what changed in it.
                    inner.subscribers.publish(&Change::Everything);
                    inner.subscribers.publish(&Change::Heartbeat);
                }
                drop(inner);
                let pause = if listened.is_err() { BEAT / 2 } else { AGAIN };
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn answers(inner: &Inner) -> bool {
    matches!(timeout(LOST, store::ping(inner)).await, Ok(Ok(())))
}

/// Tells what the writer sees of others' commits while it waits to ask again.
async fn follow_version(
    database: &sqlite::Database,
    subscribers: &Subscribers,
    known: &mut Option<i64>,
) {
    let mut seen = database.others();
    database.look_for_others();
    let until = Instant::now() + ASK;
    let mut heard = false;
    while let Ok(Ok(())) = timeout_at(until, seen.changed()).await {
        let version = *seen.borrow_and_update();
        if version != *known {
            *known = version;
            subscribers.publish(&Change::Everything);
        } else if heard {
            continue;
        }
        heard = true;
        subscribers.publish(&Change::Heartbeat);
    }
}

/// Listens until the connection is lost, or nobody wants to hear. An error when it could not
/// even begin.
async fn listen(database: &postgres::Database, subscribers: &Subscribers) -> Result<(), Error> {
    let mut listener = database.listen(additions::CHANNEL, LOST).await?;
    // Only now: what changes from here on is heard.
    subscribers.publish(&Change::Everything);
    follow(&mut listener, subscribers).await.ok();
    listener.close().await;
    Ok(())
}

async fn follow(listener: &mut postgres::Listener, subscribers: &Subscribers) -> Result<(), Error> {
    let mut heard = Instant::now();
    let mut next_beat = heard;
    // Whether triggers tell of every change: of policy, and of sessions.
    let mut told = [true; 2];
    while subscribers.keep_watching() {
        if Instant::now() >= next_beat {
            next_beat = Instant::now() + BEAT;
            // Triggers may come, and go with a table that is made anew.
            let watched = additions::watched();
            told = listener.beat(additions::IS_NOTIFIED, watched, LOST).await?;
        }
        let received = listener.hear(next_beat.min(heard + LOST)).await?;
        for change in changes_of(received.payloads.iter().map(String::as_str)) {
            subscribers.publish(&change);
        }
        if received.beat {
            heard = Instant::now();
            let [policy, sessions] = told;
            if !policy {
                subscribers.publish(&Change::Everything);
            }
            if !sessions {
                subscribers.publish(&Change::OtherWriter);
            }
            subscribers.publish(&Change::Heartbeat);
        } else if received.payloads.is_empty() && heard.elapsed() >= LOST {
            return Ok(());
        }
    }
    Ok(())
}

/// Payloads `table:md5(key)` and `table:*`, as few changes as will do.
fn changes_of<'p>(payloads: impl Iterator<Item = &'p str>) -> Vec<Change> {
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    let mut changes = Vec::new();
    for payload in payloads {
        let (table, key) = payload.split_once(':').unwrap_or((payload, "*"));
        let mut octets = [0; 16];
        let key = hex::decode_to_slice(key, &mut octets).is_ok().then_some(octets);
        let change = match (table, key) {
            ("radcheck" | "radreply" | "radusergroup", Some(key)) => {
                users.push(key);
                continue;
            }
            ("radgroupcheck" | "radgroupreply", Some(key)) => {
                groups.push(key);
                continue;
            }
            ("radcheck" | "radreply" | "radusergroup", None) => Change::AllUsers,
            ("radgroupcheck" | "radgroupreply", None) => Change::AllGroups,
            ("nas" | "mgmt_nas_settings" | "mgmt_nas_named", _) => Change::Nas,
            ("radhuntgroup", _) => Change::Huntgroups,
            ("radacct" | "node", _) => Change::OtherWriter,
            _ => Change::Everything,
        };
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    for (mut keys, change) in
        [(users, Change::Users as fn(_) -> _), (groups, Change::Groups as fn(_) -> _)]
    {
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() {
            changes.push(change(keys));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_become_few_changes() {
        let (bob, all) = (Store::change_key("bob"), "radreply:*");
        let of_bob = format!("radcheck:{}", hex::encode(bob));
        let group = format!("radgroupreply:{}", hex::encode(Store::change_key("gold")));
        let payloads = [of_bob.as_str(), &of_bob, "nas:*", "nas:*", all, &group, "strange"];
        let changes = changes_of(payloads.into_iter());
        assert_eq!(
            changes,
            [
                Change::Nas,
                Change::AllUsers,
                Change::Everything,
                Change::Users(vec![bob]),
                Change::Groups(vec![Store::change_key("gold")]),
            ]
        );
    }

    #[test]
    fn who_falls_behind_hears_of_everything() {
        let (sender, mut receiver) = mpsc::channel(2);
        let subscribers = Subscribers::default();
        subscribers.list.lock().subscribers.push(Subscriber { sender, missed: false });
        for _ in 0..5 {
            subscribers.publish(&Change::Nas);
        }
        assert_eq!(receiver.try_recv(), Ok(Change::Nas));
        assert_eq!(receiver.try_recv(), Ok(Change::Nas));
        subscribers.publish(&Change::Heartbeat);
        assert_eq!(receiver.try_recv(), Ok(Change::Everything));
        assert_eq!(receiver.try_recv(), Ok(Change::Heartbeat));
        drop(receiver);
        assert!(!subscribers.keep_watching());
    }
}
