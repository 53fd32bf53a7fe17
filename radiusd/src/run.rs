//! The daemon from start to end: open, bind, serve, drain, in that order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dictionaries::Dictionary;
use mgmt::Feed;
use schema::Store;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::checkrad::Checkrad;
use crate::coa::Coa;
use crate::config::Config;
use crate::control::{Control, metrics_router};
use crate::exit::{self, Failure};
use crate::fetch::Fetcher;
use crate::handover::Handover;
use crate::journal::{self, Journal};
use crate::metrics::Metrics;
use crate::online::{self, Online};
use crate::people;
use crate::policy;
use crate::reach::reach;
use crate::roster::{LastKnown, Roster, Watch, WatchOptions, look_up};
use crate::server::{self, Listen, Mailboxes, Message, Server, Shared};
use crate::simulate::Simulator;
use crate::usage::{self, Backfill};

/// How long the journal may take to write what is queued when the daemon stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Attempts are purged so often, and so many at once.
const PURGE_EVERY: Duration = Duration::from_secs(600);
const PURGE_BATCH: usize = 10_000;

/// Opens, binds, serves and drains.
pub fn run(config: Config) -> Result<(), Failure> {
    let runtime = runtime()?;
    let people = people::runtime()?;
    let served = runtime.block_on(serve(config, &runtime, &people));
    // A resolver that is silent keeps nobody here.
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("store")
        .enable_all()
        .build()
        .map_err(|error| Failure::io("cannot start a thread", &error))
}

async fn serve(config: Config, runtime: &Runtime, people: &Runtime) -> Result<(), Failure> {
    let dictionary = Dictionary::shipped_with(&config.radius.dictionaries)
        .map_err(|error| Failure::new(exit::CONFIG, error.to_string()))?;
    config.check_files().map_err(|why| Failure::new(exit::CONFIG, why))?;
    let store = reach(&config).await?;
    let workers = match config.radius.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let listen = Listen { auth: config.radius.auth.clone(), acct: config.radius.acct.clone() };
    let streams: Vec<_> = config.metrics.listen.into_iter().chain(config.http.listen).collect();
    let mut handover = Handover::take(&listen.all(), &streams);
    let sockets = server::bind(&listen, workers, &mut handover)?;
    let metrics_listener = listener(config.metrics.listen, "metrics", &mut handover).await?;
    let http_listener = listener(config.http.listen, "http", &mut handover).await?;

    let mailboxes = Mailboxes::new(workers)?;
    let shared = share(&config, runtime.handle(), &store, dictionary, &mailboxes, workers).await?;
    let addresses: Vec<String> =
        sockets.iter().take(1).flatten().map(|socket| socket.local.to_string()).collect();
    // Before anything is answered: who asks whether we serve may tell us to stop in the next moment.
    let stop = Stop::caught()?;
    let running = Server::start(Arc::clone(&shared), sockets, mailboxes)?;

    if let Some(listener) = metrics_listener {
        let router = metrics_router(Arc::clone(&shared));
        people.spawn(async move { axum::serve(listener, router).await });
    }
    let mut pages = String::new();
    if let Some(listener) = http_listener {
        let address = listener.local_addr().map_err(|error| Failure::io("http.listen", &error))?;
        let scheme = if config.http.tls.is_some() { "https" } else { "http" };
        pages = format!(", pages on {scheme}://{address}");
        people::serve(
            people,
            listener,
            &config,
            &store,
            Control::new(Arc::clone(&shared), config.store.timezone.clone()),
        )?;
    }
    runtime.spawn(purge(store.clone(), config.attempts.keep_days));
    tracing::info!(store = store.engine_name(), "serving RADIUS on {}{pages}", addresses.join(" "));

    ready();
    stop.told().await;
    tracing::info!("stopping: what is under way is answered first");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    // Workers wait for the journal, so they go first; they end when all is answered.
    let _ = tokio::task::spawn_blocking(move || running.drain()).await;
    shared.journal.drain(DRAIN).await;
    store.close().await;
    Ok(())
}

