//! Who asks.

use vectorizer_memory::{Governor, Tenant};
use vectorizer_model::TenantName;

use crate::error::ApiError;

/// Who asks: whose memory the operation uses, and whose collections it may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    name: TenantName,
    tenant: Tenant,
    only_own: bool,
}

impl Caller {
    /// Of a governor's tenant of that name. It reaches all collections.
    pub fn new(name: TenantName, tenant: Tenant) -> Self {
        Self { name, tenant, only_own: false }
    }

    /// The one of what names none.
    pub(crate) fn default_of(governor: &Governor) -> Self {
        Self::new(TenantName::default(), governor.tenant(TenantName::DEFAULT))
    }

    /// The same, for whom the collections of others are not there.
    #[must_use]
    pub fn among_own(mut self) -> Self {
        self.only_own = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &TenantName {
        &self.name
    }

    /// Whose memory operations use.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Whether it may reach what belongs to a tenant.
    pub(crate) fn reaches(&self, owner: &Tenant) -> bool {
        !self.only_own || owner.name() == self.tenant.name()
    }

    /// A failure as it may be told: who else holds memory is not for whom others are not there.
    #[must_use]
    pub fn told(&self, error: ApiError) -> ApiError {
        let foreign = |name: &str| name != TenantName::SYSTEM && name != self.tenant.name();
        if !self.only_own || !error.holders.iter().any(|holder| foreign(&holder.tenant)) {
            return error;
        }
        // What could never fit, and what cannot be measured, is told in words that name no holder.
        let names_nobody = matches!(error.code, Some("allocation_too_large" | "system_error"));
        let message = if names_nobody {
            error.message
        } else {
            "memory is short, and held by others too; retry after they gave back".to_owned()
        };
        let holders = error.holders.into_iter().filter(|holder| !foreign(&holder.tenant)).collect();
        ApiError { message, holders, ..error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use vectorizer_memory::{Class, Holder, Limits};

    #[test]
    fn who_else_holds_memory_is_told_to_those_who_may_see_it() {
        let governor = Governor::new(Limits::of_root(1000));
        let name = TenantName::new("acme").expect("a name");
        let all = Caller::new(name, governor.tenant("acme"));
        let error = |tenants: &[&str]| {
            let holder = |tenant: &&str| Holder {
                class: Class::Operations,
                tenant: (*tenant).into(),
                bytes: 1,
            };
            let holders = tenants.iter().map(holder).collect();
            ApiError { holders, ..ApiError::new(ErrorKind::Unavailable, "held by ...") }
        };
        let mixed = error(&["system", "other", "acme"]);
        assert_eq!(all.told(mixed.clone()), mixed);
        let own = all.among_own();
        let never = ApiError { code: Some("allocation_too_large"), ..mixed.clone() };
        let never = own.told(never);
        assert_eq!((&*never.message, never.holders.len()), ("held by ...", 2));
        let told = own.told(mixed);
        assert!(told.message.contains("others too") && told.kind == ErrorKind::Unavailable);
        let holders: Vec<&str> = told.holders.iter().map(|holder| &*holder.tenant).collect();
        assert_eq!(holders, ["system", "acme"]);
        assert_eq!(own.told(error(&["acme"])).message, "held by ...");
        assert!(own.reaches(&governor.tenant("acme")) && !own.reaches(&governor.tenant("other")));
    }
}
