//! `reelmill` as a client, against a daemon that answers from a script: what each command asks, prints and exits with.
#![cfg(test)]

mod commands;
mod config;
mod doctor;
mod drivers;
mod fake;
mod follow;
mod sample;
mod tools;
