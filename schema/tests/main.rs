//! The stories of the store, one file per noun: one program, because linking is what costs, and
//! one PostgreSQL for all.

mod attempts;
mod audit;
mod both;
mod changes;
mod factors;
mod migrations;
mod operators;
mod people;
mod policy;
mod postgres;
mod rights;
mod search;
mod sessions;
mod tenants;
mod usage;
mod users;
