//! What a decision lacks is fetched here: users' rows many at a time, counters, sessions, and
//! passwords that take long to check.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use schema::{Error, Store, UserRows};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::duplicates::Ticket;
use crate::policy::{
    Answers, Ask, Direction, Need, OpenSessions, UserPolicy, compile_user, lookup_names,
};
use crate::roster::{Known, Mark, Roster};
use crate::server::{Mailbox, Message};

/// Users asked for in one query at most.
const USERS_A_QUERY: usize = 64;

/// What an Access-Request waits for.
pub enum What {
    /// The rows of the name it carries.
    User(Box<[u8]>),
    /// What policy asked for on top.
    Needs(Vec<Need>),
}

/// What came of it; none when the store is away.
pub enum Fetched {
    User(Option<Arc<Known>>),
    Answers(Option<Vec<Answer>>),
}

/// One [`Need`], satisfied.
pub enum Answer {
    Profile(String, Option<Arc<UserPolicy>>),
    Counter(Ask, i64),
    OpenSessions(OpenSessions),
    Host(String, Vec<IpAddr>),
    SlowPassword(bool),
}

impl Answer {
    pub fn enter(self, answers: &mut Answers) {
        match self {
            Answer::Profile(name, policy) => answers.profile(name, policy),
            Answer::Counter(ask, used) => answers.counter(ask, used),
            Answer::OpenSessions(sessions) => answers.open_sessions = Some(sessions),
            Answer::Host(name, addresses) => answers.host(name, addresses),
            Answer::SlowPassword(fits) => answers.slow_password = Some(fits),
        }
    }
}

/// The workers' end: asking never waits.
pub struct Fetcher {
    users: mpsc::Sender<UserWanted>,
    runtime: Handle,
    source: Arc<Source>,
    mailboxes: Vec<Mailbox<Message>>,
}

struct UserWanted {
    name: Box<[u8]>,
    worker: usize,
    ticket: Ticket,
}

struct Source {
    store: Store,
    roster: Arc<Roster>,
    dictionary: Arc<Dictionary>,
    zone: TimeZone,
    away: AtomicBool,
    /// Bounds the passwords checked at once, so that they leave a core to everybody else.
    slow: Semaphore,
    hosts: Hosts,
}

impl Fetcher {
    /// Starts the task that asks for users. `queries` run at once; what piles up meanwhile goes
    /// into the next one together.
    pub fn start(
        runtime: Handle,
        store: Store,
        roster: Arc<Roster>,
        dictionary: Arc<Dictionary>,
        zone: TimeZone,
        queries: usize,
        mailboxes: Vec<Mailbox<Message>>,
    ) -> Fetcher {
        let slow = std::thread::available_parallelism().map_or(1, usize::from);
        let source = Arc::new(Source {
            store,
            roster,
            dictionary,
            zone,
            away: AtomicBool::new(false),
            slow: Semaphore::new(slow),
            hosts: Hosts::default(),
        });
        let (users, wanted) = mpsc::channel(65_536);
        runtime.spawn(users_loop(wanted, Arc::clone(&source), queries, mailboxes.clone()));
        Fetcher { users, runtime, source, mailboxes }
    }

    /// Whether the store was away when it was last asked.
    pub fn is_away(&self) -> bool {
        self.source.away.load(Ordering::Relaxed)
    }

    /// Asks; the answer comes by the worker's mailbox. False when too much is asked already.
    pub fn ask(&self, worker: usize, ticket: Ticket, what: What) -> bool {
        let Some(mailbox) = self.mailboxes.get(worker).cloned() else { return false };
        match what {
            What::User(name) => self.users.try_send(UserWanted { name, worker, ticket }).is_ok(),
            What::Needs(needs) => {
                let source = Arc::clone(&self.source);
                self.runtime.spawn(async move {
                    let answers = source.satisfy(needs).await;
                    mailbox.send(Message::Fetched(ticket, Fetched::Answers(answers)));
                });
                true
            }
        }
    }
}

async fn users_loop(
    mut wanted: mpsc::Receiver<UserWanted>,
    source: Arc<Source>,
    queries: usize,
    mailboxes: Vec<Mailbox<Message>>,
) {
    let slots = Arc::new(Semaphore::new(queries.max(1)));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let mut batch = Vec::with_capacity(USERS_A_QUERY);
        if wanted.recv_many(&mut batch, USERS_A_QUERY).await == 0 {
            return;
        }
        let (source, mailboxes) = (Arc::clone(&source), mailboxes.clone());
        tokio::spawn(async move {
            let names: Vec<&[u8]> = batch.iter().map(|one| &*one.name).collect();
            let known = source.users(&names).await;
            for (index, one) in batch.iter().enumerate() {
                let user = known.as_ref().and_then(|known| known.get(index).cloned());
                if let Some(mailbox) = mailboxes.get(one.worker) {
                    mailbox.send(Message::Fetched(one.ticket, Fetched::User(user)));
                }
            }
            drop(slot);
        });
    }
}

