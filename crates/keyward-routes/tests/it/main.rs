//! The crate as its users see it.

#[cfg(test)]
mod body;
#[cfg(test)]
mod budget_model;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod cost_limits;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod graphs;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod multipart;
#[cfg(test)]
mod prices;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod spend;
#[cfg(test)]
mod support;
#[cfg(test)]
mod walk;
