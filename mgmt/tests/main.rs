//! The stories of management, one file per noun: one program, because linking is what costs.

mod app;
mod audit;
mod contract;
mod factor;
mod health;
mod login;
mod operators;
mod roles;
mod tenants;
mod tokens;
mod web;
