//! The log on disks that fail, and what the next start makes of what they left.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::folder::{Medium, Sink};
use super::*;
use crate::accounting::{Kind, SessionEvent, Texts};

/// A Start that begins session `number`.
pub fn start(number: u64) -> Event {
    Event::Session(Box::new(SessionEvent {
        kind: Kind::Start,
        unique_id: format!("{number:032x}"),
        time: 1_700_000_000,
        session_time: Some(0),
        input_octets: 0,
        output_octets: 0,
        addresses: Default::default(),
        cause: String::new(),
        texts: Texts { session_id: number.to_string(), ..Texts::default() },
    }))
}

/// What happens to the next append: well, or so many of its octets reach the file and it fails.
type Fate = Option<usize>;
/// It panics.
const PANICS: usize = usize::MAX - 1;

struct Disk {
    fates: Arc<parking_lot::Mutex<VecDeque<Fate>>>,
    full: Arc<std::sync::atomic::AtomicBool>,
}

struct Bad {
    sink: fs::File,
    fates: Arc<parking_lot::Mutex<VecDeque<Fate>>>,
}

impl Medium for Disk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Sink>> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        drop(Files.create(path)?);
        let sink = fs::OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(Bad { sink, fates: self.fates.clone() }))
    }
}

impl Sink for Bad {
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        match self.fates.lock().pop_front().flatten() {
            None => self.sink.append(octets),
            Some(reached) => {
                assert_ne!(reached, PANICS, "as a test wants it");
                self.sink.append(&octets[..reached.min(octets.len())])?;
                Err(io::Error::other("the disk has failed"))
            }
        }
    }

    /// A failed disk cuts nothing either.
    fn cut(&mut self, _: u64) -> io::Result<()> {
        Err(io::Error::other("the disk has failed"))
    }
}

type Told = Arc<parking_lot::Mutex<Vec<(u64, Outcome)>>>;

/// A log over a folder, and what it has told.
struct Rig {
    folder: Folder,
    state: Arc<State>,
    counters: Arc<Counters>,
    orders: crossbeam_channel::Sender<Order>,
    fates: Arc<parking_lot::Mutex<VecDeque<Fate>>>,
    full: Arc<std::sync::atomic::AtomicBool>,
    told: Told,
    thread: Option<std::thread::JoinHandle<()>>,
    opened: log::Opened,
}

impl Rig {
    fn open(path: &Path, limit: u64) -> Rig {
        Rig::open_behind(path, limit, |_, _| {})
    }

    /// The thread begins when everything is said that `first` says.
    fn open_behind(
        path: &Path,
        limit: u64,
        first: impl FnOnce(&State, &crossbeam_channel::Sender<Order>),
    ) -> Rig {
        let folder = Folder::new(path.to_owned());
        let lock = folder.lock().unwrap();
        let (state, opened) = State::open(folder.clone(), limit).unwrap();
        let (state, counters) = (Arc::new(state), Arc::<Counters>::default());
        let told = Told::default();
        let heard = told.clone();
        let completions = move |_: usize, outcomes: Vec<(Ticket, Outcome)>| {
            heard.lock().extend(outcomes.into_iter().map(|(Ticket(of), outcome)| (of, outcome)));
        };
        let waiting = Waiting::new(usize::MAX);
        let answers = Answers {
            completions: Arc::new(completions),
            counters: counters.clone(),
            online: Arc::default(),
            waiting,
        };
        let (fates, full) = (Arc::default(), Arc::default());
        let disk = Disk { fates: Arc::clone(&fates), full: Arc::clone(&full) };
        let (orders, received) = crossbeam_channel::unbounded();
        let log = Log::new(state.clone(), Arc::new(answers), disk, lock);
        first(&state, &orders);
        let thread = Some(log.start(received).unwrap());
        Rig { folder, state, counters, orders, fates, full, told, thread, opened }
    }

    fn append(&self, number: u64) {
        append(&self.state, &self.orders, number);
    }

    /// One write for each, and what was told.
    fn append_each(&self, numbers: std::ops::Range<u64>) -> Vec<(u64, Outcome)> {
        for number in numbers {
            self.append(number);
            while self.state.pending.load(Ordering::Acquire) > 0 {
                std::thread::yield_now();
            }
        }
        std::mem::take(&mut *self.told.lock())
    }

    /// Everything that the replay would read, in order.
    fn read(&self) -> Vec<u64> {
        replay(&self.state, &self.orders, |_| {})
    }

    fn segments(&self) -> Vec<u64> {
        self.folder.segments().unwrap()
    }
}

