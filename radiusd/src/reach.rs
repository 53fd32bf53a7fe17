//! The store reached: before anything is served if it can be, else in the background, while the
//! NAS last known are served.

use std::time::Duration;

use schema::{Error, Store};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::exit::Failure;
use crate::roster::LastKnown;

/// How long a start waits for a store that was read before.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pauses between two tries, the first and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// The store, open unless it is away. Fails when it is away and was never read before, or can't
/// be used as it is.
pub async fn reach(config: &Config) -> Result<Store, Failure> {
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|error| Failure::io(config.data_dir.display(), &error))?;
    let store = Store::unopened(&config.store.options())?;
    let (tell, mut first) = oneshot::channel();
    tokio::spawn(open(store.clone(), tell));
    let result = match LastKnown::of(config).load() {
        None => (&mut first).await,
        Some(_) => match tokio::time::timeout(PATIENCE, &mut first).await {
            Ok(Ok(Err(error @ Error::Away(_)))) => {
                tracing::error!(%error, "starting without the store");
                return Ok(store);
            }
            Err(_) => {
                tracing::error!("starting without the store, which has not answered yet");
                return Ok(store);
            }
            Ok(result) => result,
        },
    };
    match result {
        Ok(result) => result.map(|()| store).map_err(Failure::from),
        Err(_) => Err(Error::Failed("it was given up".into()).into()),
    }
}

/// Tries until the store is open; then makes what it lacks, indexes last, which may take long.
async fn open(store: Store, tell: oneshot::Sender<Result<(), Error>>) {
    let mut tell = Some(tell);
    let mut pause = PAUSES[0];
    let mut said = String::new();
    let report = loop {
        let error = match store.reach().await {
            Ok(report) => break report,
            Err(error) => error,
        };
        let text = error.to_string();
        // Who waits for the first try says what came of it.
        let heard = tell.take().is_some_and(|tell| tell.send(Err(error)).is_ok());
        if !heard && text != said {
            tracing::error!(error = text, "the store cannot be opened yet");
        }
        said = text;
        // Several nodes that wait for one store don't come at once.
        let share = rand::random_range(0.75..1.25);
        tokio::time::sleep(pause.mul_f64(share)).await;
        pause = (pause * 2).min(PAUSES[1]);
    };
    match tell.take() {
        Some(tell) => tell.send(Ok(())).unwrap_or_default(),
        None => tracing::info!("the store is open"),
    }
    for lacking in &report.lacking {
        tracing::warn!("{lacking}");
    }
    if let Err(error) = store.add_indexes().await {
        tracing::warn!(%error, "indexes are missing; radiusd migrate tries again");
    }
}
