//! Packets are lost, repeated, reordered and late; connections to PostgreSQL break; two nodes are
//! told the same.

use std::time::Duration;

use super::daemon::death;
use super::fleet::Habits;
use super::stage::Stage;
use crate::harness::proxy::{Direction, Way};
use crate::harness::site::Engine;

/// In mid-transaction, as a rule: so many octets later, or so many milliseconds.
pub fn connections(stage: &mut Stage) {
    let node = stage.pick_node();
    let random = &mut stage.random;
    let direction = *random.pick(&[Direction::ToStore, Direction::ToDaemon]);
    let (octets, delay) = (random.below(40_000) as u64, random.below(120) as u64);
    let kind = random.below(7);
    let proxy = stage.nodes[node].proxy.as_ref().expect("a proxy");
    let fault = match kind {
        0 => {
            proxy.cut();
            "connections cut"
        }
        1 | 2 => {
            proxy.cut_after(direction, octets);
            "connections cut amid a message"
        }
        3 => {
            proxy.half_close(direction);
            "connections half closed"
        }
        4 => {
            proxy.go(Way::Delay(Duration::from_millis(delay)));
            "connections delayed"
        }
        5 => {
            proxy.go(Way::BlackHole);
            "black hole"
        }
        _ => {
            proxy.go(Way::Mute);
            "answers of the store lost"
        }
    };
    stage.count(fault);
    stage.linger();
    let proxy = stage.nodes[node].proxy.as_ref().expect("a proxy");
    if kind >= 4 && stage.random.chance(50) {
        proxy.cut();
    }
    proxy.go(Way::Pass);
    stage.pause(50, 400);
}

#[test]
fn faults_connections() {
    Stage::new("connections", Engine::Postgres, 1).play(&Habits::default(), connections);
}

/// Half of all packets lost, many repeated, in any order, hours late; and the daemon dies as well.
fn bad_network(stage: Stage) {
    let habits = Habits {
        nases: 4,
        slots: 16,
        lost: 50,
        patience: 20,
        repeated: 30,
        reordered: 50,
        late: 15,
        given_up: 10,
        reboots: 20,
        ..Habits::default()
    };
    stage.play(&habits, |stage| {
        stage.count("half of the packets lost");
        stage.pause(500, 1_500);
        if stage.random.chance(30) {
            death(stage);
        }
    });
}

#[test]
fn faults_packets_postgres() {
    bad_network(Stage::new("packets", Engine::Postgres, 1));
}

#[test]
fn faults_packets_sqlite() {
    bad_network(Stage::new("packets", Engine::Sqlite, 1));
}

/// Both get every packet; one of them loses the store now and then, or its life.
#[test]
fn faults_two_nodes() {
    let stage = Stage::new("two nodes", Engine::Postgres, 2);
    let habits = Habits { to_all: true, reuses: false, repeated: 20, ..Habits::default() };
    stage.play(&habits, |stage| match stage.random.below(3) {
        0 => {
            stage.count("one of two nodes without the store");
            let node = stage.pick_node();
            stage.way(node, Way::Refuse);
            stage.linger();
        }
        1 => death(stage),
        _ => connections(stage),
    });
}

/// A NAS asks the second when the first is silent.
#[test]
fn faults_two_nodes_in_turn() {
    let stage = Stage::new("two nodes in turn", Engine::Postgres, 2);
    let habits =
        Habits { lost: 30, patience: 30, reuses: false, reordered: 20, ..Habits::default() };
    stage.play(&habits, |stage| match stage.random.below(2) {
        0 => death(stage),
        _ => connections(stage),
    });
}
