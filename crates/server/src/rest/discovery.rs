//! Requests on what there is.

use vectorizer_api::discovery::{DiscoverMimir, DiscoverTenants};
use vectorizer_wire::discovery;

use super::call::{Call, Outcome};

pub(super) async fn tenants(call: Call) -> Outcome {
    let fresh = call.params()?.fresh;
    let found = call.run(DiscoverTenants { fresh }).await?;
    call.reply_bare(discovery::tenants(&found))
}

pub(super) async fn mimir(call: Call) -> Outcome {
    let fresh = call.params()?.fresh;
    let found = call.run(DiscoverMimir { fresh }).await?;
    call.reply_bare(discovery::mimir(&found))
}
