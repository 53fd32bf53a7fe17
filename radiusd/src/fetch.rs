//! What a decision lacks is fetched here: users' rows many at a time, counters, sessions, and
//! passwords that take long to check.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use schema::{Error, Store, UserRows};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::checkrad::Checkrad;
use crate::duplicates::Ticket;
use crate::online::{Count, Online};
use crate::policy::{
    Answers, Ask, Counted, Direction, GroupNames, Need, OpenSessions, UserPolicy, compile_user,
    lookup_names,
};
use crate::roster::{Found, Known, Mark, Roster};
use crate::server::{Mailbox, Message};
use crate::turns::Turns;

/// Users asked for in one query at most.
const USERS_A_QUERY: usize = 64;
/// How long an answer of the store is waited for: a NAS has a few seconds, and another server.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same, once the store does not answer.
const IMPATIENCE: Duration = Duration::from_millis(50);

/// What an Access-Request waits for.
pub enum What {
    /// The rows of the name it carries.
    User(Box<[u8]>),
    /// What policy asked for on top.
    Needs(Vec<Need>),
}

/// What came of it; none when the store is away.
pub enum Fetched {
    User(Option<Known>),
    Answers(Option<Vec<Answer>>),
}

/// One [`Need`], satisfied.
pub enum Answer {
    Profile(String, Option<Arc<UserPolicy>>),
    Counter(Ask, Counted),
    OpenSessions(OpenSessions),
    Gone(Vec<i64>),
    Host(String, Vec<IpAddr>),
    SlowPassword(bool),
}

impl Answer {
    pub fn enter(self, answers: &mut Answers) {
        match self {
            Answer::Profile(name, policy) => answers.profile(name, policy),
            Answer::Counter(ask, used) => answers.counter(ask, used),
            Answer::OpenSessions(sessions) => answers.open_sessions = Some(sessions),
            Answer::Gone(gone) => answers.gone = Some(gone),
            Answer::Host(name, addresses) => answers.host(name, addresses),
            Answer::SlowPassword(fits) => answers.slow_password = Some(fits),
        }
    }
}

/// The workers' end: asking never waits.
pub struct Fetcher {
    users: Arc<Wanted>,
    runtime: Handle,
    source: Arc<Source>,
    mailboxes: Vec<Mailbox<Message>>,
    loop_of_users: AbortHandle,
}

struct UserWanted {
    name: Box<[u8]>,
    worker: usize,
    ticket: Ticket,
}

/// Users asked for and not yet looked up. Sources take turns.
struct Wanted {
    users: parking_lot::Mutex<Turns<UserWanted>>,
    arrived: Notify,
}

/// Users that may be asked for at a time.
const WANTED_MAX: usize = 65_536;

impl Wanted {
    fn ask(&self, source: IpAddr, user: UserWanted) -> bool {
        let mut users = self.users.lock();
        if users.len() >= WANTED_MAX {
            return false;
        }
        users.push(source, user);
        drop(users);
        self.arrived.notify_one();
        true
    }

    /// At least one, when there is one.
    async fn take(&self) -> Vec<UserWanted> {
        loop {
            let users = self.users.lock().take(USERS_A_QUERY);
            if !users.is_empty() {
                return users;
            }
            self.arrived.notified().await;
        }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.loop_of_users.abort();
    }
}

struct Source {
    store: Store,
    roster: Arc<Roster>,
    online: Arc<Online>,
    checkrad: Option<Arc<Checkrad>>,
    dictionary: Arc<Dictionary>,
    zone: TimeZone,
    /// Bounds the passwords checked at once, so that they leave a core to everybody else.
    slow: Semaphore,
    hosts: Hosts,
    group_lists: parking_lot::Mutex<HashSet<GroupNames>>,
}

