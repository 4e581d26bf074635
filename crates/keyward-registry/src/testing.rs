//! A store in memory, the contract suite that every registry store runs, and every refusal (feature `testing`).

mod contract;
mod memory;
mod refusals;

pub use contract::run_contract;
pub use memory::MemoryStore;
pub use refusals::every_refusal;
