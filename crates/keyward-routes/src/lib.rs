#![doc = include_str!("../README.md")]

mod name;

pub use self::name::{ParseRouteNameError, RouteName};
