//! A store in memory, and the contract suite that every registry store runs (feature `testing`).

mod contract;
mod memory;

pub use contract::run_contract;
pub use memory::MemoryStore;