pub(crate) async fn share(
    config: &Config,
    handle: &Handle,
    store: &Store,
    dictionary: Arc<Dictionary>,
    mailboxes: &Mailboxes,
    workers: usize,
) -> Result<Arc<Shared>, Failure> {
    let zone = config.store.timezone.clone();
    let options = WatchOptions {
        clients: config.clients.clone(),
        dictionary: Arc::clone(&dictionary),
        zone: zone.clone(),
        users_cache: config.radius.users_cache,
        stale_policy_max: config.store.stale_policy_max,
        last_known: LastKnown::of(config),
        look_up: look_up(),
    };
    let (roster, watch) = Watch::start(store.clone(), options).await?;
    handle.spawn(watch.run());
    let online = Arc::<Online>::default();
    let told = mailboxes.senders.clone();
    let completions = move |worker: usize, outcomes| {
        if let Some(mailbox) = told.get(worker) {
            mailbox.send(Message::Recorded(outcomes));
        }
    };
    let feed = Arc::<Feed>::default();
    let journal = Arc::new(Journal::start(
        store.clone(),
        journal::Config::of(config),
        Arc::new(completions),
        (Arc::clone(&online), Arc::clone(&feed)),
        handle,
    )?);
    let checkrad = checkrad(config, &roster, &journal);
    handle.spawn(online::Watch::new(store.clone(), Arc::clone(&online)).run());
    let backfill = Arc::<Backfill>::default();
    handle.spawn(usage::keep(store.clone(), config.accounting.clone(), Arc::clone(&backfill)));
    let fetcher = Fetcher::start(
        handle.clone(),
        store.clone(),
        (Arc::clone(&roster), Arc::clone(&online), checkrad),
        Arc::clone(&dictionary),
        zone.clone(),
        config.store.pool.div_ceil(2),
        mailboxes.senders.clone(),
    );
    Ok(Arc::new(Shared {
        methods: policy::Methods::of(&dictionary),
        roster,
        online,
        journal,
        coa: Coa::new(&config.radius.auth),
        feed,
        simulator: Simulator::new(config, store.clone(), Arc::clone(&dictionary)),
        backfill,
        fetcher,
        dictionary,
        metrics: Arc::new(Metrics::new(workers)),
        zone,
        options: policy_options(config),
        escape_names: config.compat.escape_names,
        reject_delay: config.radius.reject_delay,
        cleanup_delay: config.radius.cleanup_delay,
        inflight_max: config.radius.inflight_max,
        inflight_source_max: config.radius.inflight_source_max,
    }))
}

fn checkrad(
    config: &Config,
    roster: &Arc<Roster>,
    journal: &Arc<Journal>,
) -> Option<Arc<Checkrad>> {
    let program = config.radius.checkrad.clone()?;
    Some(Arc::new(Checkrad::new(program, Arc::clone(roster), Arc::clone(journal))))
}

fn policy_options(config: &Config) -> policy::Options {
    policy::Options {
        counter_carry: config.compat.counter_carry,
        checkrad: config.radius.checkrad.is_some(),
    }
}

async fn listener(
    address: Option<SocketAddr>,
    section: &str,
    handover: &mut Handover,
) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = address else { return Ok(None) };
    let inherited = handover.listener(address);
    let listener = match inherited {
        Some(listener) => {
            listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener))
        }
        None => TcpListener::bind(address).await.inspect(|listener| {
            handover.keep(section, listener.local_addr().unwrap_or(address), listener);
        }),
    };
    listener.map(Some).map_err(|error| {
        Failure::io(format!("cannot listen on {address} ({section}.listen)"), &error)
    })
}

/// Tells systemd that requests are served, and that we are alive as often as it asks.
fn ready() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    if let Some(period) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(period / 3);
            loop {
                beat.tick().await;
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
            }
        });
    }
}

/// The signals that end the daemon in order, once they are caught.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn caught() -> Result<Stop, Failure> {
        let caught =
            |kind| signal(kind).map_err(|error| Failure::io("cannot catch a signal", &error));
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Stop { terminate: caught(terminate)?, interrupt: caught(interrupt)? })
    }

    async fn told(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Removes attempts older than `attempts.keep_days`.
async fn purge(store: Store, keep_days: u32) {
    if keep_days == 0 {
        return;
    }
    let mut clock = tokio::time::interval(PURGE_EVERY);
    loop {
        clock.tick().await;
        let keep = jiff::SignedDuration::from_hours(i64::from(keep_days) * 24);
        let before = (jiff::Timestamp::now() - keep).as_millisecond();
        loop {
            match store.purge_attempts(before, PURGE_BATCH).await {
                Ok(purged) if purged.attempts + purged.traces + purged.postauth > 0 => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old attempts are not removed");
                    break;
                }
            }
        }
    }
}
