//! Operators' passwords: how good they must be, and how they are kept.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::Rng as _;
use tokio::sync::Semaphore;

/// Characters that a password has at least, octets at most.
const MIN: usize = 10;
const MAX: usize = 256;
/// Letters and digits at least beside what is known of the owner.
const REST: usize = 6;
/// Hashes computed at once, and how many may wait for their turn.
const AT_ONCE: usize = 2;
const WAITING: usize = 32;
/// Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Computes hashes away from where requests are served, a bounded number at a time.
#[derive(Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// What an unknown name's password is compared with, so that it takes as long.
    nobody: Arc<str>,
}

/// Too many wait already, or the machine has no thread for it.
#[derive(Debug)]
pub struct Busy;

impl Hasher {
    /// Takes as long as one hash.
    pub fn new() -> Hasher {
        Hasher {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            nobody: hash(&generate()).into(),
        }
    }

    pub async fn hash(&self, password: String) -> Result<String, Busy> {
        self.work(move || hash(&password)).await
    }

    /// Whether it is the password of that hash; without a hash no, after the same time.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Busy> {
        let nobody = Arc::clone(&self.nobody);
        self.work(move || match hash {
            Some(hash) => verify(&password, &hash),
            None => {
                verify(&password, &nobody);
                false
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.queue.try_acquire().map_err(|_| Busy)?;
        // The turn goes with the work: who doesn't wait for the answer any more frees no thread.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Busy)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new()
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// As it is kept: algorithm, parameters, salt and hash in one text.
pub fn hash(password: &str) -> String {
    let hashed = argon2().hash_password(password.as_bytes());
    // An empty one opens no door.
    hashed.map(|hash| hash.to_string()).unwrap_or_default()
}

fn verify(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    password.len() <= MAX && argon2().verify_password(password.as_bytes(), &hash).is_ok()
}

/// Says why a password will not do; `about` is what is known of its owner, which guessers know too.
pub fn check(password: &str, about: &[&str]) -> Result<(), String> {
    if password.chars().count() < MIN {
        return Err(format!("at least {MIN} characters"));
    }
    if password.len() > MAX {
        return Err(format!("at most {MAX} octets"));
    }
    // Made of one's name and mail address only: the first that is tried.
    let known = about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let own = known.filter(|word| word.chars().count() > 2).map(str::to_lowercase);
    let rest = own.fold(password.to_lowercase(), |rest, word| rest.replace(&word, ""));
    if rest.chars().filter(|c| c.is_alphanumeric()).count() < REST {
        return Err("too easily guessed: little more than what is known of its owner".to_owned());
    }
    let words = about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let ours = ["radius", "radiusd", "ferroradius"];
    let inputs: Vec<&str> = about.iter().copied().chain(words).chain(ours).collect();
    let estimate = zxcvbn::zxcvbn(password, &inputs);
    if estimate.score() >= zxcvbn::Score::Three {
        return Ok(());
    }
    let warning = estimate.feedback().and_then(|feedback| feedback.warning());
    Err(match warning {
        Some(warning) => format!("too easily guessed. {warning}"),
        None => "too easily guessed; longer, or words that don't belong together".to_owned(),
    })
}

/// A one-time password: a hundred random bits, easily typed.
pub fn generate() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut rng = rand::rng();
    let mut text = String::with_capacity(23);
    for place in 0..20 {
        if place > 0 && place % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[rng.random_range(0..LETTERS.len())]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_password_is_refused_with_the_reason() {
        for (password, why) in [
            ("short", "at least 10"),
            ("password12", "guessed"),
            ("aaaaaaaaaaaaaa", "guessed"),
            ("margaret.hamilton", "guessed"),
            ("hamilton.margaret", "guessed"),
            (&"x".repeat(300), "at most 256"),
        ] {
            let refused = check(password, &["mh", "Margaret Hamilton"]).unwrap_err();
            assert!(refused.contains(why), "{password}: {refused}");
        }
        check("correct horse battery staple", &[]).unwrap();
        check(&generate(), &[]).unwrap();
        assert_ne!(generate(), generate());
    }

    #[tokio::test]
    async fn a_hash_opens_for_its_password_only() {
        let hasher = Hasher::new();
        let kept = hasher.hash("correct horse".into()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(hasher.verify("correct horse".into(), Some(kept.clone())).await.unwrap());
        assert!(!hasher.verify("correct horsf".into(), Some(kept)).await.unwrap());
        for none in [None, Some(String::new()), Some("clear text".into())] {
            assert!(!hasher.verify("clear text".into(), none).await.unwrap());
        }
    }

    #[tokio::test]
    async fn the_queue_has_an_end() {
        let hasher = Hasher::new();
        let _all = hasher.queue.acquire_many((AT_ONCE + WAITING) as u32).await.unwrap();
        assert!(hasher.hash("x".into()).await.is_err());
    }
}
