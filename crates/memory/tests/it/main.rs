//! Behaviour of the governor as its users see it.
//!
//! What budgets are known to get wrong, and the test of it:
//! - many threads pass one check: `stress`, and the model's `charging`
//! - underflow that wipes what others hold: the model's `parts`
//! - a peak from a stale value: the model's `charging`
//! - a handle that is gone, so that nothing is released or everything admitted:
//!   `reclaiming::a_reclaimer_that_is_gone_refuses_and_leaks_nothing`
//! - double release, double count: `properties`
//! - reclaiming that stops early, or goes on for ever: `reclaiming::reclaiming_*`
//! - reclaiming the request instead of the overage: `reclaiming::the_overage_*`; emptying caches
//!   for what never fits: `reclaiming::what_can_never_fit_*`
//! - what frees memory is refused for lack of it: `emergency`
//! - reclaimers that come back into the governor: `reclaiming::a_reclaimer_that_*`
//! - credit of idle and dead threads, bytes freed elsewhere: `credit`
//! - a lowered limit that takes nothing back, a limit of 0 that means none:
//!   `reclaiming::a_lowered_limit_*`, `caches::a_cache_limit_of_zero_*`
//! - a tenant's bytes that outlive it: `credit::a_forgotten_tenant_*`
//! - refusing what would fit: `credit::credit_is_recalled_*`, and the model's `credits`

mod behaviour;
mod caches;
mod caches_give;
mod changing;
mod counters;
mod credit;
mod emergency;
mod guard;
mod properties;
mod reclaiming;
mod stress;
mod waiting;
