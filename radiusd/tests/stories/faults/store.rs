//! PostgreSQL is stopped, crashes, is paused; other programs are at the same rows.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fleet::Habits;
use super::stage::{PATIENCE, Run, Stage};
use crate::harness::scratch::until;
use crate::harness::site::Engine;
use crate::harness::sql::Sql;

/// Fast, immediate, or by the death of one of its processes, from which it recovers by itself.
pub fn stopped(stage: &mut Stage) {
    match stage.random.below(3) {
        0 => {
            stage.count("PostgreSQL stopped fast");
            stage.end_store(Signal::SIGINT);
        }
        1 => {
            stage.count("PostgreSQL stopped immediately");
            stage.end_store(Signal::SIGQUIT);
        }
        _ => {
            stage.count("a process of PostgreSQL killed");
            let processes = stage.store_processes();
            let some = processes[1..].get(stage.random.below(processes.len().max(2) - 1));
            signal(some, Signal::SIGKILL);
            let is_gone = |pid: &Pid| !Path::new("/proc").join(pid.to_string()).exists();
            until("its death", PATIENCE, || some.is_none_or(is_gone).then_some(()));
        }
    }
    stage.linger();
    stage.serve_store();
}

pub fn paused(stage: &mut Stage) {
    stage.count("PostgreSQL paused");
    let processes = stage.store_processes();
    signal(&processes, Signal::SIGSTOP);
    stage.linger();
    if stage.random.chance(30) {
        // Longer than anybody waits.
        stage.pause(2_000, 6_000);
    }
    signal(&processes, Signal::SIGCONT);
}

/// Some may have ended by themselves.
fn signal<'p>(processes: impl IntoIterator<Item = &'p Pid>, signal: Signal) {
    for pid in processes {
        kill(*pid, signal).ok();
    }
}

#[test]
fn faults_store_stopped() {
    let stage = Stage::with_own_store("PostgreSQL stopped", Run::of_case(), 1, false);
    stage.play(&Habits::default(), stopped);
}

#[test]
fn faults_store_paused() {
    let stage = Stage::with_own_store("PostgreSQL paused", Run::of_case(), 1, false);
    stage.play(&Habits::default(), paused);
}

/// Two other programs go over the newest rows in opposite directions, slowly enough to meet the
/// daemon, and each other.
const FORTH_AND_BACK: [&str; 2] = ["ASC", "DESC"];

pub fn deadlocks(stage: &mut Stage) {
    stage.count("rows locked in the opposite order");
    let ms = 1 + stage.random.below(4);
    let rows = 20 + stage.random.below(60);
    let mut sessions = FORTH_AND_BACK.map(|_| stage.sql());
    let over = |sql: &mut Sql, order: &str| {
        // Its own deadlocks and conflicts are part of it.
        drop(sql.try_rows(&format!(
            "SET deadlock_timeout = '50ms'; DO $$ DECLARE one record; BEGIN \
             FOR one IN SELECT radacctid FROM (SELECT radacctid, acctuniqueid FROM radacct \
             ORDER BY radacctid DESC LIMIT {rows}) AS newest ORDER BY acctuniqueid {order} LOOP \
             UPDATE radacct SET class = 'seen' WHERE radacctid = one.radacctid; \
             PERFORM pg_sleep({ms} / 1000.0); END LOOP; END $$"
        )));
    };
    std::thread::scope(|scope| {
        for (sql, order) in sessions.iter_mut().zip(FORTH_AND_BACK) {
            scope.spawn(move || over(sql, order));
        }
    });
}

/// As a site may have it, for the daemon's transactions too.
pub fn isolation(stage: &mut Stage) {
    let levels = ["read committed", "repeatable read", "serializable"];
    let level = *stage.random.pick(&levels);
    if level != levels[0] {
        stage.count("serializable transactions");
    }
    let mut sql = stage.sql();
    sql.rows(&format!(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = \
         ''{level}''', current_database()); \
         EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''50ms''', current_database()); \
         END $$"
    ));
    terminate(stage);
    for _ in 0..2 {
        deadlocks(stage);
    }
}

/// As an administrator ends connections.
pub fn terminate(stage: &mut Stage) {
    stage.count("connections terminated");
    stage.sql().rows(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[test]
fn faults_conflicts() {
    let stage = Stage::new("conflicts", Engine::Postgres, 1);
    stage.play(&Habits::default(), isolation);
}
