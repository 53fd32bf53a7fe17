//! What a decision lacks is fetched here: users' rows many at a time, counters, sessions, and
//! passwords that take long to check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::duplicates::Ticket;
use crate::policy::{Answers, Need};
use crate::roster::{Known, Mark, Roster};
use crate::server::{Mailbox, Message};
use schema::Store;
