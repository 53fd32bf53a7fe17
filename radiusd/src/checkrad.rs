//! FreeRADIUS's checkrad: a program of the site's that asks a NAS whether it still has a session.
//!
//! Asked only at a limit, and only of the NAS that have a type (`deviations.md` 3): what has no
//! answer counts as live.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use schema::OpenSession;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::journal::{Asked, Journal};
use crate::policy::lookup_names;
use crate::roster::{Clients, Roster};

/// Sessions asked for on behalf of one request; the ones that began first.
const ASKED_MAX: usize = 32;
/// Programs that run at a time.
const RUNNING_MAX: usize = 32;
/// For all that one request asks, as for every answer it waits for.
const PATIENCE: Duration = Duration::from_secs(2);
/// All that the program's environment holds.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What came of running the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Gone,
    Live,
    /// Another exit code, none in time, or it did not start.
    Failed,
}

/// Asks NAS, and closes what they no longer have.
pub struct Checkrad {
    program: PathBuf,
    roster: Arc<Roster>,
    journal: Arc<Journal>,
    running: Semaphore,
    counts: [AtomicU64; 3],
}

/// Why a program cannot be run.
pub fn objection(program: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(program) {
        Err(error) => Some(error.to_string()),
        Ok(found) if !found.is_file() => Some("it is no file".into()),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Some("it is not executable".into()),
        Ok(_) => None,
    }
}

impl Checkrad {
    pub fn new(program: PathBuf, roster: Arc<Roster>, journal: Arc<Journal>) -> Checkrad {
        let running = Semaphore::new(RUNNING_MAX);
        Checkrad { program, roster, journal, running, counts: Default::default() }
    }

    /// How often it said what.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let count = |said: Said| self.counts[said as usize].load(Ordering::Relaxed);
        [("gone", count(Said::Gone)), ("live", count(Said::Live)), ("failed", count(Said::Failed))]
    }

    /// Which of a user's open sessions, by radacctid, their NAS no longer have; they are closed.
    pub async fn gone(self: &Arc<Self>, user: &[u8], sessions: Vec<OpenSession>) -> Vec<i64> {
        let until = Instant::now() + PATIENCE;
        let (user, clients) = (lookup_names(user).0.into_owned(), self.roster.clients());
        let mut asked = JoinSet::new();
        for session in sessions {
            if asked.len() >= ASKED_MAX {
                break;
            }
            let Some(kind) = kind(&clients, &session).map(str::to_owned) else { continue };
            let (checkrad, user) = (Arc::clone(self), user.clone());
            asked.spawn(async move {
                let said = checkrad.ask(&kind, &user, &session, until).await;
                (said == Said::Gone).then_some(session)
            });
        }
        let mut gone = Vec::new();
        while let Some(session) = asked.join_next().await {
            gone.extend(session.ok().flatten());
        }
        self.close(gone).await
    }

    async fn ask(&self, kind: &str, user: &str, session: &OpenSession, until: Instant) -> Said {
        let port = session.nas_port_id.as_deref().map_or("0", number);
        let arguments = [kind, &session.nas_ip, port, user, &session.acctsessionid];
        let said = match timeout_at(until, self.run(arguments)).await {
            Ok(Ok(Some(0))) => Said::Gone,
            Ok(Ok(Some(1))) => Said::Live,
            _ => Said::Failed,
        };
        self.counts[said as usize].fetch_add(1, Ordering::Relaxed);
        said
    }

    /// The exit code; none when a signal ended it.
    async fn run(&self, arguments: [&str; 5]) -> std::io::Result<Option<i32>> {
        let _turn = self.running.acquire().await.map_err(std::io::Error::other)?;
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let mut group = Group(child.id());
        let status = child.wait().await?;
        group.0 = None;
        Ok(status.code())
    }

    /// Those that spoke since they were asked for are live. A store that is away closes nothing:
    /// the sessions are gone all the same, and are asked for again next time.
    async fn close(&self, gone: Vec<OpenSession>) -> Vec<i64> {
        if gone.is_empty() {
            return Vec::new();
        }
        let of = |session: &OpenSession| Asked {
            acctuniqueid: session.acctuniqueid.clone(),
            nas: session.nas_ip.clone(),
            update: session.update,
        };
        let (journal, asked) = (Arc::clone(&self.journal), gone.iter().map(of).collect());
        // It goes on by itself: a connection that is left in mid-answer is lost.
        let closing = tokio::spawn(async move { journal.close_gone(asked).await });
        let live = match timeout(PATIENCE, closing).await {
            Ok(Ok(Ok(live))) => live,
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "sessions that their NAS no longer has are not closed");
                Vec::new()
            }
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let is_gone = |session: &OpenSession| !live.contains(&session.acctuniqueid);
        gone.into_iter().filter(is_gone).map(|session| session.radacctid).collect()
    }
}

/// The type of the session's NAS; none where FreeRADIUS asks nobody.
fn kind<'c>(clients: &'c Clients, session: &OpenSession) -> Option<&'c str> {
    let address: IpAddr = session.nas_ip.parse().ok()?;
    let kind = &*clients.find(address)?.r#type;
    (!matches!(kind, "" | "other")).then_some(kind)
}

/// The number a port begins with, as FreeRADIUS passes it.
fn number(port: &str) -> &str {
    let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
    match port.get(..end) {
        Some("") | None => "0",
        Some(digits) => digits,
    }
}

/// The processes of a program that has not ended: they end with this.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0.and_then(|leader| i32::try_from(leader).ok()) {
            // It may be over this moment.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_the_number_it_begins_with() {
        for (port, passed) in [("7", "7"), ("12/3", "12"), ("ether1", "0"), ("", "0")] {
            assert_eq!(number(port), passed);
        }
    }
}