fn append(state: &State, orders: &crossbeam_channel::Sender<Order>, number: u64) {
    state.pending.fetch_add(1, Ordering::Relaxed);
    let source = [127, 0, 0, 1].into();
    let record = Record { event: start(number), source, worker: 0, ticket: Ticket(number) };
    orders.send(Order::Append(record)).unwrap();
}

/// As the replay goes, batch by batch: what it would write.
fn replay(
    state: &State,
    orders: &crossbeam_channel::Sender<Order>,
    mut written: impl FnMut(folder::Position),
) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(batch) = state.read(3, orders).unwrap() {
        numbers.extend(batch.events.iter().map(|event| match event {
            Event::Session(event) => event.texts.session_id.parse::<u64>().unwrap(),
            Event::Reboot(_) => panic!("no reboots here"),
        }));
        let position = folder::Position { segment: batch.segment, offset: batch.next };
        state.advance(position);
        written(position);
    }
    numbers
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.orders.send(Order::Stop).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn stored(told: &[(u64, Outcome)]) -> Vec<u64> {
    told.iter().filter(|(_, outcome)| *outcome == Outcome::Stored).map(|(of, _)| *of).collect()
}

const LARGE: u64 = 1 << 30;

#[test]
fn after_a_failed_write_a_new_segment_begins() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(&directory.path().join("journal"), LARGE);
    // The third write reaches the disk by half.
    rig.fates.lock().extend([None, None, Some(100)]);
    let told = rig.append_each(0..5);
    assert_eq!(stored(&told), [0, 1, 2, 3, 4]);
    assert_eq!(rig.segments(), [1, 2]);
    assert_eq!(rig.counters.journalled.get(), 5);
    drop(rig);
    // What the failed write left is no record, and the operator hears of that disk.
    let rig = Rig::open(&directory.path().join("journal"), LARGE);
    assert_eq!((rig.opened.torn, rig.opened.damaged), (0, 1));
    assert_eq!(rig.read(), [0, 1, 2, 3, 4]);
}

/// A whole record that no fdatasync confirmed: unanswered, and not read in this life.
#[test]
fn what_was_not_confirmed_is_neither_answered_nor_read() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(&directory.path().join("journal"), LARGE);
    rig.fates.lock().extend([None, Some(usize::MAX), Some(usize::MAX)]);
    let told = rig.append_each(0..3);
    assert_eq!(told[1], (1, Outcome::NotStored));
    assert_eq!(stored(&told), [0, 2]);
    assert_eq!(rig.read(), [0, 2]);
    assert_eq!(rig.counters.journal_failed.get(), 1);
}

#[test]
fn a_panic_costs_what_it_met_and_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(&directory.path().join("journal"), LARGE);
    rig.fates.lock().extend([None, Some(PANICS), None]);
    let told = rig.append_each(0..4);
    assert_eq!(told[1], (1, Outcome::NotStored));
    assert_eq!(stored(&told), [0, 2, 3]);
    assert_eq!(rig.read(), [0, 2, 3]);
}

#[test]
fn a_full_disk_leaves_records_unanswered_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(&directory.path().join("journal"), LARGE);
    rig.full.store(true, Ordering::Relaxed);
    assert!(stored(&rig.append_each(0..3)).is_empty());
    assert!(!rig.state.trouble.lock().is_empty());
    assert_eq!(rig.counters.not_stored.get(), 3);
    rig.full.store(false, Ordering::Relaxed);
    assert_eq!(stored(&rig.append_each(3..5)), [3, 4]);
    assert!(rig.state.trouble.lock().is_empty());
    assert_eq!(rig.read(), [3, 4]);
}

#[test]
fn the_limit_holds_and_a_replay_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let limit = 1 << 16;
    let rig = Rig::open(&path, limit);
    let told = rig.append_each(0..200);
    let kept = stored(&told);
    assert!(kept.len() > 50 && kept.len() < 200, "{}", kept.len());
    assert!(rig.folder.octets() <= limit);
    assert!(rig.segments().len() > 3, "segments end by size");
    assert_eq!(rig.counters.journal_full.get(), 200 - kept.len() as u64);
    assert_eq!(rig.read(), kept);
    rig.state.finish_current(&rig.orders);
    let again = rig.append_each(500..510);
    assert_eq!(stored(&again).len(), 10);
    assert_eq!(rig.segments().len(), 1, "what was replayed is removed");
}

