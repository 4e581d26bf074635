//! The dashboard: who gets in, which forms are taken, and what pages show.

mod browser;
mod custom_providers;
mod forms;
mod gateways;
mod logs;
mod pages;
mod playground;
mod records;
mod rotation;
mod routes;
mod secrets;
mod settings;
mod sign_in;
mod tokens;
mod traffic;
mod verify;
