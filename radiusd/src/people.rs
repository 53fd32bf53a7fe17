//! The management module inside the daemon: a niced runtime of its own, and what it does unasked.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mgmt::{Bounded, Context, Options, Peer, Tls, first, keys};
use schema::{AuditKeys, Store};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::config::Config;
use crate::control::Control;
use crate::exit::{self, Failure};

/// Packets go first, whoever signs in and whatever is exported.
const NICE: i32 = 10;
/// Logins that have ended are forgotten so often.
const PURGE_EVERY: Duration = Duration::from_secs(3_600);
/// The head of the audit log leaves the store so often.
const TELL_EVERY: Duration = Duration::from_secs(86_400);
/// How often users are looked for that other programs have made, and how many at once.
const ENROL_EVERY: Duration = Duration::from_secs(300);
const ENROL_AT_ONCE: usize = 1_000;
/// A request is known by its Idempotency-Key for so long.
const REQUESTS_KEPT_MS: i64 = 24 * 3_600_000;
/// A store that is away is asked again after so long.
const AGAIN: Duration = Duration::from_secs(2);

/// Threads for people: none of them is the store's or a packet's.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(8)
        .thread_name("http")
        .on_thread_start(|| {
            // On Linux it is the calling thread's alone; where it is refused nothing is lost.
            let _ = rustix::process::setpriority_process(None, NICE);
        })
        .enable_all()
        .build()
        .map_err(|error| Failure::io("cannot start a thread", &error))
}

/// Serves management on its runtime, until that ends.
pub fn serve(
    people: &Runtime,
    listener: TcpListener,
    config: &Config,
    store: &Store,
    control: Control,
) -> Result<(), Failure> {
    let data_dir = config.data_dir.clone();
    let failed = |name: &'static str| {
        let file = data_dir.join(name);
        move |error| Failure::io(file.display(), &error)
    };
    let audit_keys = Arc::new(keys::audit_keys(&data_dir).map_err(failed("keys/audit"))?);
    let field_keys = keys::field_keys(&data_dir).map_err(failed("keys/fields"))?;
    let options = Options {
        tls: config.http.tls.is_some(),
        public_url: config.http.public_url.as_ref().map(|url| url.0.clone()),
        trusted_proxies: config.http.trusted_proxies.clone(),
        store_turns: (config.store.pool / 4).max(1),
        first_password: Some(first::file(&data_dir)),
        ..Options::new(Arc::clone(&audit_keys), field_keys)
    };
    let context = Context::new(store.clone(), Arc::new(control), options)
        .map_err(|why| Failure::new(exit::CONFIG, format!("http.public_url: {why}")))?;
    let service = mgmt::router(context).into_make_service_with_connect_info::<Peer>();
    let tls = config.http.tls.clone().map(Tls::new).transpose();
    let tls = tls.map_err(|why| Failure::new(exit::CONFIG, format!("http.tls: {why}")))?;
    let listener = Bounded::new(listener, tls.as_ref());
    people.spawn(async move { axum::serve(listener, service).await });
    if let Some(tls) = tls {
        people.spawn(tls.renew());
    }
    people.spawn(first_operator(store.clone(), data_dir, audit_keys));
    people.spawn(purge(store.clone()));
    people.spawn(tell_head(store.clone(), config.data_dir.join("audit.heads")));
    people.spawn(enrol(store.clone()));
    Ok(())
}

/// A store without operators gets one, as soon as it can be reached.
async fn first_operator(store: Store, data_dir: PathBuf, audit_keys: Arc<AuditKeys>) {
    let lacking = loop {
        match store.lacks_for_management() {
            Ok(lacking) => break lacking,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    };
    if !lacking.is_empty() {
        let tables = lacking.join(", ");
        tracing::warn!("nobody can sign in: no use of {tables}; see radiusd migrate --print-sql");
        return;
    }
    let mut said = String::new();
    let made = loop {
        match first::make(&store, &data_dir, &audit_keys).await {
            Ok(made) => break made,
            Err(error) if error != said => {
                tracing::error!(error, "the first operator is not made yet");
                said = error;
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    };
    let Some(made) = made else { return };
    let file = made.file.display();
    tracing::info!("the first operator is {}; his one-time password is in {file}", made.name);
    // A person's eyes, not a log's.
    let mut terminal = std::io::stdout();
    if terminal.is_terminal() {
        let _ = writeln!(terminal, "\n  Sign in as {} with {}\n", made.name, made.password);
    }
}

/// Users whom other programs have made are found by a part of their name soon after.
async fn enrol(store: Store) {
    let mut clock = tokio::time::interval(ENROL_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        if !store.lacks_for_management().is_ok_and(|lacking| lacking.is_empty()) {
            continue;
        }
        let mut after = None;
        loop {
            match store.enrol_users(after.as_deref(), ENROL_AT_ONCE).await {
                Ok(Some(last)) => after = Some(last),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "new users are not found by parts of their names yet");
                    break;
                }
            }
            // Packets go first.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What has ended stays no longer than this.
async fn purge(store: Store) {
    let mut clock = tokio::time::interval(PURGE_EVERY);
    loop {
        clock.tick().await;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        if store.lacks_for_management().is_ok_and(|lacking| lacking.is_empty())
            && let Err(error) = store.purge_logins(now_ms, now_ms - mgmt::IDLE_MS).await
        {
            tracing::warn!(%error, "ended logins are not forgotten");
        }
        if store.lacks_for_management().is_ok_and(|lacking| lacking.is_empty())
            && let Err(error) = store.purge_requests(now_ms - REQUESTS_KEPT_MS).await
        {
            tracing::warn!(%error, "old requests are not forgotten");
        }
    }
}

/// Number and seal of the audit log's newest row go to a file and to the system's log, where whoever
/// has the store and the keys can't take them back.
async fn tell_head(store: Store, file: PathBuf) {
    let mut told = None;
    loop {
        let Ok(Some(head)) = store.audit_head().await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        if told.as_ref() != Some(&head) {
            let (sequence, seal) = &head;
            tracing::info!(sequence, seal, "head of the audit log");
            let line = format!("{} {sequence} {seal}\n", jiff::Timestamp::now());
            if let Err(error) = append(&file, &line) {
                tracing::warn!(%error, "audit.heads is not written");
            }
            told = Some(head);
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

fn append(file: &Path, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    file.write_all(line.as_bytes())
}
