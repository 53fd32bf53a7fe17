//! Two nodes, one store, and everything that can go wrong, one thing after another and at once.

use super::fleet::Habits;
use super::stage::{Run, Stage};
use super::{daemon, disk, network, store};

#[test]
fn faults_mixed() {
    let mut stage = Stage::with_own_store("mixed", Run::mixed(), 2, false);
    stage.deaths = 20;
    let habits = Habits {
        lost: 10,
        patience: 100,
        reuses: false,
        reordered: 15,
        late: 5,
        ..Habits::default()
    };
    let all: [fn(&mut Stage); 9] = [
        daemon::death,
        daemon::death_in_replay,
        network::connections,
        network::connections,
        store::stopped,
        store::paused,
        store::isolation,
        store::deadlocks,
        disk::journal,
    ];
    stage.play(&habits, |stage| stage.random.pick(&all)(stage));
}
