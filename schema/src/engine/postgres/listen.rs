//! LISTEN on a connection of its own, with a beat of the heart that tells whether it still hears.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification, PgPool, PgPoolOptions};
use sqlx::{Executor as _, Row as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Database, pool};
use crate::Error;

/// Notifications taken together at most.
const TOGETHER: usize = 256;
/// How long the way back into the pool may take.
const CLOSING: Duration = Duration::from_secs(1);

pub(crate) struct Listener {
    listener: PgListener,
    pool: PgPool,
    channel: &'static str,
    names: Names,
}

/// What this connection calls itself.
struct Names {
    /// The channel of its heart beat, that nobody else knows.
    heart: String,
    /// What it tells other nodes with each.
    node: String,
}

/// What has arrived together.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) payloads: Vec<String>,
    /// The beat of our own heart was among it.
    pub(crate) beat: bool,
}

impl Database {
    /// What is notified from here on is heard.
    pub(crate) async fn listen(
        &self,
        channel: &'static str,
        patience: Duration,
    ) -> Result<Listener, Error> {
        let pool = self.listening_pool();
        let begun = match timeout(patience, begin(&pool, channel)).await {
            Ok(begun) => begun,
            Err(_) => Err(late()),
        };
        match begun {
            Ok((listener, names)) => Ok(Listener { listener, pool, channel, names }),
            Err(error) => {
                timeout(CLOSING, pool.close()).await.ok();
                Err(error)
            }
        }
    }

    /// Connections for LISTEN, one at a time.
    fn listening_pool(&self) -> PgPool {
        let zone = self.zone.clone();
        PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(4))
            .after_connect(move |connection, _| {
                let zone = zone.clone();
                Box::pin(async move {
                    let entered = pool::enter(connection, zone.as_deref()).await;
                    entered.map_err(|error| sqlx::Error::Protocol(error.to_string()))
                })
            })
            .connect_lazy_with(self.listen.clone())
    }
}

async fn begin(pool: &PgPool, channel: &str) -> Result<(PgListener, Names), Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.ignore_pool_close_event(true);
    listener.eager_reconnect(false);
    let backend = listener.fetch_one("SELECT pg_backend_pid()").await?.try_get::<i32, _>(0)?;
    let names = Names { heart: format!("mgmt_heart_{backend}"), node: format!("node:{backend}") };
    listener.listen_all([channel, names.heart.as_str()]).await?;
    Ok((listener, names))
}

impl Listener {
    /// Notifies ourselves, and other nodes of us; asks `question` of `names` on the way.
    pub(crate) async fn beat(
        &mut self,
        question: &'static str,
        names: Vec<String>,
        patience: Duration,
    ) -> Result<[bool; 2], Error> {
        let notify = sqlx::query("SELECT pg_notify($1, ''), pg_notify($2, $3)");
        let notify = notify.bind(self.names.heart.clone()).bind(self.channel);
        let notify = notify.bind(self.names.node.clone());
        let beat = async {
            self.listener.execute(notify).await?;
            let row = self.listener.fetch_one(sqlx::query(question).bind(names)).await?;
            Ok([row.try_get(0)?, row.try_get(1)?])
        };
        timeout(patience, beat).await.map_err(|_| late())?
    }

    /// Nothing until then: an empty answer. An error: the connection is lost.
    pub(crate) async fn hear(&mut self, until: Instant) -> Result<Heard, Error> {
        let mut heard = Heard::default();
        let Ok(first) = timeout_at(until, self.listener.try_recv()).await else { return Ok(heard) };
        let lost = || Error::Away("the listening connection is lost".into());
        self.enter(&first?.ok_or_else(lost)?, &mut heard);
        for _ in 1..TOGETHER {
            match timeout(Duration::ZERO, self.listener.try_recv()).await {
                Ok(received) => match received? {
                    Some(next) => self.enter(&next, &mut heard),
                    None => break,
                },
                Err(_) => break,
            }
        }
        Ok(heard)
    }

    fn enter(&self, notification: &PgNotification, heard: &mut Heard) {
        let (channel, payload) = (notification.channel(), notification.payload());
        if channel == self.channel && payload != self.names.node {
            heard.payloads.push(payload.to_owned());
        }
        heard.beat |= channel == self.names.heart;
    }

    /// The connection's way back into its pool must not keep us.
    pub(crate) async fn close(self) {
        drop(self.listener);
        timeout(CLOSING, self.pool.close()).await.ok();
    }
}

fn late() -> Error {
    Error::Away("the listening connection does not answer".into())
}
