//! Who asks.

use vectorizer_engine::EngineError;
use vectorizer_memory::{Governor, Tenant};
use vectorizer_model::TenantName;

use crate::error::ApiError;

/// Of whom a caller hears, and whose collections it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    Everybody,
    Itself,
    Nobody,
}

/// Who asks: whose memory the operation uses, and whose collections it may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    name: TenantName,
    tenant: Tenant,
    sees: Sees,
}

impl Caller {
    /// Of a governor's tenant of that name. It reaches all collections.
    pub fn new(name: TenantName, tenant: Tenant) -> Self {
        Self { name, tenant, sees: Sees::Everybody }
    }

    /// The one of what names none.
    pub(crate) fn default_of(governor: &Governor) -> Self {
        Self::new(TenantName::default(), governor.tenant(TenantName::DEFAULT))
    }

    /// The same, for whom the collections of others are not there.
    #[must_use]
    pub fn among_own(mut self) -> Self {
        self.sees = Sees::Itself;
        self
    }

    /// The same, of whom nothing is known yet: it reaches nothing, and hears of nobody.
    #[must_use]
    pub fn unknown(mut self) -> Self {
        self.sees = Sees::Nobody;
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
        match self.sees {
            Sees::Everybody => true,
            Sees::Itself => owner.name() == self.tenant.name(),
            Sees::Nobody => false,
        }
    }

    /// Whose collections alone it reaches; none if it reaches everybody's.
    pub(crate) fn only(&self) -> Option<&Tenant> {
        (self.sees != Sees::Everybody).then_some(&self.tenant)
    }

    /// A failure as it may be told: who else holds memory is not for whom others are not there.
    #[must_use]
    pub fn told(&self, error: ApiError) -> ApiError {
        let foreign = |name: &str| match self.sees {
            Sees::Everybody => false,
            Sees::Itself => name != TenantName::SYSTEM && name != self.tenant.name(),
            Sees::Nobody => true,
        };
        if !error.holders.iter().any(|holder| foreign(&holder.tenant)) {
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

    /// A refusal of the engine's: what failed for somebody else is for those who see everybody.
    pub(crate) fn refused(&self, error: EngineError) -> ApiError {
        if let EngineError::CatalogueStopped { reason } = &error
            && self.sees == Sees::Everybody
        {
            let message = format!("{error}: {reason}");
            return ApiError { message, ..error.into() };
        }
        error.into()
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
        let unknown = all.clone().unknown();
        let told = unknown.told(error(&["acme"]));
        assert!(told.holders.is_empty() && !told.message.contains("held by ..."), "{told:?}");
        assert!(!unknown.reaches(&governor.tenant("acme")));
        let own = all.clone().among_own();
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
    #[test]
    fn what_stopped_the_catalogue_is_told_to_those_who_see_everybody() {
        let governor = Governor::new(Limits::of_root(1000));
        let all = Caller::default_of(&governor);
        let stopped = || EngineError::CatalogueStopped { reason: "another's disk".to_owned() };
        let told = all.refused(stopped());
        assert!(told.message.contains("until a restart: another's disk"), "{told:?}");
        let told = all.among_own().refused(stopped());
        assert_eq!(told.kind, ErrorKind::Unavailable);
        assert!(told.message.ends_with("until a restart"), "{told:?}");
    }
}
