//! The daemon is killed, stopped, killed amid the replay; its clock jumps.

use std::time::Duration;

use super::fleet::Habits;
use super::stage::{PATIENCE, Stage};
use crate::harness::proxy::Way;
use crate::harness::scratch::until;
use crate::harness::site::Engine;
use crate::harness::sql::Sql;

/// At any moment, and ended as systemd ends it now and then.
pub fn death(stage: &mut Stage) {
    let node = stage.pick_node();
    stage.pause(10, 500);
    if stage.random.chance(75) {
        stage.count("kill -9");
        stage.nodes[node].kill();
    } else {
        stage.count("SIGTERM");
        let status = stage.nodes[node].daemon.take().expect("a daemon").stop();
        assert!(status.success(), "{status}");
    }
    stage.pause(1, 300);
    stage.nodes[node].launch();
}

/// Records go to the journal; the daemon dies, and dies again in the middle of the replay.
pub fn death_in_replay(stage: &mut Stage) {
    let node = stage.pick_node();
    stage.way(node, Way::Refuse);
    stage.pause(400, 1_000);
    stage.nodes[node].kill();
    stage.way(node, Way::Pass);
    replay_in_pieces(stage, node);
}

fn replay_in_pieces(stage: &mut Stage, node: usize) {
    stage.nodes[node].settings.set("accounting.batch_max", "2");
    for _ in 0..3 {
        stage.count("kill -9 amid the replay");
        stage.nodes[node].launch();
        let daemon = stage.nodes[node].alive();
        until("the daemon to begin", PATIENCE, || daemon.get("/health/live"));
        stage.pause(1, 300);
        stage.nodes[node].kill();
    }
    stage.nodes[node].settings.unset("accounting.batch_max");
    stage.nodes[node].launch();
}

#[test]
fn faults_kill_postgres() {
    Stage::new("kill", Engine::Postgres, 1).play(&Habits::default(), death);
}

#[test]
fn faults_kill_sqlite() {
    Stage::new("kill", Engine::Sqlite, 1).play(&Habits::default(), death);
}

#[test]
fn faults_kill_in_replay_postgres() {
    Stage::new("kill in replay", Engine::Postgres, 1).play(&Habits::default(), death_in_replay);
}

/// Another program holds the file for so long that the journal takes what comes.
#[test]
fn faults_kill_in_replay_sqlite() {
    let stage = Stage::new("kill in replay", Engine::Sqlite, 1);
    stage.play(&Habits::default(), |stage| {
        let mut other = stage.sql();
        lock(&mut other);
        stage.pause(600, 1_200);
        stage.nodes[0].kill();
        other.rows("COMMIT");
        replay_in_pieces(stage, 0);
    });
}

pub fn lock(sql: &mut Sql) {
    until("the lock", PATIENCE, || sql.try_rows("BEGIN EXCLUSIVE").ok());
}

/// Set back and forth, by minutes or by half a day. What is dated by its NAS stays so dated; what
/// is dated by our clock goes with it, so every NAS has its own here.
fn clock(stage: &mut Stage) {
    let random = &mut stage.random;
    let amount = *random.pick(&["+90s", "-90s", "+3h", "-3h", "+12h", "-12h", "+0"]);
    // The journal, too, keeps times. At first, so that it is seen in the log.
    let spills = stage.tally.is_empty() || random.chance(40);
    stage.count(if amount.starts_with('-') { "clock set back" } else { "clock set forth" });
    stage.nodes[0].set_clock(amount);
    stage.pause(300, 1_500);
    if spills {
        stage.count("clock set back amid the journal");
        stage.nodes[0].set_clock("-2h");
        // Longer than libfaketime keeps what it has read.
        stage.pause(1_200, 1_500);
        stage.way(0, Way::Refuse);
        stage.pause(500, 900);
        stage.nodes[0].set_clock("-8h");
        stage.pause(300, 900);
        stage.way(0, Way::Pass);
    }
}

#[test]
fn faults_clock() {
    let mut stage = Stage::new("clock", Engine::Postgres, 1);
    stage.nodes[0].with_clock();
    let habits = Habits { clockless: 0, ..Habits::default() };
    let mut seen = false;
    stage.play(&habits, |stage| {
        // It is in the log only if something was logged between two settings.
        for _ in 0..20 {
            clock(stage);
            seen |= is_off(stage);
            if seen {
                return;
            }
        }
    });
    assert!(seen, "the daemon's clock did not move");
}

/// The daemon's log tells its time.
fn is_off(stage: &mut Stage) -> bool {
    let log = stage.nodes[0].alive().log();
    let times = log.lines().filter_map(|line| line.split_whitespace().next());
    let mut times = times.filter_map(|word| word.parse::<jiff::Timestamp>().ok());
    let now = jiff::Timestamp::now();
    let hour = Duration::from_secs(3_600);
    times.any(|time| now.duration_since(time).unsigned_abs() > hour)
}
