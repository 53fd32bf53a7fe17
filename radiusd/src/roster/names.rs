//! Addresses of clients that are given by host name: asked for beside everything else, and while
//! nobody answers, the last ones stand.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Names asked for at once: each takes a thread, which others need too, until the resolver gives up.
const AT_ONCE: usize = 16;

type Answer = io::Result<Vec<IpAddr>>;
/// Asks for the addresses of a name.
pub type LookUp = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// As the machine is set up to find names.
pub fn look_up() -> LookUp {
    Arc::new(|name| {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    })
}

pub struct Names {
    look_up: LookUp,
    known: HashMap<String, Known>,
    slots: Arc<Semaphore>,
    sender: UnboundedSender<(String, Answer)>,
    answers: UnboundedReceiver<(String, Answer)>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<IpNet>,
    /// One question at a time: answers on their way are no more than names.
    asked: bool,
    /// The last question found nothing, and that was said.
    failing: bool,
}

impl Names {
    pub fn new(look_up: LookUp) -> Names {
        let (sender, answers) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Names { look_up, known: HashMap::new(), slots, sender, answers }
    }

    /// What is known of a name; one that is new is asked for.
    pub fn addresses(&mut self, name: &str) -> Vec<IpNet> {
        if let Some(known) = self.known.get(name) {
            return known.addresses.clone();
        }
        self.known.insert(name.to_owned(), Known::default());
        self.ask(name.to_owned());
        Vec::new()
    }

    /// No client has another name.
    pub fn keep(&mut self, names: &HashSet<&str>) {
        self.known.retain(|name, _| names.contains(name.as_str()));
    }

    pub fn ask_again(&mut self) {
        let names: Vec<String> = self.known.keys().cloned().collect();
        names.into_iter().for_each(|name| self.ask(name));
    }

    fn ask(&mut self, name: String) {
        let Some(known) = self.known.get_mut(&name) else { return };
        if std::mem::replace(&mut known.asked, true) {
            return;
        }
        let (look_up, slots) = (Arc::clone(&self.look_up), Arc::clone(&self.slots));
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let _slot = slots.acquire_owned().await;
            let answer = look_up(name.clone()).await;
            // Nobody listens any more when the daemon stops.
            let _ = sender.send((name, answer));
        });
    }

    /// Waits for an answer, takes all that are there, and says whether an address has changed.
    pub async fn answered(&mut self) -> bool {
        let mut others = false;
        if let Some((name, answer)) = self.answers.recv().await {
            others |= self.note(&name, answer);
        }
        while let Ok((name, answer)) = self.answers.try_recv() {
            others |= self.note(&name, answer);
        }
        others
    }

    /// The same until every question is answered, or so much time has passed.
    pub async fn settle(&mut self, patience: Duration) -> bool {
        let mut others = false;
        let all = async {
            while self.known.values().any(|known| known.asked) {
                others |= self.answered().await;
            }
        };
        // What comes later is taken later.
        let _ = tokio::time::timeout(patience, all).await;
        others
    }

    fn note(&mut self, name: &str, answer: Answer) -> bool {
        let Some(known) = self.known.get_mut(name) else { return false };
        known.asked = false;
        let mut found: Vec<IpNet> = match answer {
            Ok(addresses) => addresses.into_iter().map(IpNet::from).collect(),
            Err(_) => Vec::new(),
        };
        found.sort();
        found.dedup();
        let failed = found.is_empty();
        if failed && !known.failing {
            let last = known.addresses.len();
            tracing::warn!(
                nas.name = name,
                last,
                "the host name of a client cannot be resolved: its last addresses stand"
            );
        }
        known.failing = failed;
        if failed || found == known.addresses {
            return false;
        }
        known.addresses = found;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use parking_lot::Mutex;

    use super::*;

    /// Answers as it is told; silent when it is told nothing.
    fn told(answers: &Arc<Mutex<HashMap<String, Vec<IpAddr>>>>) -> LookUp {
        let answers = Arc::clone(answers);
        Arc::new(move |name| {
            let answer = answers.lock().get(&name).cloned();
            Box::pin(async move {
                match answer {
                    Some(addresses) if addresses.is_empty() => {
                        Err(io::Error::other("no such name"))
                    }
                    Some(addresses) => Ok(addresses),
                    None => std::future::pending().await,
                }
            })
        })
    }

    fn nets(addresses: &[IpAddr]) -> Vec<IpNet> {
        addresses.iter().copied().map(IpNet::from).collect()
    }

    #[tokio::test]
    async fn the_last_addresses_stand_while_there_are_no_others() {
        let [one, two] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let answers = Arc::new(Mutex::new(HashMap::from([("ap".to_owned(), vec![two, one, two])])));
        let mut names = Names::new(told(&answers));
        assert_eq!(names.addresses("ap"), []);
        assert!(names.answered().await);
        assert_eq!(names.addresses("ap"), nets(&[one, two]));
        answers.lock().insert("ap".into(), vec![]);
        names.ask_again();
        assert!(!names.answered().await, "nothing is found");
        assert_eq!(names.addresses("ap"), nets(&[one, two]));
        answers.lock().insert("ap".into(), vec![one]);
        names.ask_again();
        assert!(names.answered().await);
        assert_eq!(names.addresses("ap"), nets(&[one]));
        names.keep(&HashSet::new());
        assert_eq!(names.addresses("ap"), [], "what nobody has is forgotten");
    }

    #[tokio::test]
    async fn a_name_without_an_answer_keeps_none_of_the_others_back() {
        let one = IpAddr::from([10, 0, 0, 1]);
        let answers = Arc::new(Mutex::new(HashMap::from([("ap".to_owned(), vec![one])])));
        let mut names = Names::new(told(&answers));
        for name in ["slow", "ap", "slower"] {
            names.addresses(name);
        }
        assert!(names.settle(Duration::from_millis(50)).await);
        assert_eq!(names.addresses("ap"), nets(&[one]));
        assert_eq!(names.addresses("slow"), []);
    }

    #[tokio::test]
    async fn a_silent_resolver_is_asked_a_bounded_number_of_times() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let mut names = Names::new(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::pending())
        }));
        for number in 0..10 * AT_ONCE {
            names.addresses(&number.to_string());
        }
        for _ in 0..10 {
            names.ask_again();
            names.settle(Duration::from_millis(5)).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), AT_ONCE);
    }
}
