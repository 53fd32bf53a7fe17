//! Disks are full: the journal's, PostgreSQL's, SQLite's.

use std::process::Command;

use super::daemon::lock;
use super::fleet::Habits;
use super::stage::{Run, Stage};
use crate::harness::proxy::Way;
use crate::harness::site::Engine;

/// While the store is away the journal's disk fills up, and is emptied again before the store is
/// back, or after it.
pub fn journal(stage: &mut Stage) {
    let node = stage.pick_node();
    stage.way(node, Way::Refuse);
    stage.pause(100, 700);
    fill_journal(stage, node);
    stage.linger();
    if stage.random.chance(50) {
        free_journal(stage, node);
        stage.pause(100, 700);
    }
    stage.way(node, Way::Pass);
    stage.pause(50, 400);
    free_journal(stage, node);
}

/// By its file system; where none may be mounted, or by choice, by the size that a file may have.
fn fill_journal(stage: &mut Stage, node: usize) {
    stage.count("the journal's disk full");
    let by_choice = stage.random.chance(40);
    match &stage.nodes[node].disk {
        Some(disk) if !by_choice => disk.fill(),
        _ => limit_files(stage, node, "4096:"),
    }
}

fn free_journal(stage: &mut Stage, node: usize) {
    if let Some(disk) = &stage.nodes[node].disk {
        disk.free();
    }
    limit_files(stage, node, "1000000000:");
}

fn limit_files(stage: &mut Stage, node: usize, size: &str) {
    let pid = stage.nodes[node].alive().pid().to_string();
    let limited =
        Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={size}")]).output();
    assert!(limited.is_ok_and(|output| output.status.success()), "prlimit of util-linux");
}

#[test]
fn faults_journal_full() {
    let mut stage = Stage::with_own_store("the journal's disk full", Run::of_case(), 1, false);
    stage.deaths = 25;
    stage.play(&Habits::default(), journal);
}

/// No table can grow; where nothing may be mounted, PostgreSQL is made to say so all the same.
pub fn postgres(stage: &mut Stage) {
    stage.count("PostgreSQL's disk full");
    let said = "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE 'No space left on device' USING ERRCODE = '53100'; END $$; \
                CREATE TRIGGER full_disk BEFORE INSERT ON radacct EXECUTE FUNCTION full_disk()";
    let mut sql = stage.sql();
    match stage.store_disk() {
        Some(disk) => disk.fill(),
        None => drop(sql.rows(said)),
    }
    stage.linger();
    stage.pause(200, 1_500);
    match stage.store_disk() {
        Some(disk) => disk.free(),
        None => drop(sql.rows("DROP TRIGGER full_disk ON radacct")),
    }
}

#[test]
fn faults_postgres_full() {
    let mut stage = Stage::with_own_store("PostgreSQL's disk full", Run::of_case(), 1, true);
    stage.deaths = 25;
    stage.play(&Habits::default(), postgres);
}

/// First the store's disk, and then the journal's too.
#[test]
fn faults_sqlite_full() {
    let Some((mut stage, disk)) = Stage::on_small_sqlite("SQLite's disk full") else {
        return locked_sqlite();
    };
    stage.deaths = 25;
    stage.play(&Habits::default(), |stage| {
        stage.count("SQLite's disk full");
        disk.fill();
        stage.linger();
        if stage.random.chance(50) {
            fill_journal(stage, 0);
            stage.linger();
            free_journal(stage, 0);
        }
        disk.free();
    });
}

/// Where nothing may be mounted: no file of the daemon can grow.
fn locked_sqlite() {
    let stage = Stage::new("SQLite's files limited", Engine::Sqlite, 1);
    stage.play(&Habits::default(), |stage| {
        stage.count("SQLite's file full");
        limit_files(stage, 0, "200000:");
        stage.pause(300, 1_500);
        limit_files(stage, 0, "1000000000:");
    });
}

/// Another program holds the file for longer than anybody waits.
#[test]
fn faults_sqlite_locked() {
    let stage = Stage::new("SQLite locked", Engine::Sqlite, 1);
    stage.play(&Habits::default(), |stage| {
        stage.count("SQLite's file locked");
        let mut other = stage.sql();
        lock(&mut other);
        stage.pause(100, 1_500);
        other.rows("COMMIT");
    });
}