impl Fetcher {
    /// Starts the task that asks for users. `queries` run at once; what piles up meanwhile goes
    /// into the next one together.
    pub fn start(
        runtime: Handle,
        store: Store,
        (roster, online, checkrad): (Arc<Roster>, Arc<Online>, Option<Arc<Checkrad>>),
        dictionary: Arc<Dictionary>,
        zone: TimeZone,
        queries: usize,
        mailboxes: Vec<Mailbox<Message>>,
    ) -> Fetcher {
        let slow = std::thread::available_parallelism().map_or(1, usize::from);
        let source = Arc::new(Source {
            store,
            roster,
            online,
            checkrad,
            dictionary,
            zone,
            slow: Semaphore::new(slow),
            hosts: Hosts::default(),
            group_lists: parking_lot::Mutex::default(),
        });
        let users = Arc::new(Wanted { users: Turns::new().into(), arrived: Notify::new() });
        let task = users_loop(users.clone(), Arc::clone(&source), queries, mailboxes.clone());
        let loop_of_users = runtime.spawn(task).abort_handle();
        Fetcher { users, runtime, source, mailboxes, loop_of_users }
    }

    /// What NAS said of sessions, and how often.
    pub fn checkrad(&self) -> [(&'static str, u64); 3] {
        let silent = [("gone", 0), ("live", 0), ("failed", 0)];
        self.source.checkrad.as_ref().map_or(silent, |checkrad| checkrad.counts())
    }

    /// Asks for a request of `source`; the answer comes by the worker's mailbox. False when too
    /// much is asked already.
    pub fn ask(&self, source: IpAddr, worker: usize, ticket: Ticket, what: What) -> bool {
        let Some(mailbox) = self.mailboxes.get(worker).cloned() else { return false };
        match what {
            What::User(name) => self.users.ask(source, UserWanted { name, worker, ticket }),
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
    wanted: Arc<Wanted>,
    source: Arc<Source>,
    queries: usize,
    mailboxes: Vec<Mailbox<Message>>,
) {
    let slots = Arc::new(Semaphore::new(queries.max(1)));
    loop {
        let patience = if source.roster.is_away() { IMPATIENCE } else { PATIENCE };
        let slot = timeout(patience, Arc::clone(&slots).acquire_owned()).await;
        let Ok(slot) = slot else {
            // Every query hangs: nobody is to wait behind them.
            let batch = wanted.users.lock().take(usize::MAX);
            if !batch.is_empty() {
                source.roster.missed(&LATE);
                tell(&mailboxes, &batch, None);
            }
            continue;
        };
        let batch = wanted.take().await;
        let (source, mailboxes) = (Arc::clone(&source), mailboxes.clone());
        tokio::spawn(async move {
            let names: Vec<&[u8]> = batch.iter().map(|one| &*one.name).collect();
            let mut query = std::pin::pin!(source.users(&names));
            match timeout(PATIENCE, &mut query).await {
                Ok(known) => tell(&mailboxes, &batch, known.as_deref()),
                Err(_) => {
                    source.roster.missed(&LATE);
                    tell(&mailboxes, &batch, None);
                    // It goes on: a connection that is left in mid-answer is lost.
                    query.await;
                }
            }
            drop(slot);
        });
    }
}

const LATE: &str = "no answer in time";

fn tell(mailboxes: &[Mailbox<Message>], batch: &[UserWanted], known: Option<&[Known]>) {
    for (index, one) in batch.iter().enumerate() {
        let user = known.and_then(|known| known.get(index).cloned());
        if let Some(mailbox) = mailboxes.get(one.worker) {
            mailbox.send(Message::Fetched(one.ticket, Fetched::User(user)));
        }
    }
}

impl Source {
    /// The rows of each name in one query, kept in the roster; none when the store is away.
    async fn users(&self, names: &[&[u8]]) -> Option<Vec<Known>> {
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
        let mut policy = compile_user(rows, &self.dictionary, &self.zone);
        policy.share_groups(&mut self.group_lists.lock());
        policy
    }

    /// What the store says, none when it is away. Remembers which.
    fn told<T>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => {
                self.roster.answered();
                Some(value)
            }
            Err(error) => {
                self.roster.missed(&error);
                None
            }
        }
    }

    /// Asks and waits for as long as a request can. The question goes on by itself: a connection
    /// that is left in mid-answer is lost.
    async fn asked<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Option<T> {
        match timeout(PATIENCE, tokio::spawn(question)).await {
            Ok(Ok(result)) => self.told(result),
            Ok(Err(_)) => None,
            Err(_) => {
                self.roster.missed(&LATE);
                None
            }
        }
    }

    /// All at the same time.
    async fn satisfy(self: &Arc<Self>, needs: Vec<Need>) -> Option<Vec<Answer>> {
        let mut asked = JoinSet::new();
        let mut answers = Vec::with_capacity(needs.len());
        let mut needs = needs.into_iter();
        let first = needs.next();
        for need in needs {
            let source = Arc::clone(self);
            asked.spawn(async move { source.one(need).await });
        }
        if let Some(first) = first {
            answers.push(self.one(first).await?);
        }
        while let Some(answer) = asked.join_next().await {
            answers.push(answer.ok()??);
        }
        Some(answers)
    }

    async fn one(self: &Arc<Self>, need: Need) -> Option<Answer> {
        Some(match need {
            Need::Profile(name) => {
                let policy = self.profile(&name).await?.policy.clone();
                Answer::Profile(name, policy)
            }
            Need::Counter { user, ask } => Answer::Counter(ask, self.counter(&user, ask).await?),
            Need::OpenSessions { user, .. } => {
                let (store, names) = (self.store.clone(), owned_names(&user));
                let question = async move { store.open_sessions(&borrowed(&names)).await };
                let list = self.asked(question).await?;
                // What is on its way to the store counts too.
                Answer::OpenSessions(match self.online.count(&user, Instant::now()) {
                    Count::Perhaps(count)
                        if self.online.is_ahead() && list.len() < count as usize =>
                    {
                        OpenSessions::Count(count)
                    }
                    _ => OpenSessions::List(list),
                })
            }
            Need::LiveSessions { user, sessions } => Answer::Gone(match &self.checkrad {
                Some(checkrad) => checkrad.gone(&user, sessions).await,
                None => Vec::new(),
            }),
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

    /// The rows of a User-Profile, from memory if they can be.
    async fn profile(self: &Arc<Self>, name: &str) -> Option<Known> {
        let doubtful = match self.roster.users.find(name.as_bytes(), Instant::now()) {
            Found::Known(known) => return Some(known),
            Found::Doubtful(known) => Some(known),
            Found::Unknown => None,
        };
        let (source, owned) = (Arc::clone(self), name.to_owned());
        let query = tokio::spawn(async move { source.users(&[owned.as_bytes()]).await });
        match timeout(PATIENCE, query).await {
            Ok(Ok(Some(fetched))) => fetched.into_iter().next(),
            _ => doubtful,
        }
    }

    async fn counter(&self, user: &[u8], ask: Ask) -> Option<Counted> {
        let (store, names) = (self.store.clone(), owned_names(user));
        self.asked(async move {
            let names = borrowed(&names);
            match ask {
                Ask::SessionSeconds { since: Some(since) } => {
                    store.session_seconds(&names, since).await
                }
                Ask::SessionSeconds { since: None } => store.session_seconds_ever(&names).await,
                Ask::FirstLogin => store.first_login(&names).await,
                Ask::Volume { since, direction } => {
                    let volume = store.volume(&names, since).await?;
                    Ok(Some(match direction {
                        Direction::Input => volume.input,
                        Direction::Output => volume.output,
                        Direction::Both => volume.input.saturating_add(volume.output),
                    }))
                }
            }
        })
        .await
    }
}

/// A user's name in the forms that radacct may hold.
fn owned_names(user: &[u8]) -> [String; 2] {
    let (raw, escaped) = lookup_names(user);
    [raw.into_owned(), escaped.into_owned()]
}

fn borrowed(names: &[String; 2]) -> [&str; 2] {
    [&names[0], &names[1]]
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
