//! What the stories stand on: private databases, the daemon, FreeRADIUS beside it, and a NAS.
//!
//! `scratch` gives directories, ports and child processes that don't outlive the tests;
//! `postgres` a private cluster; `sql` a session of another program on either store;
//! `freeradius` the reference; `checkrad` a program in checkrad's place; `daemon` what is tested; `site` both stores with one face;
//! `systemd` a service manager that keeps sockets; `proxy` a bad line to the store, `disk` a full
//! file system; `ask` a request as text (`digest` its digest logins), `nas` what sends it and reads the answer, `das` what takes Disconnect-Request; `radclient` FreeRADIUS's own client; `http` a browser; `sign` RADIUS's signatures, written a second time; `random` numbers that a seed repeats.

pub mod ask;
pub mod checkrad;
pub mod daemon;
pub mod das;
pub mod digest;
pub mod disk;
pub mod freeradius;
pub mod http;
pub mod nas;
pub mod postgres;
pub mod proxy;
pub mod radclient;
pub mod random;
pub mod scratch;
pub mod sign;
pub mod site;
pub mod sql;
pub mod systemd;