#[test]
fn a_torn_tail_is_cut_and_damage_is_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let rig = Rig::open(&path, LARGE);
    rig.append_each(0..10);
    drop(rig);
    let segment = path.join("000000000001.segment");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 5]).unwrap();
    let rig = Rig::open(&path, LARGE);
    assert_eq!((rig.opened.torn, rig.opened.damaged), (1, 0));
    assert_eq!(rig.state.records.load(Ordering::Relaxed), 9);
    assert_eq!(rig.read(), (0..9).collect::<Vec<_>>());
    drop(rig);
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0xff;
    for header in [whole[0], 0] {
        damaged[0] = header;
        fs::write(&segment, &damaged).unwrap();
        let rig = Rig::open(&path, LARGE);
        assert_eq!((rig.opened.torn, rig.opened.damaged), (0, 1));
        assert_eq!(rig.read().len(), 9, "one record is lost, no other");
        assert_eq!(rig.state.damaged.load(Ordering::Relaxed), 1);
        rig.append_each(100..101);
        rig.state.finish_current(&rig.orders);
        drop(rig);
        let kept = fs::read(path.join("damaged/000000000001.segment")).unwrap();
        assert_eq!(kept, damaged);
        assert!(!segment.exists());
        fs::remove_dir_all(path.join("damaged")).unwrap();
    }
}

#[test]
fn a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let rig = Rig::open(&path, LARGE);
    rig.append_each(0..2);
    drop(rig);
    let segment = path.join("000000000001.segment");
    let mut newer = fs::read(&segment).unwrap();
    newer[8] = 2;
    let sum = segment::check::<4>(&[&newer[..12]]);
    newer[12..16].copy_from_slice(&sum);
    fs::write(&segment, &newer).unwrap();
    let rig = Rig::open(&path, LARGE);
    assert_eq!(rig.state.newer.load(Ordering::Relaxed), 1);
    assert!(rig.state.is_empty(), "it is not waited for");
    assert_eq!(stored(&rig.append_each(5..6)), [5]);
    assert_eq!(rig.read(), [5]);
    rig.state.finish_current(&rig.orders);
    drop(rig);
    assert_eq!(fs::read(&segment).unwrap(), newer);
}

#[test]
fn a_position_saves_work_and_is_never_needed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let rig = Rig::open(&path, LARGE);
    rig.append_each(0..10);
    let batch = rig.state.read(4, &rig.orders).unwrap().unwrap();
    let position = folder::Position { segment: batch.segment, offset: batch.next };
    rig.orders.send(Order::Replayed(position)).unwrap();
    drop(rig);
    let segment = path.join("000000000001.segment");
    let records = fs::read(&segment).unwrap();
    let rig = Rig::open(&path, LARGE);
    assert_eq!(rig.state.records.load(Ordering::Relaxed), 6);
    assert_eq!(rig.read(), (4..10).collect::<Vec<_>>());
    drop(rig);
    let file = path.join("position");
    let whole = fs::read(&file).unwrap();
    for torn in [&whole[..7], &[0; 24][..], &[][..]] {
        fs::write(&file, torn).unwrap();
        fs::write(&segment, &records).unwrap();
        assert_eq!(Rig::open(&path, LARGE).read(), (0..10).collect::<Vec<_>>());
    }
}

/// All of a segment is in the store, and the next record comes before the thread hears of it: the
/// position is that of the old segment, and says nothing about the new one.
#[test]
fn a_position_is_not_the_next_segments() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    Rig::open(&path, LARGE).append_each(0..10);
    let rig = Rig::open_behind(&path, LARGE, |state, orders| {
        let read = replay(state, orders, |at| orders.send(Order::Replayed(at)).unwrap());
        assert_eq!(read, (0..10).collect::<Vec<_>>());
        (10..15).for_each(|number| append(state, orders, number));
    });
    while rig.state.pending.load(Ordering::Acquire) > 0 {
        std::thread::yield_now();
    }
    drop(rig);
    assert_eq!(Rig::open(&path, LARGE).read(), (10..15).collect::<Vec<_>>());
}

/// A batch ends with its segment, which says nothing about what is left.
#[test]
fn a_short_batch_is_not_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    for numbers in [0..3, 3..10] {
        Rig::open(&path, LARGE).append_each(numbers);
    }
    let rig = Rig::open(&path, LARGE);
    assert_eq!(rig.segments().len(), 2);
    let batch = rig.state.read(5, &rig.orders).unwrap().unwrap();
    assert_eq!(batch.events.len(), 3);
    assert!(rig.state.holds_at_most(10) && !rig.state.holds_at_most(9));
}

