//! The stories of management, one file per noun: one program, because linking is what costs.

mod app;
mod attempts;
mod audit;
mod contract;
mod events;
mod factor;
mod health;
mod login;
mod nas;
mod operators;
mod roles;
mod sessions;
mod tenants;
mod tokens;
mod users;
mod web;