impl Source {
    /// The rows of each name in one query, kept in the roster; none when the store is away.
    async fn users(&self, names: &[&[u8]]) -> Option<Vec<Arc<Known>>> {
        let forms: Vec<_> = names.iter().map(|name| lookup_names(name)).collect();
        // Before the query: see `roster::users`.
        let marks: Vec<Mark> =
            forms.iter().map(|(raw, escaped)| self.roster.users.mark(raw, escaped)).collect();
        let mut all: Vec<&str> =
            forms.iter().flat_map(|(raw, escaped)| [raw.as_ref(), escaped.as_ref()]).collect();
        all.sort_unstable();
        all.dedup();
        let rows = self.told(self.store.users_rows(&all).await)?;
        let by_name: HashMap<&str, &UserRows> =
            rows.iter().map(|rows| (rows.name.as_str(), rows)).collect();
        let filled = names.iter().zip(&forms).zip(marks).map(|((name, (raw, escaped)), mark)| {
            let rows = by_name.get(raw.as_ref()).or_else(|| by_name.get(escaped.as_ref()));
            let policy = rows.map(|rows| Arc::new(self.compile(rows)));
            self.roster.users.fill(name, mark, policy)
        });
        Some(filled.collect())
    }

    fn compile(&self, rows: &UserRows) -> UserPolicy {
        compile_user(rows, &self.dictionary, &self.zone)
    }

    /// Remembers whether the store is away; logs the change once.
    fn told<T>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("the store answers again");
                }
                Some(value)
            }
            Err(error) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the store does not answer");
                }
                None
            }
        }
    }

    async fn satisfy(&self, needs: Vec<Need>) -> Option<Vec<Answer>> {
        let mut answers = Vec::with_capacity(needs.len());
        for need in needs {
            answers.push(self.one(need).await?);
        }
        Some(answers)
    }

    async fn one(&self, need: Need) -> Option<Answer> {
        Some(match need {
            Need::Profile(name) => {
                let known = self.users(&[name.as_bytes()]).await?;
                let policy = known.first().and_then(|known| known.policy.clone());
                Answer::Profile(name, policy)
            }
            Need::Counter { user, ask } => Answer::Counter(ask, self.counter(&user, ask).await?),
            Need::OpenSessions { user, .. } => {
                let (raw, escaped) = lookup_names(&user);
                let sessions = self.store.open_sessions(&[&raw, &escaped]).await;
                Answer::OpenSessions(OpenSessions::List(self.told(sessions)?))
            }
            Need::Host(name) => {
                let addresses = self.hosts.find(&name).await;
                Answer::Host(name, addresses)
            }
            Need::SlowPassword(password) => {
                let _turn = self.slow.acquire().await.ok()?;
                let check = tokio::task::spawn_blocking(move || password.fits());
                Answer::SlowPassword(check.await.unwrap_or(false))
            }
        })
    }

    async fn counter(&self, user: &[u8], ask: Ask) -> Option<i64> {
        let (raw, escaped) = lookup_names(user);
        let names: &[&str] = &[&raw, &escaped];
        match ask {
            Ask::SessionSeconds { since: Some(since) } => {
                self.told(self.store.session_seconds(names, since).await)
            }
            Ask::SessionSeconds { since: None } => {
                self.told(self.store.session_seconds_ever(names).await)
            }
            Ask::FirstLogin => Some(self.told(self.store.first_login(names).await)?.unwrap_or(0)),
            Ask::Volume { since, direction } => {
                let volume = self.told(self.store.volume(names, since).await)?;
                Some(match direction {
                    Direction::Input => volume.input,
                    Direction::Output => volume.output,
                    Direction::Both => volume.input.saturating_add(volume.output),
                })
            }
        }
    }
}

/// Addresses of host names that rows give instead of addresses (`deviations.md` 14).
#[derive(Default)]
struct Hosts {
    known: parking_lot::Mutex<HashMap<String, (Instant, Vec<IpAddr>)>>,
}

const HOSTS_MAX: usize = 1024;
const HOST_AGE: Duration = Duration::from_secs(60);

impl Hosts {
    /// Asked at most once a minute; the last answer stands while the resolver has none.
    async fn find(&self, name: &str) -> Vec<IpAddr> {
        let known = self.known.lock().get(name).cloned();
        if let Some((asked, addresses)) = &known
            && asked.elapsed() < HOST_AGE
        {
            return addresses.clone();
        }
        let look_up = tokio::net::lookup_host((name, 0));
        let addresses = match tokio::time::timeout(Duration::from_secs(3), look_up).await {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            _ => known.map(|(_, addresses)| addresses).unwrap_or_default(),
        };
        let mut all = self.known.lock();
        if all.len() >= HOSTS_MAX {
            all.clear();
        }
        all.insert(name.to_owned(), (Instant::now(), addresses.clone()));
        addresses
    }
}