/// Gone under our feet: an error each time, never an endless search; and then given up.
#[test]
fn a_segment_that_shrank_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(&directory.path().join("journal"), LARGE);
    rig.append_each(0..3);
    let segment = rig.folder.segment(1);
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(16).unwrap();
    assert!(rig.state.read(3, &rig.orders).is_err());
    rig.state.give_up_first(&rig.orders);
    assert_eq!(rig.state.damaged.load(Ordering::Relaxed), 1);
    assert_eq!(stored(&rig.append_each(3..4)), [3]);
    assert_eq!(rig.read(), [3]);
}

#[test]
fn two_never_share_a_folder() {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::new(directory.path().join("journal"));
    let lock = folder.lock().unwrap();
    assert!(folder.is_locked());
    let refused = folder.lock().unwrap_err();
    assert_eq!(refused.code, crate::exit::UNAVAILABLE);
    assert!(refused.message.contains("another radiusd"), "{}", refused.message);
    drop(lock);
    assert!(!folder.is_locked());
    folder.lock().unwrap();
}

/// Before the way turns, records wait in lanes; behind it they go to the log. None overtakes.
#[test]
fn who_turns_the_way_takes_along_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::open(&directory.path().join("journal"), LARGE);
    let lanes: Vec<_> = (0..3).map(|_| Arc::new(Queue::new(100))).collect();
    let answers = Answers {
        completions: Arc::new(|_: usize, _: Vec<(Ticket, Outcome)>| {}),
        counters: rig.counters.clone(),
        online: Arc::default(),
        waiting: Waiting::new(usize::MAX),
    };
    let (state, orders) = (rig.state.clone(), rig.orders.clone());
    let spill = Spill::new(lanes.clone(), state, orders, Arc::new(answers), 1_000);
    let take = |number: u64| {
        let source = [127, 0, 0, 1].into();
        let record = Record { event: start(number), source, worker: 0, ticket: Ticket(number) };
        spill.take(record).unwrap();
    };
    (0..20).for_each(take);
    let flight = lanes[0].take(3).unwrap();
    assert_eq!(flight.items.len(), 3);
    spill.turn("a test");
    (20..30).for_each(take);
    assert!(spill.is_flying(), "to be waited for before the replay");
    lanes[0].land();
    while rig.state.pending.load(Ordering::Acquire) > 0 {
        std::thread::yield_now();
    }
    let read = rig.read();
    for shard in 0..2 {
        let of: Vec<_> = read.iter().filter(|n| **n % 2 == shard).collect();
        assert!(of.is_sorted(), "{read:?}");
    }
    assert_eq!(read.len(), 30);
    // What finds no room waits for nothing: its repetition is no repetition.
    rig.state.pending.store(1_000, Ordering::Release);
    let source = [127, 0, 0, 1].into();
    let record =
        |number| Record { event: start(number), source, worker: 0, ticket: Ticket(number) };
    assert_eq!(spill.take(record(40)), Err(Refused::Full));
    rig.state.pending.store(0, Ordering::Release);
    assert_eq!(spill.answers.waiting.len(), 30);
    // The journal's end: what comes meanwhile waits in the lanes, then goes straight.
    spill.hand_over();
    take(30);
    assert!(spill.finish());
    assert_eq!(spill.way(), spill::Way::Direct);
    assert_eq!(spill.queued(), 1);
    assert!(rig.state.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the disk does, and whenever the process is killed: what was answered is read.
    #[test]
    fn what_is_answered_is_read_again(
        fates in prop::collection::vec(prop::option::weighted(0.3, 0..600usize), 1..25),
        limit in prop_oneof![Just(LARGE), 1u64 << 16..1 << 17],
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let count = fates.len() as u64;
        let rig = Rig::open(&path, limit);
        rig.fates.lock().extend(fates);
        let answered = stored(&rig.append_each(0..count));
        // A copy of the folder is what a killed process leaves.
        let copy = directory.path().join("copy");
        fs::create_dir(&copy).unwrap();
        for number in rig.segments() {
            let name = format!("{number:012}.segment");
            fs::copy(path.join(&name), copy.join(&name)).unwrap();
        }
        prop_assert_eq!(rig.read(), answered.clone());
        let mut after = Rig::open(&copy, limit).read();
        after.sort_unstable();
        after.dedup();
        let lost: Vec<_> = answered.iter().filter(|n| after.binary_search(n).is_err()).collect();
        prop_assert!(lost.is_empty(), "{:?}", lost);
    }
}
