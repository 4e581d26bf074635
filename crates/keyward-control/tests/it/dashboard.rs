//! The dashboard: who gets in, which forms are taken, and what pages show.

mod browser;
mod forms;
mod gateways;
mod pages;
mod sign_in;
